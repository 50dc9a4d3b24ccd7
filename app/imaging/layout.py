"""Where the subject stands: crop, canvas, scale and position, in one step from the photo's own pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from app.imaging.box import Box, bounding_box
from app.imaging.drawing import Placement
from app.imaging.length import Length
from app.imaging.preprocess import reduce_to

Pixels = NDArray[np.uint8]

# Alpha up to this is noise to a crop, not a part of the subject.
FAINT_ALPHA, SOLID_ALPHA = 10, 127
_SMALL_PX = 512
CENTER = (0.5, 0.5)
# Most that a margin adds at each side of the subject, of its own size.
MOST_MARGIN = 0.5
MOST_MARGIN_PX = 500


@dataclass(frozen=True)
class Canvas:
    """The result's size: `width` and `height` in pixels, or, where it is only a shape, their ratio as small numbers;
    `dpi` is the resolution that the file tells (None: the photo's)."""

    width: int
    height: int
    is_shape: bool = False
    dpi: float | None = None


@dataclass(frozen=True)
class Layout:
    """Where the subject stands.

    `crop` cuts to the subject and its `margin` (top, right, bottom, left; percentages are of the subject's size).
    `canvas` is the result's size or shape (None: what there is). `scale` (0.1..1) makes the subject that large a part
    of the canvas; `position` (across and down, 0..1) says where in the canvas it stands (None: where it stands in the
    photo). Without these two all that there is stands in the middle, as large as it fits.
    """

    crop: bool = False
    margin: tuple[Length, Length, Length, Length] = (Length(0),) * 4
    canvas: Canvas | None = None
    scale: float | None = None
    position: tuple[float, float] | None = None

    @property
    def moves(self) -> bool:
        """Whether anything is other than in the photo."""
        return self != Layout(margin=self.margin)

    @property
    def exact_canvas(self) -> Canvas | None:
        """The result's size, where it is asked for in pixels."""
        return None if self.canvas is None or self.canvas.is_shape else self.canvas

    @property
    def is_exact(self) -> bool:
        """Whether the result's size is asked for in pixels."""
        return self.exact_canvas is not None


def subject_of(alpha: Pixels) -> Box | None:
    """The box around the subject in alpha uint8 [H, W]; None where nothing is solid.

    Faint noise counts for nothing, and neither does a part that is nowhere solid: a stain far from the subject.
    """
    small = reduce_to(alpha, _SMALL_PX)
    count, parts = cv2.connectedComponents((small > FAINT_ALPHA).astype(np.uint8))
    is_solid = np.zeros(count, bool)
    is_solid[parts[small > SOLID_ALPHA]] = True
    found = bounding_box(is_solid[parts].astype(np.uint8), above=0)
    if found is None:  # but for what is too thin for the small copy
        return bounding_box(alpha, above=SOLID_ALPHA)
    # Exactly, at the photo's own size, within what the small copy tells.
    down, across = alpha.shape[0] / small.shape[0], alpha.shape[1] / small.shape[1]
    around = Box(
        max(0, math.floor((found.top - 1) * down)),
        max(0, math.floor((found.left - 1) * across)),
        math.ceil((found.bottom + 1) * down),
        math.ceil((found.right + 1) * across),
    )
    exact = bounding_box(np.ascontiguousarray(alpha[around.slices]), above=FAINT_ALPHA)
    return exact and exact.moved(around.top, around.left)


def place(
    layout: Layout,
    height: int,
    width: int,
    subject: Box | None,
    *,
    most_px: float = math.inf,
    reduced_to: float = 1.0,
) -> Placement:
    """Work out where a photo of this size goes, by the box of its subject (None: the whole photo).

    Where the canvas is no exact size, it is made smaller, if need be, to have at most `most_px` pixels. Of a photo that
    was reduced to a part of its width, lengths in pixels are that much shorter.
    """
    subject = subject or Box(0, 0, height, width)
    left, top, right, bottom = 0.0, 0.0, float(width), float(height)
    if layout.crop:
        margins = _margins_px(layout.margin, subject, reduced_to)
        top, right = subject.top - margins[0], subject.right + margins[1]
        bottom, left = subject.bottom + margins[2], subject.left - margins[3]
    content_width, content_height = right - left, bottom - top
    if layout.canvas is None:
        canvas_width, canvas_height = content_width, content_height
    elif layout.canvas.is_shape:
        ratio = layout.canvas.width / layout.canvas.height
        canvas_width = max(content_width, content_height * ratio)
        canvas_height = canvas_width / ratio
    else:
        canvas_width, canvas_height = float(layout.canvas.width), float(layout.canvas.height)
    reduction = 1.0 if layout.is_exact else min(1.0, math.sqrt(most_px / (canvas_width * canvas_height)))
    canvas_width, canvas_height = (max(1, round(side * reduction)) for side in (canvas_width, canvas_height))
    if layout.scale is not None:
        factor = layout.scale * min(canvas_width / subject.width, canvas_height / subject.height)
    elif layout.is_exact:
        factor = min(canvas_width / content_width, canvas_height / content_height)
    else:
        factor = reduction
    drawn_width, drawn_height = max(1, round(width * factor)), max(1, round(height * factor))
    across, down = drawn_width / width, drawn_height / height
    if layout.scale is None and layout.position is None:
        x = (canvas_width - content_width * across) / 2 - left * across
        y = (canvas_height - content_height * down) / 2 - top * down
    else:
        x_share, y_share = layout.position or _own_position(subject, height, width)
        x = (canvas_width - subject.width * across) * x_share - subject.left * across
        y = (canvas_height - subject.height * down) * y_share - subject.top * down
    return Placement(
        canvas_width, canvas_height, round(x), round(y), drawn_width, drawn_height, is_reduced=reduction < 1
    )


def _own_position(subject: Box, height: int, width: int) -> tuple[float, float]:
    """Where the subject stands in its photo, across and down, 0..1, as `Layout.position` has it."""
    x_room, y_room = width - subject.width, height - subject.height
    return (subject.left / x_room if x_room else CENTER[0]), (subject.top / y_room if y_room else CENTER[1])


def most_canvas_px(layout: Layout, height: int, width: int) -> float:
    """The most pixels that the canvas can have, whatever the subject is: known before a pixel is decoded."""
    if layout.exact_canvas is not None:
        return layout.exact_canvas.width * layout.exact_canvas.height
    if layout.crop:
        width, height = (int(side + 2 * min(MOST_MARGIN * side, MOST_MARGIN_PX)) for side in (width, height))
    if layout.canvas is None:
        return width * height
    # Turned or not: EXIF is not known yet.
    ratio = layout.canvas.width / layout.canvas.height
    # Worked out as `place` does: a rounding error less would count as a reduction.
    canvas_widths = [max(one, other * ratio) for one, other in ((width, height), (height, width))]
    return max(canvas_width * (canvas_width / ratio) for canvas_width in canvas_widths)


def _margins_px(margin: tuple[Length, ...], subject: Box, reduced_to: float) -> list[float]:
    sides = (subject.height, subject.width, subject.height, subject.width)
    return [
        max(0.0, min(length.px(side, reduced_to), MOST_MARGIN * side, MOST_MARGIN_PX * reduced_to))
        for length, side in zip(margin, sides, strict=True)
    ]
