"""Parts of a resized picture, each made without the rest."""

from __future__ import annotations

import math
from collections.abc import Callable

from PIL import Image

# Gives some rows and columns of the picture at its own size.
Read = Callable[[slice, slice], Image.Image]

# Bicubic (a = -0.5), widened where the picture gets smaller, so that every pixel counts: no aliasing.
FILTER = Image.Resampling.BICUBIC
_REACH = 2


def resized_part(
    read: Read, size: tuple[int, int], new_size: tuple[int, int], rows: slice, columns: slice
) -> Image.Image:
    """The rows and columns that a picture of `size` (width, height) has when it is resized to `new_size`.

    Only what they come from is read. It is that part of the whole, to the last rounding: strips fit each other without
    a seam. Colours of RGBA are weighted by their alpha.
    """
    across, down = size[0] / new_size[0], size[1] / new_size[1]
    left, right = columns.start * across, columns.stop * across
    top, bottom = rows.start * down, rows.stop * down
    reach_x, reach_y = (math.ceil(_REACH * max(1.0, ratio)) + 1 for ratio in (across, down))
    first_column, first_row = max(0, math.floor(left) - reach_x), max(0, math.floor(top) - reach_y)
    last_column = min(size[0], math.ceil(right) + reach_x)
    last_row = min(size[1], math.ceil(bottom) + reach_y)
    source = read(slice(first_row, last_row), slice(first_column, last_column))
    mode = source.mode
    if mode == "RGBA":
        source = source.convert("RGBa")
    # A rounding error would lie outside.
    right, bottom = min(right - first_column, source.width), min(bottom - first_row, source.height)
    # Across, then down: left to Pillow, the order changes with the size of a part, and so do roundings.
    width, height = columns.stop - columns.start, rows.stop - rows.start
    source = source.resize((width, source.height), FILTER, box=(left - first_column, 0, right, source.height))
    source = source.resize((width, height), FILTER, box=(0, top - first_row, width, bottom))
    return source if source.mode == mode else source.convert(mode)
