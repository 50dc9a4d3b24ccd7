"""Large photos are worked on in strips of rows: what is made on the way stays small however large the photo is."""

from __future__ import annotations

from collections.abc import Iterator

# Four floats of each pixel stay below the size from which malloc maps every copy anew (services/memory.py).
STRIP_PX = 48 * 1024
_LEAST_ROWS = 8


def strips(height: int, width: int, *, most_px: int = STRIP_PX) -> Iterator[slice]:
    """The rows of a picture of this size, strip by strip; the last may be lower."""
    rows = max(_LEAST_ROWS, most_px // max(1, width))
    for top in range(0, height, rows):
        yield slice(top, min(top + rows, height))
