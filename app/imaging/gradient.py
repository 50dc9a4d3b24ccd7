"""Gradients, as CSS writes them: `linear-gradient(45deg, white, #a9d8ff 60%)`, `radial-gradient(white, silver)`."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from app.imaging.color import RGB, parse_color

MOST_STOPS = 16
_LONGEST = 1000  # characters: the patterns below take a time that grows with the square of a text
_GRADIENT = re.compile(r"(linear|radial)-gradient\((.*)\)")
_SIDES = {"top": 0.0, "right": 90.0, "bottom": 180.0, "left": 270.0}
_ANGLE = re.compile(r"([+-]?\d{1,4}(?:\.\d{1,3})?)deg")
_STOP = re.compile(r"(.*?)(?: +(\d{1,3}(?:\.\d{1,3})?)%)?")
# Commas within rgb(…) part no stops.
_COMMA = re.compile(r",(?![^(]*\))")
_SHADES = 4096


@dataclass(frozen=True)
class Gradient:
    """Colours along a line (`angle_deg` clockwise from upwards), or from the centre to the corners (None).

    `stops` are places (0 and up, rising; from 1 on outside of the canvas) with their RGB.
    """

    angle_deg: float | None
    stops: tuple[tuple[float, RGB], ...]

    def rows(self, rows: slice, height: int, width: int) -> NDArray[np.uint8]:
        """Some rows of it over a canvas of this size, uint8 [n, W, 3]; lengths as CSS Images 3, §3.1 and §3.2."""
        down = (np.arange(rows.start, rows.stop, dtype=np.float32) + 0.5 - height / 2)[:, None]
        across = (np.arange(width, dtype=np.float32) + 0.5 - width / 2)[None, :]
        if self.angle_deg is None:  # an ellipse through the corners
            place = np.hypot(down / (height / 2), across / (width / 2)) * np.float32(math.sqrt(0.5))
        else:
            sine, cosine = math.sin(math.radians(self.angle_deg)), math.cos(math.radians(self.angle_deg))
            length = abs(width * sine) + abs(height * cosine)
            place = (across * np.float32(sine) - down * np.float32(cosine)) / np.float32(length) + np.float32(0.5)
        shade = (place * (_SHADES - 1)).clip(0, _SHADES - 1).astype(np.int32)
        painted: NDArray[np.uint8] = self._shades[shade]
        return painted

    @cached_property
    def _shades(self) -> NDArray[np.uint8]:
        places, colors = zip(*self.stops, strict=True)
        along = np.linspace(0, 1, _SHADES)
        channels = [np.interp(along, places, channel) for channel in zip(*colors, strict=True)]
        shades: NDArray[np.uint8] = np.rint(np.stack(channels, axis=1)).astype(np.uint8)
        return shades


def parse_gradient(text: str) -> Gradient:
    """Read a CSS gradient of 2 to 16 colours; angles in `deg` or as `to right`, `to bottom`, …

    Raises:
        ValueError: it is none, or has a part that is not known here.
    """
    # Any white space is as good as another.
    found = _GRADIENT.fullmatch(" ".join(text.lower().split())) if len(text) <= _LONGEST else None
    if not found:
        raise ValueError(f"{text[:50]!r} is no gradient")
    parts = [part.strip() for part in _COMMA.split(found[2])]
    angle_deg: float | None = None
    if found[1] == "linear":
        angle_deg = _angle(parts[0])
        parts = parts[1:] if angle_deg is not None else parts
        angle_deg = 180.0 if angle_deg is None else angle_deg
    if not 2 <= len(parts) <= MOST_STOPS:
        raise ValueError(f"a gradient has 2 to {MOST_STOPS} colours")
    return Gradient(angle_deg, _stops(parts))


def _angle(part: str) -> float | None:
    if found := _ANGLE.fullmatch(part):
        return float(found[1])
    if part.startswith("to "):
        side = part.removeprefix("to ").strip()
        if side not in _SIDES:
            raise ValueError(f"{part!r} is no side")
        return _SIDES[side]
    return None


def _stops(parts: list[str]) -> tuple[tuple[float, RGB], ...]:
    colors: list[RGB] = []
    places: list[float | None] = []
    for part in parts:
        found = _STOP.fullmatch(part)
        assert found is not None  # noqa: S101  # it matches any one line
        colors.append(parse_color(found[1]))
        places.append(None if found[2] is None else float(found[2]) / 100)
    return tuple(zip(_filled(places), colors, strict=True))


def _filled(places: list[float | None]) -> list[float]:
    """The places, those left out evenly between their neighbours, none before the one ahead of it, as CSS has it."""
    places[0] = places[0] or 0.0
    places[-1] = 1.0 if places[-1] is None else places[-1]
    known = [(number, place) for number, place in enumerate(places) if place is not None]
    numbers, found = zip(*known, strict=True)
    filled = np.interp(np.arange(len(places)), numbers, np.maximum.accumulate(found))
    return [float(place) for place in filled]
