"""Words for colours → RGB."""

from __future__ import annotations

import re

from PIL import ImageColor

RGB = tuple[int, int, int]
COLOR_NAMES = tuple(ImageColor.colormap)

_HEX = re.compile(r"#?(?:[0-9a-f]{3}|[0-9a-f]{6})")
_HEX_WITH_OPACITY = re.compile(r"#?(?:[0-9a-f]{4}|[0-9a-f]{8})")
_TRIPLE = re.compile(r"([0-9]{1,3}) *, *([0-9]{1,3}) *, *([0-9]{1,3})")


def parse_color(text: str) -> RGB:
    """Read `#ff8000`, `ff8000`, `#f80`, `f80`, a CSS name such as `rebeccapurple`, `255,128,0` or
    `rgb(255, 128, 0)`.

    Raises:
        ValueError: it is none of these.
    """
    word = text.strip().lower()
    if word.startswith("rgb(") and word.endswith(")"):
        word = word[4:-1].strip()
    if _HEX.fullmatch(word):
        digits = word.lstrip("#")
        digits = digits if len(digits) == 6 else "".join(digit * 2 for digit in digits)
        return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)
    if triple := _TRIPLE.fullmatch(word):
        red, green, blue = (int(part) for part in triple.groups())
        if max(red, green, blue) <= 255:
            return red, green, blue
    elif word in COLOR_NAMES:
        red, green, blue = ImageColor.getrgb(word)[:3]
        return red, green, blue
    raise ValueError(f"{text!r} is no colour")


def parse_translucent_color(text: str) -> tuple[RGB, float]:
    """Read what `parse_color` does, hex with an opacity behind it (`#ff800080`, `f808`), and `transparent`; returns the
    colour and its opacity, 0..1.

    Raises:
        ValueError: it is none of these.
    """
    word = text.strip().lower()
    if word == "transparent":
        return (0, 0, 0), 0.0
    if not _HEX_WITH_OPACITY.fullmatch(word):
        return parse_color(word), 1.0
    digits = word.lstrip("#")
    part = len(digits) // 4
    return parse_color(digits[:-part]), int((2 * digits[-part:])[:2], 16) / 255
