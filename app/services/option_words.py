"""Words → `CutoutOptions`: the one reading of options for the API, the page and the command line."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from app.errors import BadRequest
from app.hosting import FALSE_WORDS, TRUE_WORDS
from app.imaging.backdrop import FITS, WHITE, Plain, Veil
from app.imaging.color import RGB, parse_color, parse_translucent_color
from app.imaging.encode import FORMAT_ALIASES, FORMATS, LOSSLESS
from app.imaging.gradient import Gradient, parse_gradient
from app.imaging.layout import CENTER, Canvas, Layout
from app.imaging.length import Length, parse_length
from app.imaging.matte import MOST_DILATION_PX, MOST_FEATHER_PX, MatteControls
from app.imaging.preprocess import RESIZE_MODES
from app.imaging.shadow import Shadow
from app.services.options import (
    COLOR_PROFILES,
    ON_UNKNOWN,
    OUTPUTS,
    Background,
    BlurredPhoto,
    CutoutOptions,
    ImageBehind,
    Roi,
)
from app.services.presets import PRESETS
from app.services.quality import DEFAULT_TIER, TIERS

OPTION_FIELDS = (
    *("output", "format", "image_quality"),
    *("background_color", "background_gradient", "background_blur", "background_fit"),
    *("shadow", "shadow_offset", "shadow_blur", "shadow_opacity", "shadow_color"),
    *("preset", "size", "crop", "crop_margin", "scale", "position", "roi"),
    *("mask_dilation", "feather", "threshold", "keep_largest", "fill_holes"),
    *("model", "resize", "quality", "on_unknown", "color_profile"),
)
TRANSPARENT = "transparent"
LOSSLESS_FORMATS = ("png", "webp")
LONGEST_SIDE_PX = 10_000
LONGEST_WORD = 1000
BLUR_PX = (4, 100)
MOST_SHADOW_PX = 200
MODEL_NAME = "[A-Za-z0-9_-]{1,64}"

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_SIZE = re.compile(r"([0-9]{1,5}) ?[x×] ?([0-9]{1,5})")
_SHAPE = re.compile(r"([0-9]{1,3}) ?: ?([0-9]{1,3})")
_QUALITY = re.compile(r"[0-9]{1,3}")
_LONGEST_SHAPE = 20
_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3}(?= ?%))?) ?%?")  # 0.4 without % might be meant as 40 %
_BETWEEN = re.compile(r"[ ,;]+")
_Found = TypeVar("_Found")


def read_options(
    fields: Mapping[str, str], *, image_format: str = "png", background_image: bytes | None = None
) -> CutoutOptions:
    """Read the options of a cut-out; an empty value counts as absent. `image_format` is what no format means.

    Raises:
        BadRequest: a field is not known, its value is not, or two of them contradict each other; "invalid_" and the
            field's name is the code of a value.
    """
    for name in fields:
        if name not in OPTION_FIELDS:
            raise BadRequest(
                f"There is no field {name[:50]!r}. Known are: file, image, background_image, "
                f"{', '.join(OPTION_FIELDS)}.",
                code="unknown_field",
            )
    given = Given(fields)
    file_format = given.one_of("format", FORMATS, image_format, aliases=FORMAT_ALIASES)
    options = CutoutOptions(
        output=given.one_of("output", OUTPUTS, OUTPUTS[0]),
        format=file_format,
        image_quality=given.read("image_quality", _quality_for(file_format), None),
        background=_background(given, background_image),
        shadow=_shadow(given),
        matte=_matte(given),
        roi=given.read("roi", parse_roi, None),
        layout=_layout(given),
        model=given.read("model", _model, None),
        resize=given.one_of("resize", RESIZE_MODES, "") or None,
        quality=given.one_of("quality", TIERS, DEFAULT_TIER),
        on_unknown=given.one_of("on_unknown", ON_UNKNOWN, ON_UNKNOWN[0]),
        color_profile=given.one_of("color_profile", COLOR_PROFILES, COLOR_PROFILES[0]),
    )
    check_agreement(options)
    return options


class Given:
    """The words that were given, and what each is read as. An empty one counts as absent; of one that cannot be used
    BadRequest is raised, whose code is "invalid_" and the field's name."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        for name, text in fields.items():
            if len(text) > LONGEST_WORD:
                raise BadRequest(f"{name[:50]} is too long; no option is.", code=f"invalid_{name[:50]}")
        self._words = {name: text.strip() for name, text in fields.items() if text.strip()}

    def __contains__(self, name: str) -> bool:
        return name in self._words

    def read(self, name: str, parse: Callable[[str], _Found], default: _Found) -> _Found:
        """What a field says, or the default. The ValueError of `parse` tells what was expected."""
        if name not in self._words:
            return default
        try:
            return parse(self._words[name])
        except ValueError as fault:
            word = self._words[name][:50]
            raise BadRequest(f"{name} {word!r} cannot be used. {fault}", code=f"invalid_{name}") from None

    def one_of(
        self, name: str, known: Mapping[str, object] | tuple[str, ...], default: str, *, aliases: Mapping[str, str] = {}
    ) -> str:
        """One of the known words."""

        def parse(text: str) -> str:
            word = aliases.get(text.lower(), text.lower())
            if word not in known:
                raise ValueError(f"It must be one of {', '.join(known)}.")
            return word

        return self.read(name, parse, default)

    def number(self, name: str, least: float, most: float, default: float) -> float:
        """A number within bounds."""

        def parse(text: str) -> float:
            found = _NUMBER.fullmatch(text.removesuffix("px").strip())
            if not found or not least <= float(found[0]) <= most:
                raise ValueError(f"It must be a number from {least:g} to {most:g}.")
            return float(found[0])

        return self.read(name, parse, default)

    def flag(self, name: str) -> bool:
        """Yes or no."""

        def parse(text: str) -> bool:
            if text.lower() not in (*TRUE_WORDS, *FALSE_WORDS):
                raise ValueError("It must be true or false.")
            return text.lower() in TRUE_WORDS

        return self.read(name, parse, False)


def _quality_for(file_format: str) -> Callable[[str], int | None]:
    def parse(text: str) -> int | None:
        if text.lower() == "lossless" and file_format in LOSSLESS_FORMATS:
            return LOSSLESS
        if _QUALITY.fullmatch(text) and 1 <= int(text) <= 100:
            return int(text)
        raise ValueError("It must be a whole number from 1 to 100, or, for WebP, lossless.")

    return parse


def _background(given: Given, image: bytes | None) -> Background:
    color = given.read("background_color", parse_background_color, None)
    gradient = given.read("background_gradient", _gradient, None)
    blur_px = given.number("background_blur", *BLUR_PX, 0) if "background_blur" in given else None
    fit = given.one_of("background_fit", FITS, FITS[0])
    others = [gradient is not None, blur_px is not None, image is not None]
    if sum(others) > 1 or (color and (gradient or blur_px)):
        raise BadRequest(
            "Please ask for one background: background_color, background_gradient, background_image or "
            "background_blur. Only an image may have a colour as well, for what it leaves.",
            code="multiple_backgrounds",
        )
    if image is not None:
        solid = color.over(WHITE) if isinstance(color, Veil) else color or Plain(WHITE)
        return ImageBehind(image, fit, solid.color)
    if blur_px is not None:
        return BlurredPhoto(blur_px)
    return gradient or color


def _shadow(given: Given) -> Shadow | None:
    plain = Shadow()
    shadow = Shadow(
        offset_px=given.read("shadow_offset", _offset, plain.offset_px),
        blur_px=given.number("shadow_blur", 0, MOST_SHADOW_PX, plain.blur_px),
        opacity=given.read("shadow_opacity", percent(0, 100), plain.opacity),
        color=given.read("shadow_color", _color, plain.color),
    )
    return shadow if given.flag("shadow") else None


def _matte(given: Given) -> MatteControls:
    return MatteControls(
        dilation_px=given.number("mask_dilation", -MOST_DILATION_PX, MOST_DILATION_PX, 0),
        feather_px=given.number("feather", 0, MOST_FEATHER_PX, 0),
        threshold=round(given.number("threshold", 0, 255, 0)),
        keep_largest=given.flag("keep_largest"),
        fill_holes=given.flag("fill_holes"),
    )


def _layout(given: Given) -> Layout:
    """The preset's layout, but for what is asked for besides."""
    preset = given.one_of("preset", PRESETS, "")
    layout = PRESETS[preset].layout if preset else Layout()
    if "crop" in given:
        layout = replace(layout, crop=given.flag("crop"))
    layout = replace(
        layout,
        margin=given.read("crop_margin", parse_margin, layout.margin),
        canvas=given.read("size", _canvas, layout.canvas),
        scale=given.read("scale", parse_scale, layout.scale),
    )
    layout = replace(
        layout, position=given.read("position", parse_position, CENTER if layout.scale else layout.position)
    )
    if "crop_margin" in given and any(length.value for length in layout.margin) and not layout.crop:
        raise BadRequest(
            "crop_margin is the margin of a crop: please send crop=true as well.", code="invalid_crop_margin"
        )
    return layout


def check_agreement(options: CutoutOptions) -> None:
    """Raise BadRequest where options contradict each other."""
    behind = options.background is not None or options.shadow is not None
    if options.output == "mask" and (behind or options.format == "zip"):
        raise BadRequest(
            "A mask is one grey picture: it has no background, no shadow, and is not sent as a ZIP.",
            code="conflicting_options",
        )
    if options.output == "photo" and (behind or options.roi is not None or options.matte != MatteControls()):
        raise BadRequest(
            "With output=photo nothing is cut out: there is no background, no shadow, no roi and no edge to change.",
            code="conflicting_options",
        )
    if options.image_quality == LOSSLESS and options.format not in LOSSLESS_FORMATS:
        raise BadRequest(f"A {options.format} is never lossless.", code="invalid_image_quality")
    if options.format == "zip" and behind:
        raise BadRequest(
            "A ZIP holds the subject's colours and its alpha: it has no background and no shadow.",
            code="conflicting_options",
        )


def _color(text: str) -> RGB:
    try:
        return parse_color(text)
    except ValueError:
        raise ValueError("Use hex (#ff8800), a CSS name (orange), or r,g,b (255,136,0).") from None


def parse_background_color(text: str) -> Plain | Veil | None:
    """Read a colour, solid, see-through or wholly so."""
    try:
        color, opacity = parse_translucent_color(text)
    except ValueError:
        raise ValueError(
            "Use hex (#ff8800, or #ff880080 to let through), a CSS name (orange), r,g,b (255,136,0), or transparent."
        ) from None
    if opacity == 0:
        return None
    return Plain(color) if opacity == 1 else Veil(color, opacity)


def _gradient(text: str) -> Gradient | None:
    try:
        return parse_gradient(text)
    except ValueError:
        raise ValueError(
            "Write it as CSS does: linear-gradient(45deg, white, #a9d8ff 60%, navy) or radial-gradient(white, silver)."
        ) from None


def _offset(text: str) -> tuple[float, float]:
    lengths = _lengths(text)
    if len(lengths) != 2 or any(length.is_percent or abs(length.value) > MOST_SHADOW_PX for length in lengths):
        raise ValueError(f"It must be two lengths of at most {MOST_SHADOW_PX} px, to the right and down: '0 16'.")
    return lengths[0].value, lengths[1].value


def _lengths(text: str) -> list[Length]:
    try:
        return [parse_length(part) for part in _BETWEEN.split(text)]
    except ValueError:
        return []


def parse_margin(text: str) -> tuple[Length, Length, Length, Length]:
    """Read a margin, 1, 2 or 4 lengths as in CSS, as that of top, right, bottom and left."""
    lengths = _lengths(text)
    if len(lengths) not in (1, 2, 4) or any(length.value < 0 for length in lengths):
        raise ValueError(
            "It must be 1, 2 or 4 lengths in px or % of the subject: all sides; top and bottom, left and right; or "
            "top, right, bottom, left."
        )
    top, right, bottom, left = (lengths * 4)[:4]
    return top, right, bottom, left


def parse_roi(text: str) -> Roi | None:
    """Read left, top, right and bottom."""
    lengths = _lengths(text)
    if len(lengths) != 4 or any(length.value < 0 for length in lengths):
        raise ValueError("It must be left, top, right and bottom in px or %: '10% 10% 90% 90%'.")
    return Roi(*lengths)


def _canvas(text: str) -> Canvas | None:
    if found := _SIZE.fullmatch(text.lower()):
        width, height = int(found[1]), int(found[2])
        if min(width, height) >= 1 and max(width, height) <= LONGEST_SIDE_PX:
            return Canvas(width, height)
    elif found := _SHAPE.fullmatch(text):
        across, down = int(found[1]), int(found[2])
        if min(across, down) and max(across / down, down / across) <= _LONGEST_SHAPE:
            return Canvas(across, down, is_shape=True)
    raise ValueError(
        f"It must be a size in pixels, such as 600x600, at most {LONGEST_SIDE_PX} each, or a shape, such as 4:5."
    )


def percent(least: float, most: float) -> Callable[[str], float]:
    """Reads a percentage within bounds, `50%` or `50`, as a share."""

    def parse(text: str) -> float:
        found = _PERCENT.fullmatch(text)
        if not found or not least <= float(found[1]) <= most:
            raise ValueError(f"It must be from {least:g}% to {most:g}%.")
        return float(found[1]) / 100

    return parse


def parse_scale(text: str) -> float | None:
    """Read how large a part of the canvas the subject is, 10% to 100%; None: as in the photo (`original`)."""
    return None if text.lower() == "original" else percent(10, 100)(text)


def parse_position(text: str) -> tuple[float, float] | None:
    """Read where in the canvas the subject stands, across and down, 0..1; None: as in the photo (`original`)."""
    word = text.lower()
    if word in ("center", "original"):
        return CENTER if word == "center" else None
    shares = [percent(0, 100)(part) for part in _BETWEEN.split(text)]
    if len(shares) > 2:
        raise ValueError("It must be center, original, or how far across and down: '50% 100%'.")
    return shares[0], shares[-1]


def _model(text: str) -> str | None:
    if not re.fullmatch(MODEL_NAME, text):
        raise ValueError("It must be the name of a model: letters, digits, - and _.")
    return text
