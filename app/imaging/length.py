"""Lengths as people write them: `12px`, `5%`, `12`."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_LENGTH = re.compile(r"([+-]?[0-9]{1,6}(?:\.[0-9]{1,6})?) ?(px|%)?")


@dataclass(frozen=True)
class Length:
    """A number of pixels, or a percentage of something."""

    value: float
    is_percent: bool = False

    def px(self, whole_px: float, reduced_to: float = 1.0) -> float:
        """In pixels of a photo that was reduced to a part of its width; `whole_px` there is what a percentage is of."""
        return self.value * whole_px / 100 if self.is_percent else self.value * reduced_to


def parse_length(text: str) -> Length:
    """Read `12px`, `12` or `5%`.

    Raises:
        ValueError: it is none of these.
    """
    found = _LENGTH.fullmatch(text.strip().lower())
    if not found or not math.isfinite(float(found[1])):
        raise ValueError(f"{text!r} is no length")
    return Length(float(found[1]), found[2] == "%")
