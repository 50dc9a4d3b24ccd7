"""Every option of option_words.py as a JSON Schema: its known words or bounds, its default, and a line of help.

A schema says how an option is best written; what is read is more lenient (capitals, spaces, `px`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from app.imaging.backdrop import FITS
from app.imaging.color import COLOR_NAMES
from app.imaging.encode import FORMATS
from app.imaging.matte import MOST_DILATION_PX, MOST_FEATHER_PX
from app.imaging.preprocess import RESIZE_MODES
from app.imaging.shadow import Shadow
from app.services.option_words import BLUR_PX, LONGEST_SIDE_PX, MODEL_NAME, MOST_SHADOW_PX, TRANSPARENT
from app.services.options import COLOR_PROFILES, ON_UNKNOWN, OUTPUTS
from app.services.presets import PRESETS
from app.services.quality import DEFAULT_TIER, TIERS

Schema = dict[str, Any]

BYTE = "(1?[0-9]{1,2}|2[0-4][0-9]|25[0-5])"
_LENGTH = "[0-9]{1,6}([.][0-9]{1,6})?(px|%)?"
_OFFSET = "-?(1?[0-9]{1,2}|200)"
_PERCENT = "([0-9]{1,2}([.][0-9]{1,3})?|100)%"
_FROM_TEN_PERCENT = "([1-9][0-9]([.][0-9]{1,3})?|100)%"
_HEX = "#?([0-9A-Fa-f]{3}|[0-9A-Fa-f]{6})"
_TRANSLUCENT_HEX = "#?([0-9A-Fa-f]{3,4}|[0-9A-Fa-f]{6}|[0-9A-Fa-f]{8})"
_SIDE = "([1-9][0-9]{0,3}|10000)"
_SHAPE_SIDE = "([1-9]|1[0-9]|20)"

_SHADOW = Shadow()


def _one_of(words: Iterable[str], text: str, **more: Any) -> Schema:
    return {"type": "string", "enum": list(words), "description": text, **more}


def _number(least: float, most: float, text: str, **more: Any) -> Schema:
    return {"type": "number", "minimum": least, "maximum": most, "description": text, **more}


def _flag(text: str) -> Schema:
    return {"type": "boolean", "description": text}


def _text(pattern: str, text: str, **more: Any) -> Schema:
    return {"type": "string", "pattern": f"^({pattern})$", "description": text, **more}


def _color(names: Iterable[str], text: str, *, hex_digits: str = _HEX, **more: Any) -> Schema:
    written = {"pattern": f"^({hex_digits}|{BYTE},{BYTE},{BYTE})$"}
    return {"type": "string", "anyOf": [written, {"enum": list(names)}], "description": text, **more}


OPTION_SCHEMAS: dict[str, Schema] = {
    "output": _one_of(OUTPUTS, "The subject, its matte as a grey picture, or the photo as it is.", default=OUTPUTS[0]),
    "format": _one_of(FORMATS, "The file's format. Without: png, or what Accept names; zip: color.jpg and alpha.png."),
    "image_quality": {
        "anyOf": [{"type": "integer", "minimum": 1, "maximum": 100}, {"type": "string", "const": "lossless"}],
        "description": "Of JPEG, WebP, AVIF and the ZIP's JPEG; lossless for WebP. PNG always is. Without: "
        + ", ".join(f"{name} {found.quality}" for name, found in FORMATS.items() if found.quality)
        + ".",
    },
    "background_color": _color(
        (TRANSPARENT, *COLOR_NAMES),
        "The colour behind the subject: hex, with an opacity or without, a CSS name, r,g,b, or transparent.",
        hex_digits=_TRANSLUCENT_HEX,
        default=TRANSPARENT,
    ),
    "background_gradient": {
        "type": "string",
        "pattern": r"^(linear|radial)-gradient\(.+\)$",
        "description": "A gradient behind the subject, as CSS writes it.",
        "examples": ["linear-gradient(45deg, white, #a9d8ff 60%, navy)", "radial-gradient(white, silver)"],
    },
    "background_blur": _number(*BLUR_PX, "The photo itself behind the subject, out of focus: the radius."),
    "background_fit": _one_of(FITS, "How a background image fills the canvas.", default=FITS[0]),
    "shadow": _flag("Whether the subject has a drop shadow."),
    "shadow_offset": _text(
        f"{_OFFSET} {_OFFSET}",
        f"How far the shadow is to the right and down, at most {MOST_SHADOW_PX} each.",
        default="{:g} {:g}".format(*_SHADOW.offset_px),
    ),
    "shadow_blur": _number(0, MOST_SHADOW_PX, "The radius of the shadow's blur.", default=_SHADOW.blur_px),
    "shadow_opacity": _text(_PERCENT, "How dark the shadow is.", default=f"{_SHADOW.opacity:.0%}"),
    "shadow_color": _color(COLOR_NAMES, "The shadow's colour.", default="black"),
    "preset": _one_of(PRESETS, "A size that shops and offices ask for (GET /api/presets); other options outrank it."),
    "size": _text(
        f"{_SIDE}x{_SIDE}|{_SHAPE_SIDE}:{_SHAPE_SIDE}",
        f"Exactly so many pixels, at most {LONGEST_SIDE_PX} each, or a shape around what there is.",
        examples=["600x600", "4:5"],
    ),
    "crop": _flag("Whether the picture is cut to the subject."),
    "crop_margin": _text(
        f"{_LENGTH}|{_LENGTH} {_LENGTH}|{_LENGTH} {_LENGTH} {_LENGTH} {_LENGTH}",
        "1, 2 or 4 lengths around a cropped subject, as in CSS.",
        examples=["20px", "10% 5%"],
    ),
    "scale": _text(
        f"{_FROM_TEN_PERCENT}|original", "How large the subject is in the canvas, 10% to 100%, or original."
    ),
    "position": _text(
        f"center|original|{_PERCENT}( {_PERCENT})?",
        "Where the subject stands in the canvas: center, original, or across and down.",
        examples=["50% 100%"],
    ),
    "roi": _text(
        f"{_LENGTH} {_LENGTH} {_LENGTH} {_LENGTH}",
        "The part of the photo in which the subject is: left, top, right, bottom.",
        examples=["10% 0 90% 100%"],
    ),
    "mask_dilation": _number(
        -MOST_DILATION_PX, MOST_DILATION_PX, "Pixels of a photo of 1024 by which the subject grows.", default=0
    ),
    "feather": _number(0, MOST_FEATHER_PX, "Pixels of a photo of 1024 over which the edge is soft.", default=0),
    "threshold": {
        **_number(0, 255, "Alpha from there on becomes 255, all below 0; 0: off.", default=0),
        "type": "integer",
    },
    "keep_largest": _flag("Whether only the largest connected part of the subject stays."),
    "fill_holes": _flag("Whether what the subject surrounds is filled."),
    "model": _text(MODEL_NAME, "A model that is installed (GET /api/models). Without: the server's own."),
    "resize": _one_of(RESIZE_MODES, "How the photo is brought to the network's size. Without: as the server is set."),
    "quality": _one_of(TIERS, "How closely the network looks.", default=DEFAULT_TIER),
    "on_unknown": _one_of(
        ON_UNKNOWN, "When nothing stands out: an error, or the photo as it is.", default=ON_UNKNOWN[0]
    ),
    "color_profile": _one_of(
        COLOR_PROFILES, "Whether colours become sRGB, or stay with the photo's profile.", default=COLOR_PROFILES[0]
    ),
}
