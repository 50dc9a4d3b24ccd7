"""remove.bg's words → `CutoutOptions`, as `POST /v1.0/removebg` takes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.imaging.backdrop import Veil
from app.imaging.layout import CENTER, Layout
from app.imaging.shadow import Shadow
from app.services.option_words import (
    Given,
    parse_background_color,
    parse_margin,
    parse_position,
    parse_roi,
    parse_scale,
    percent,
)
from app.services.options import Background, CutoutOptions, ImageBehind

# The most megapixels that a size stands for; `auto` is the largest.
MEGAPIXELS = {
    **dict.fromkeys(("preview", "small", "regular"), 0.25),
    "medium": 1.5,
    "hd": 4,
    **dict.fromkeys(("full", "4k", "auto"), 25),
    "50mp": 50,
}
MOST_PNG_MEGAPIXELS = 10
ANY_TYPE, UNKNOWN_TYPE = "auto", "other"
TYPES = (
    *(ANY_TYPE, "person", "product", "car", "animal", "graphic", "graphics", "transportation"),
    *("car_interior", "car_part", UNKNOWN_TYPE),
)
NO_TYPE_LEVEL, TYPE_LEVELS = "none", ("none", "1", "2", "latest")
AUTO_FORMAT, FORMATS = "auto", ("auto", "png", "jpeg", "webp", "zip")
FORMAT_ALIASES = {"jpg": "jpeg"}
CHANNELS = ("rgba", "alpha")
NO_SHADOW, SHADOW_TYPES = "none", ("none", "auto", "car", "3d", "drop")


@dataclass(frozen=True)
class RemoveBgWords:
    """The options of a cut-out, and what the answer says the subject is (None: nothing)."""

    options: CutoutOptions
    subject_type: str | None


def read_removebg_words(words: Mapping[str, str], *, background_image: bytes | None = None) -> RemoveBgWords:
    """Read remove.bg's parameters; an empty one counts as absent, one that is not known as well.

    Raises:
        BadRequest: a value cannot be used; "invalid_" and the parameter's name is the code.
    """
    given = Given(words)
    given.flag("semitransparency")  # every cut-out has it
    background: Background = given.read("bg_color", parse_background_color, None)
    if background_image is not None:
        background = ImageBehind(background_image)
    is_mask = given.one_of("channels", CHANNELS, CHANNELS[0]) == "alpha"
    file_format = _format(given, opaque=background is not None and not isinstance(background, Veil) and not is_mask)
    is_mask = is_mask and file_format != "zip"  # whose second member it is
    shadow = _shadow(given)
    options = CutoutOptions(
        output="mask" if is_mask else "cutout",
        format=file_format,
        background=None if is_mask else background,
        shadow=None if is_mask else shadow,
        roi=given.read("roi", parse_roi, None),
        layout=_layout(given),
        color_profile="keep" if file_format == "zip" else "srgb",
        enough_megapixels=most_megapixels(file_format, given.one_of("size", MEGAPIXELS, "preview")),
        locate=True,
    )
    return RemoveBgWords(options, _subject_type(given))


def most_megapixels(file_format: str, size: str = "full") -> float:
    """The most megapixels of a picture in this format and size."""
    most = MEGAPIXELS[size]
    return min(most, MOST_PNG_MEGAPIXELS) if file_format == "png" else most


def _format(given: Given, *, opaque: bool) -> str:
    """The format asked for; by itself PNG, but JPEG where nothing is see-through."""
    asked = given.one_of("format", FORMATS, AUTO_FORMAT, aliases=FORMAT_ALIASES)
    return ("jpeg" if opaque else "png") if asked == AUTO_FORMAT else asked


def _shadow(given: Given) -> Shadow | None:
    by_flag = "drop" if given.flag("add_shadow") else NO_SHADOW
    kind = given.one_of("shadow_type", SHADOW_TYPES, by_flag)
    opacity = given.read("shadow_opacity", percent(0, 100), Shadow().opacity)
    return None if kind == NO_SHADOW else Shadow(opacity=opacity)


def _layout(given: Given) -> Layout:
    scale = given.read("scale", parse_scale, None)
    return Layout(
        crop=given.flag("crop"),
        margin=given.read("crop_margin", parse_margin, Layout().margin),
        scale=scale,
        position=given.read("position", parse_position, CENTER if scale else None),
    )


def _subject_type(given: Given) -> str | None:
    """What the client says it is: nothing here looks for more than that it stands out."""
    asked = given.one_of("type", TYPES, ANY_TYPE)
    level = given.one_of("type_level", TYPE_LEVELS, "1")
    if level == NO_TYPE_LEVEL:
        return None
    return UNKNOWN_TYPE if asked == ANY_TYPE else asked
