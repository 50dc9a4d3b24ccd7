"""A photo on its canvas: cut, moved and resized in one step, some rows at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.imaging.box import Box
from app.imaging.color import RGB
from app.imaging.resample import resized_part
from app.imaging.strips import in_steps, strips

Pixels = NDArray[np.uint8]

_READ_PX = 1 << 21  # read of a photo at once


@dataclass(frozen=True)
class Placement:
    """A canvas of `canvas_width` × `canvas_height`, and the photo on it: drawn as large as `width` × `height`, its
    corner at `left`, `top`, which may lie outside. `is_reduced` says that it was to be larger, and did not fit."""

    canvas_width: int
    canvas_height: int
    left: int
    top: int
    width: int
    height: int
    is_reduced: bool = field(default=False, compare=False)

    @classmethod
    def identity(cls, height: int, width: int) -> Placement:
        """A photo of this size as it is."""
        return cls(width, height, 0, 0, width, height)

    def drawn_box(self, box: Box, height: int, width: int) -> Box:
        """What is seen on the canvas of a part of a photo of this size."""
        down, across = self.height / height, self.width / width
        top, bottom = (round(self.top + row * down) for row in (box.top, box.bottom))
        left, right = (round(self.left + column * across) for column in (box.left, box.right))
        top, bottom = (min(max(row, 0), self.canvas_height) for row in (top, bottom))
        left, right = (min(max(column, 0), self.canvas_width) for column in (left, right))
        return Box(top, left, bottom, right)

    def is_resized_from(self, alpha: Pixels) -> bool:
        """Whether a photo of this alpha, uint8 [H, W], is drawn in another size than its own."""
        return alpha.shape != (self.height, self.width)


def draw(rgb: Pixels, alpha: Pixels, placement: Placement, rows: slice) -> tuple[Pixels, Pixels]:
    """Some rows of the canvas with the subject on it: colours uint8 [n, W, 3] and alpha uint8 [n, W], 0 outside.

    Resampled once, colours weighted by their alpha; where nothing is resized, they are the photo's own pixels.
    """
    if placement.is_resized_from(alpha):

        def read(*part: slice) -> Pixels:
            return cv2.merge([*cv2.split(rgb[part]), alpha[part]]).astype(np.uint8, copy=False)

        drawn = np.zeros((rows.stop - rows.start, placement.canvas_width, 4), np.uint8)
        _draw_on(drawn, read, alpha.shape, placement, rows)
        return np.ascontiguousarray(drawn[:, :, :3]), np.ascontiguousarray(drawn[:, :, 3])
    return draw_plane(rgb, placement, rows), draw_plane(alpha, placement, rows)


def draw_plane(plane: Pixels, placement: Placement, rows: slice, *, outside: RGB | int = 0) -> Pixels:
    """Some rows of the canvas with colours, uint8 [H, W, 3], or alpha, uint8 [H, W], on it, and `outside` around."""
    if placement == Placement.identity(*plane.shape[:2]):
        return plane[rows]
    drawn = np.empty((rows.stop - rows.start, placement.canvas_width, *plane.shape[2:]), np.uint8)
    drawn[:] = outside
    return _draw_on(drawn, lambda *part: plane[part], plane.shape[:2], placement, rows)


def draw_colors(rgb: Pixels, alpha: Pixels, placement: Placement) -> Pixels:
    """The whole canvas with the subject's colours, uint8 [H, W, 3], for a file that holds its alpha apart.

    Hidden colours stay what they are in the photo; none of them is mixed into those that are seen.
    """
    canvas = draw_all(rgb, placement)
    if placement.is_resized_from(alpha):
        for rows in strips(placement.canvas_height, placement.canvas_width):
            colors, seen = draw(rgb, alpha, placement, rows)
            cv2.copyTo(colors, seen, canvas[rows])
    return canvas


def draw_all(plane: Pixels, placement: Placement) -> Pixels:
    """The whole canvas with colours, uint8 [H, W, 3], or alpha, uint8 [H, W], on it; 0 outside."""
    height, width = placement.canvas_height, placement.canvas_width
    canvas = np.empty((height, width, *plane.shape[2:]), np.uint8)
    for rows in strips(height, width):
        canvas[rows] = draw_plane(plane, placement, rows)
    return canvas


def _draw_on(
    drawn: Pixels, read: Callable[[slice, slice], Pixels], size: tuple[int, ...], placement: Placement, rows: slice
) -> Pixels:
    """Draw what `read` gives of a photo of this size (height, width) on some rows of the canvas; in place."""
    top, bottom = (min(max(row - placement.top, 0), placement.height) for row in (rows.start, rows.stop))
    left, right = (min(max(column - placement.left, 0), placement.width) for column in (0, placement.canvas_width))
    if top >= bottom or left >= right:
        return drawn  # the photo is elsewhere
    height, width = size
    columns = slice(left, right)
    first_row, first_column = placement.top - rows.start, left + placement.left
    new_size = (placement.width, placement.height)
    # Few rows at a time where each is made from many pixels of the photo.
    row_px = (width * height) / placement.height * (right - left) / placement.width
    for part in in_steps(top, bottom, max(1, int(_READ_PX / row_px))):
        if (width, height) == new_size:
            pixels = read(part, columns)
        else:
            picture = resized_part(
                lambda *where: Image.fromarray(read(*where)), (width, height), new_size, part, columns
            )
            pixels = np.asarray(picture)
        part_rows = slice(first_row + part.start, first_row + part.stop)
        drawn[part_rows, first_column : first_column + right - left] = pixels
    return drawn
