"""The stages of a photo's way, each a function of what the one before it made."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from app.errors import BadRequest, UnknownForeground
from app.imaging import composite, encode, foreground, matte, preprocess, refine
from app.imaging.backdrop import Backdrop, Veil
from app.imaging.box import Box
from app.imaging.decode import Probe
from app.imaging.drawing import Placement, draw_all, draw_colors
from app.imaging.layout import place, subject_of
from app.imaging.matte import MatteControls
from app.services import bg_changer
from app.services.bg_changer import Unfocused
from app.services.options import CutoutOptions, Roi
from app.services.sizing import Plan

Pixels = NDArray[np.uint8]


def region_of(roi: Roi | None, height: int, width: int, reduced_to: float) -> Box:
    """The part of a photo in which its subject is looked for.

    Raises:
        BadRequest: it is empty (`roi_region_empty`), or not within the photo (`roi_exceeds_bounds`).
    """
    if roi is None:
        return Box(0, 0, height, width)
    left, right = (round(length.px(width, reduced_to)) for length in (roi.left, roi.right))
    top, bottom = (round(length.px(height, reduced_to)) for length in (roi.top, roi.bottom))
    # A pixel over the border is a rounding.
    if right > width + 1 or bottom > height + 1:
        raise BadRequest(
            "roi must be a part of the photo, and reaches beyond it. Percentages always fit: '10% 10% 90% 90%'.",
            code="roi_exceeds_bounds",
        )
    if not (left < right and top < bottom):
        raise BadRequest(
            "roi must be left, top, right and bottom, in this order, of some pixels: '10% 10% 90% 90%'.",
            code="roi_region_empty",
        )
    return Box(top, left, min(bottom, height), min(right, width))


def make_matte(
    rgb: Pixels,
    saliency: NDArray[np.float32],
    region: Box,
    reduced: Pixels,
    controls: MatteControls,
) -> Pixels:
    """Alpha uint8 [H, W] of a photo by the map of its region, of which `reduced` is a small copy; the colours at soft
    edges become the subject's own, in place."""
    part = rgb[region.slices]
    guide = preprocess.reduce_to(reduced, refine.GUIDE_PX)
    photo_px = max(rgb.shape[:2])
    shape = matte.reshape(saliency, controls, *part.shape[:2], photo_px=photo_px)
    alpha = refine.lift_alpha(shape, part, guide)
    foreground.restore_colors(part, alpha, guide)
    alpha = matte.finish(alpha, controls, photo_px=photo_px)
    if controls.feather_px:  # it shows some of what was behind
        foreground.restore_colors(part, alpha, guide)
    if part.shape == rgb.shape:
        return alpha
    whole = np.zeros(rgb.shape[:2], np.uint8)
    whole[region.slices] = alpha
    return whole


def place_subject(options: CutoutOptions, alpha: Pixels, plan: Plan, reduced_to: float) -> tuple[Placement, Box | None]:
    """Where the subject of this alpha goes, and the box that it has there, if the options ask to locate it.

    Raises:
        UnknownForeground: nothing is left of it.
        BadRequest: the file format does not take so long a picture.
    """
    height, width = alpha.shape
    moves = options.layout.moves
    subject = subject_of(alpha) if moves or options.locate else None
    is_lost = subject is None if moves else not cv2.hasNonZero(alpha)
    if is_lost and not options.may_be_whole:
        raise UnknownForeground(
            "Nothing is left of the subject: it is see-through in the photo, or outside of the roi, or was eaten by "
            "mask_dilation or threshold."
        )
    if not moves:
        return Placement.identity(height, width), subject
    placement = place(options.layout, height, width, subject, most_px=plan.canvas_px, reduced_to=reduced_to)
    check_longest(max(placement.canvas_width, placement.canvas_height), options.format)
    return placement, subject and placement.drawn_box(subject, height, width) if options.locate else None


def full_size(options: CutoutOptions, placement: Placement, probe: Probe, height: int, width: int) -> tuple[int, int]:
    """Width and height of the canvas if a photo that now has this size were worked on with all of its pixels."""
    if options.layout.is_exact:
        return placement.canvas_width, placement.canvas_height
    own_width, own_height = probe.width, probe.height
    if (width > height) != (own_width > own_height):  # EXIF turned it
        own_width, own_height = own_height, own_width
    return round(placement.canvas_width * own_width / width), round(placement.canvas_height * own_height / height)


def draw_pictures(
    rgb: Pixels,
    alpha: Pixels,
    placement: Placement,
    options: CutoutOptions,
    background: Backdrop | Veil | Unfocused | None,
    icc_profile: bytes | None = None,
) -> list[Pixels]:
    """What is put into the file: the picture; the matte; or, for a ZIP, the subject's own colours and its matte."""
    if options.output == "mask":
        return [draw_all(alpha, placement)]
    if options.format == "zip" and options.background is None and options.shadow is None:
        return [draw_colors(rgb, alpha, placement), draw_all(alpha, placement)]
    keep_alpha = encode.FORMATS[options.format].has_alpha
    return [
        bg_changer.put_on_background(
            rgb,
            alpha,
            placement,
            background=background,
            shadow=options.shadow,
            keep_alpha=keep_alpha,
            icc_profile=icc_profile,
        )
    ]


def encode_pictures(pictures: list[Pixels], options: CutoutOptions, facts: encode.FileFacts) -> bytes:
    """The bytes of the file that was asked for; the pictures are used up."""
    if options.format == "zip":
        colors, alpha = pictures if len(pictures) > 1 else composite.split(pictures[0])
        pictures.clear()  # before the encoder takes its share
        return encode.encode_zip(colors, alpha, quality=options.image_quality, facts=facts)
    (picture,) = pictures
    return encode.encode(picture, options.format, quality=options.image_quality, facts=facts)


def check_longest(longest_px: int, format_name: str) -> None:
    """Raise BadRequest where a file format takes no picture with so long a side."""
    output = encode.FORMATS[format_name]
    if longest_px > output.longest_px:
        raise BadRequest(
            f"A {output.name} file cannot be longer than {output.longest_px} pixels. Please send a smaller photo, or "
            "ask for another format.",
            code="invalid_format",
        )
