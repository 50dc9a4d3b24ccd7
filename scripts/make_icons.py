"""Make the icons of the installed page from the shapes of app/static/favicon.svg: python scripts/make_icons.py"""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO))

from app.imaging.color import parse_color  # noqa: E402
from app.imaging.encode import encode  # noqa: E402

FOLDER = REPO / "app/static"
SVG = "{http://www.w3.org/2000/svg}"
VIEW = 32  # the side of the drawing, in its own units
# A pixel is the mean of so many squared; a curve is so many lines.
SUPERSAMPLING, CURVE_LINES = 8, 48
# Of a maskable icon only a disc in the middle, 80 % across, is sure to be seen: what stands in front is made smaller.
SAFE_SCALE = 0.8

Pixels = NDArray[np.uint8]
Points = NDArray[np.complex128]
_COMMAND = re.compile(r"([MmHhvcaz])([^A-Za-z]*)")
_NUMBER = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")


@dataclass(frozen=True)
class Icon:
    """A file of the manifest: the side in pixels, and whether the system cuts it to a shape of its own."""

    name: str
    side_px: int
    is_maskable: bool = False


ICONS = (Icon("icon-192.png", 192), Icon("icon-512.png", 512), Icon("icon-maskable-512.png", 512, is_maskable=True))


def main() -> None:
    """Write all of them."""
    for icon in ICONS:
        (FOLDER / icon.name).write_bytes(encode(draw(icon), "png"))
        print(FOLDER / icon.name)


def draw(icon: Icon) -> Pixels:
    """The icon's pixels: RGB uint8 [side, side, 3] if it is maskable, else RGBA, with the round corners of the SVG."""
    root = ElementTree.parse(FOLDER / "favicon.svg").getroot()  # noqa: S314  # our own file
    side = icon.side_px * SUPERSAMPLING
    canvas = np.zeros((side, side, 3), np.uint8)
    for path in root.iterfind(f"{SVG}g/{SVG}path"):
        is_in_front = "stroke" in path.attrib
        scale = SAFE_SCALE if icon.is_maskable and is_in_front else 1.0
        figures = [_on_canvas(points, side, scale) for points in outlines(path.attrib["d"])]
        cv2.fillPoly(canvas, figures, parse_color(path.attrib["fill"]))
        if is_in_front:
            width = round(float(path.attrib["stroke-width"]) * scale * side / VIEW)
            cv2.polylines(canvas, figures, True, parse_color(path.attrib["stroke"]), width)
    if icon.is_maskable:
        return _reduced(canvas, icon.side_px)
    shape = np.zeros((side, side), np.uint8)
    radius = float(root.find(f".//{SVG}rect").attrib["rx"])  # type: ignore[union-attr]
    cv2.fillPoly(shape, [_on_canvas(_rounded_square(radius), side, 1)], (255,))
    return np.dstack([_reduced(canvas, icon.side_px), _reduced(shape, icon.side_px)])


def outlines(path: str) -> Iterator[Points]:
    """The closed figures of an SVG path, as points x + yi.

    Of https://www.w3.org/TR/SVG11/paths.html what the favicon has: M, m, H, h, v, c, a (less than half a circle,
    clockwise) and z, each with its letter.
    """
    start = at = 0j
    points: list[complex] = []
    for command, text in _COMMAND.findall(path):
        numbers = [float(number) for number in _NUMBER.findall(text)]
        match command:
            case "M" | "m":
                start = at = complex(*numbers) + (at if command == "m" else 0)
                points = []
            case "H":
                at = complex(numbers[0], at.imag)
            case "h":
                at += numbers[0]
            case "v":
                at += numbers[0] * 1j
            case "c":
                first, second, end = (at + complex(*numbers[i : i + 2]) for i in (0, 2, 4))
                points += list(_curve(at, first, second, end))
                at = end
            case "a":
                end = at + complex(*numbers[5:])
                points += list(_arc(at, end, radius=numbers[0]))
                at = end
            case "z":
                yield np.array(points)
                at = start
        points.append(at)


def _curve(start: complex, first: complex, second: complex, end: complex) -> Points:
    """Points of a cubic Bézier curve."""
    t = np.linspace(0, 1, CURVE_LINES)
    points: Points = (1 - t) ** 3 * start + 3 * (1 - t) ** 2 * t * first + 3 * (1 - t) * t**2 * second + t**3 * end
    return points


def _arc(start: complex, end: complex, *, radius: float) -> Points:
    """Points of less than half a circle, clockwise: its centre is at the right of the way."""
    half = (end - start) / 2
    center = start + half + 1j * half / abs(half) * np.sqrt(radius**2 - abs(half) ** 2)
    first = np.angle(start - center)
    turn = np.angle((end - center) / (start - center))
    points: Points = center + radius * np.exp(1j * (first + np.linspace(0, turn, CURVE_LINES)))
    return points


def _rounded_square(radius: float) -> Points:
    """The outline of the whole view with round corners."""
    straight = VIEW - 2 * radius
    corner = f"a{radius} {radius} 0 0 1 "
    (points,) = outlines(
        f"M{radius} 0h{straight}{corner}{radius} {radius}v{straight}{corner}-{radius} {radius}"
        f"h-{straight}{corner}-{radius} -{radius}v-{straight}{corner}{radius} -{radius}z"
    )
    return points


def _on_canvas(points: Points, side: int, scale: float) -> NDArray[np.int32]:
    """Points of the view as corners [n, 2] on a canvas, scaled around its middle."""
    middle = (1 + 1j) * side / 2
    placed = middle + (points * side / VIEW - middle) * scale
    return np.rint(np.column_stack([placed.real, placed.imag])).astype(np.int32)


def _reduced(pixels: Pixels, side_px: int) -> Pixels:
    return cv2.resize(pixels, (side_px, side_px), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


if __name__ == "__main__":
    main()
