"""Large photos are worked on in strips of rows: what is made on the way stays small however large the photo is."""

from __future__ import annotations

from collections.abc import Iterator

# Four floats of each pixel stay below the size from which malloc maps every copy anew (services/memory.py).
STRIP_PX = 48 * 1024
_LEAST_ROWS = 8


def strips(height: int, width: int, *, most_px: int = STRIP_PX) -> Iterator[slice]:
    """The rows of a picture of this size, strip by strip; the last may be lower."""
    return in_steps(0, height, max(_LEAST_ROWS, most_px // max(1, width)))


def in_steps(first: int, last: int, count: int) -> Iterator[slice]:
    """The rows from `first` to before `last`, so many at a time."""
    for start in range(first, last, count):
        yield slice(start, min(start + count, last))
