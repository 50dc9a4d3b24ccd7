"""What goes behind the cut-out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from app.errors import AppError, BadRequest
from app.imaging import backdrop, composite, decode, preprocess, profiles, refine
from app.imaging.backdrop import Backdrop, Converted, Picture, Plain, Veil
from app.imaging.color import RGB
from app.imaging.composite import Layer
from app.imaging.drawing import Placement, draw
from app.imaging.shadow import Shadow, cast
from app.imaging.strips import strips
from app.services.options import Background, BlurredPhoto, ImageBehind
from app.services.sizing import Decoding

Pixels = NDArray[np.uint8]

# What a cut-out stands on in a format that has no transparency, when nothing was asked for.
DEFAULT = Plain(backdrop.WHITE)


@dataclass(frozen=True)
class Unfocused:
    """A small copy of the photo, uint8 [h, w, 3], that goes behind its own subject with a blur of this radius."""

    guide: Pixels
    radius_px: float


def put_on_background(
    rgb: Pixels,
    alpha: Pixels,
    placement: Placement,
    *,
    background: Backdrop | Veil | Unfocused | None = None,
    shadow: Shadow | None = None,
    keep_alpha: bool = True,
    icc_profile: bytes | None = None,
) -> Pixels:
    """Compose the result picture from colours uint8 [H, W, 3] and alpha uint8 [H, W], placed on a canvas.

    On a background: RGB [h, w, 3]. Without one, or on a veil: RGBA [h, w, 4] where the format keeps alpha, else RGB on
    white. Where the photo keeps its own colours, of an ICC profile, what is painted behind it becomes one of them.
    """
    if isinstance(background, Veil) and not keep_alpha:
        background = background.over(DEFAULT.color)
    if icc_profile:
        to_profile = profiles.from_srgb(icc_profile)
        shadow = shadow and replace(shadow, color=_converted(shadow.color, to_profile))
        if isinstance(background, Veil):
            background = replace(background, color=_converted(background.color, to_profile))
        elif background is not None and not isinstance(background, Unfocused):
            background = Converted(background, to_profile)
    if isinstance(background, Unfocused):
        guide = background.guide
        background = backdrop.blurred(guide, preprocess.resize(alpha, *guide.shape[:2]), background.radius_px)
    if background is None and not keep_alpha:
        background = DEFAULT
    layers: list[Layer] = [] if shadow is None else [cast(shadow, alpha, placement)]
    if isinstance(background, Veil):
        layers.append(background)
        background = None
    return composite.compose(
        partial(draw, rgb, alpha, placement),
        placement.canvas_height,
        placement.canvas_width,
        backdrop=background,
        layers=layers,
    )


def probe_image(behind: ImageBehind) -> decode.Probe:
    """Read the header of the client's picture.

    Raises:
        BadRequest: it cannot be used.
    """
    try:
        return decode.probe(behind.data)
    except AppError as fault:
        raise _unusable(fault) from fault


def open_background(background: Background, decoding: Decoding | None) -> Backdrop | Veil | BlurredPhoto | None:
    """What stands behind, ready to be painted: the client's picture decoded as planned, on its colour where it is
    see-through; anything else is ready as it is.

    Raises:
        BadRequest: the picture cannot be used.
    """
    if not isinstance(background, ImageBehind):
        return background
    assert decoding is not None  # noqa: S101  # an image always has its plan
    try:
        photo = decode.decode(background.data, shrink=decoding.shrink, most_px=decoding.most_px)
    except AppError as fault:
        raise _unusable(fault) from fault
    if photo.alpha is not None:
        color = np.array(background.color, np.uint8)
        for rows in strips(*photo.alpha.shape):
            photo.rgb[rows] = composite.over(photo.rgb[rows], photo.alpha[rows], color)
    return Picture(photo.rgb, background.fit, background.color)


def take_photo(
    background: Backdrop | Veil | BlurredPhoto | None, rgb: Pixels, alpha: Pixels | None
) -> Backdrop | Veil | Unfocused | None:
    """Keep a small copy of a photo that is to be blurred, uint8 [H, W, 3], on white where its own alpha, uint8 [H, W],
    lets through; anything else is given back as it is.

    Of the photo as it was decoded: later the colours of its soft edges become the subject's own, and would glow.
    """
    if not isinstance(background, BlurredPhoto):
        return background
    small = preprocess.reduce_to(rgb, refine.GUIDE_PX).copy()
    if alpha is not None:  # its hidden colours are nobody's
        small = composite.over(small, preprocess.reduce_to(alpha, refine.GUIDE_PX), np.array(DEFAULT.color, np.uint8))
    return Unfocused(small, background.radius_px)


def _converted(color: RGB, convert: Callable[[Pixels], Pixels]) -> RGB:
    red, green, blue = map(int, convert(np.array(color, np.uint8)))
    return red, green, blue


def _unusable(fault: AppError) -> BadRequest:
    return BadRequest(f"The background image cannot be used. {fault.message}", code="invalid_background_image")
