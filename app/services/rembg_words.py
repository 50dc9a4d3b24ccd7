"""The parameters of rembg's server → options of ours."""

from __future__ import annotations

from collections.abc import Mapping

from app.errors import BadRequest
from app.hosting import FALSE_WORDS, TRUE_WORDS

# Alpha matting, decontamination, ViTMatte: edges and their colours are always worked out here, in our own way.
_SWITCHES = ("a", "om", "ppm", "dc", "vm")
_BYTE = range(256)
_MOST_ERODE_PX = 10_000


def translate(words: Mapping[str, str]) -> dict[str, str]:
    """Words of rembg's names → words of option_words.py; what rembg does not know is left out, as it does.

    `om` is the matte alone, `ppm` a hard edge, `bgc` the background as R,G,B,A; `a`, `af`, `ab`, `ae`, `dc`, `vm` and
    `extras` are checked where they can be, and change nothing.

    Raises:
        BadRequest: a value that rembg would not take either.
    """
    given = {name: text.strip() for name, text in words.items() if text.strip()}
    on = {name: _switch(name, given.get(name, "false")) for name in _SWITCHES}
    for name, most in (("af", 255), ("ab", 255), ("ae", _MOST_ERODE_PX)):
        _check_number(name, given.get(name, "0"), most)
    options = {"model": given["model"]} if "model" in given else {}
    if on["ppm"]:
        options["threshold"] = "127"
    if on["om"]:
        return {**options, "output": "mask"}
    if "bgc" in given:
        options["background_color"] = _background(given["bgc"])
    return options


def _switch(name: str, text: str) -> bool:
    if text.lower() not in (*TRUE_WORDS, *FALSE_WORDS):
        raise BadRequest(f"{name} must be true or false.", code=f"invalid_{name}")
    return text.lower() in TRUE_WORDS


def _check_number(name: str, text: str, most: int) -> None:
    if not (text.isascii() and text.isdigit() and int(text) <= most):
        raise BadRequest(f"{name} must be a whole number from 0 to {most}.", code=f"invalid_{name}")


def _background(text: str) -> str:
    parts = [part.strip() for part in text.split(",")]
    if len(parts) == 3:
        parts.append("255")
    if len(parts) != 4 or not all(part.isascii() and part.isdigit() and int(part) in _BYTE for part in parts):
        raise BadRequest("bgc must be red, green, blue and alpha, each 0 to 255: 255,136,0,255.", code="invalid_bgc")
    return "#" + bytes(map(int, parts)).hex()
