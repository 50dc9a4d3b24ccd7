"""A rectangle of a photo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Box:
    """A part of a photo, in its pixels; `bottom` and `right` are the first outside."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        """Its rows."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Its columns."""
        return self.right - self.left

    @property
    def area_px(self) -> int:
        """Its pixels."""
        return self.height * self.width

    def moved(self, down: int, right: int) -> Box:
        """The same box so many pixels further."""
        return Box(self.top + down, self.left + right, self.bottom + down, self.right + right)

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, to index pixels with."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


def bounding_box(plane: NDArray[Any], *, above: float) -> Box | None:
    """The smallest box around all values of uint8 or float32 [H, W] above a threshold; None where there are none."""
    rows = np.flatnonzero(cv2.reduce(plane, 1, cv2.REDUCE_MAX) > above)
    columns = np.flatnonzero(cv2.reduce(plane, 0, cv2.REDUCE_MAX) > above)
    if not rows.size:
        return None
    return Box(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)
