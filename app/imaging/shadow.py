"""A drop shadow: the subject's own shape, moved, blurred and coloured."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from app.imaging.color import RGB
from app.imaging.drawing import Placement
from app.imaging.matte import SCALE_PX
from app.imaging.refine import enlarge

# The longer side of the small canvas on which it is made: it is soft, and enlarged when it is used.
SHADOW_PX = 512


@dataclass(frozen=True)
class Shadow:
    """Offset (right, down) and blur radius in pixels of a canvas whose longer side has SCALE_PX; opacity 0..1."""

    offset_px: tuple[float, float] = (0, 16)
    blur_px: float = 24
    opacity: float = 0.4
    color: RGB = (0, 0, 0)


@dataclass(frozen=True)
class CastShadow:
    """A shadow on its canvas: opacity float32 [h, w] in 0..255 of a small copy of it."""

    small: NDArray[np.float32]
    color: RGB

    def rows(self, rows: slice, height: int, width: int) -> NDArray[np.uint8]:
        """Its opacity on some rows of the canvas, uint8 [n, W]."""
        return cv2.convertScaleAbs(enlarge(self.small, (rows, slice(0, width)), height, width)).astype(
            np.uint8, copy=False
        )


def cast(shadow: Shadow, alpha: NDArray[np.uint8], placement: Placement) -> CastShadow:
    """Make the shadow of a subject, alpha uint8 [H, W], that is placed on a canvas."""
    canvas = placement.canvas_height, placement.canvas_width
    unit, scale = max(canvas) / SCALE_PX, min(1.0, SHADOW_PX / max(canvas))
    reach = unit * (max(map(abs, shadow.offset_px)) + shadow.blur_px)
    axes = [
        _Axis.of(*lengths, reach=reach, scale=scale)
        for lengths in zip(
            alpha.shape,
            (placement.height, placement.width),
            (placement.top, placement.left),
            canvas,
            (unit * shadow.offset_px[1], unit * shadow.offset_px[0]),
            strict=True,
        )
    ]
    down, across = axes
    size = across.canvas_side, down.canvas_side
    if down.part.start >= down.part.stop or across.part.start >= across.part.stop:
        return CastShadow(np.zeros(size[::-1], np.float32), shadow.color)  # the photo is elsewhere
    # First about as small as it is needed, by area; then moved, by fractions of a pixel too.
    small = cv2.resize(alpha[down.part, across.part], (across.side, down.side), interpolation=cv2.INTER_AREA)
    matrix = np.array([[across.step, 0, across.start], [0, down.step, down.start]])
    moved = cv2.warpAffine(small.astype(np.float32), matrix, size, flags=cv2.INTER_LINEAR)
    sigma = shadow.blur_px / 2 * unit * scale
    if sigma > 0.1:
        # What is cut off by the canvas would go on outside.
        moved = cv2.GaussianBlur(moved, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return CastShadow((moved * np.float32(shadow.opacity)).astype(np.float32, copy=False), shadow.color)


@dataclass(frozen=True)
class _Axis:
    """Down or across: which part of the photo is reduced to `side` pixels, and where these go on the small canvas."""

    part: slice
    side: int
    canvas_side: int
    step: float
    start: float

    @classmethod
    def of(cls, own: int, drawn: int, at: int, canvas: int, offset: float, *, reach: float, scale: float) -> _Axis:
        """From the photo's length, the length and place in which it is drawn, the canvas' length, and the offset."""
        factor = drawn / own
        first, last = max(0, math.floor((-at - reach) / factor)), min(own, math.ceil((canvas - at + reach) / factor))
        visible, canvas_side = max(1, last - first), max(1, round(canvas * scale))
        side = min(visible, max(1, round(visible * factor * scale)))
        step = visible * factor * (canvas_side / canvas) / side
        start = (at + first * factor + offset) * (canvas_side / canvas) + (step - 1) / 2
        return cls(slice(first, last), side, canvas_side, step, start)
