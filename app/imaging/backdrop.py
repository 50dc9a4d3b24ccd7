"""What stands behind the subject. Each paints some rows of a canvas, so that none is ever held whole.

A gradient (gradient.py) is one too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from app.imaging.color import RGB
from app.imaging.drawing import Placement, draw_plane
from app.imaging.matte import SCALE_PX
from app.imaging.refine import Plane, bytes_to_unit

Pixels = NDArray[np.uint8]

# How a picture fills a canvas of another shape: cut, with bars, or repeated at its own size.
FITS = ("cover", "contain", "tile")
WHITE: RGB = (255, 255, 255)
# Where the subject hides all that was behind it, means of wide surroundings stand in: of a tiny copy, the widest first.
_TINY_PX = 64
_TINY_SIGMAS = (16, 4)
_RIM_SHARE = 1 / 128
_LITTLE = np.float32(0.02)
_NOTHING = 1e-4


class Backdrop(Protocol):
    """Paints what stands behind the subject."""

    def rows(self, rows: slice, height: int, width: int) -> Pixels:
        """Some rows of a canvas of this size, uint8 [n, W, 3], or what can be broadcast to that."""


@dataclass(frozen=True)
class Plain:
    """One colour."""

    color: RGB

    def rows(self, rows: slice, height: int, width: int) -> Pixels:
        """The colour, uint8 [3]."""
        return np.array(self.color, np.uint8)


@dataclass(frozen=True)
class Veil:
    """One colour that lets through what the result is laid on one day; `opacity` is above 0 and below 1."""

    color: RGB
    opacity: float

    def rows(self, rows: slice, height: int, width: int) -> Pixels:
        """Its opacity on some rows of a canvas, uint8 [n, W]."""
        return np.full((rows.stop - rows.start, width), round(255 * self.opacity), np.uint8)

    def over(self, behind: RGB) -> Plain:
        """What is seen of it on a colour."""
        red, green, blue = (
            round(own * self.opacity + other * (1 - self.opacity))
            for own, other in zip(self.color, behind, strict=True)
        )
        return Plain((red, green, blue))


@dataclass(frozen=True)
class Picture:
    """A picture uint8 [h, w, 3], fitted in one of FITS; `color` fills what it leaves."""

    pixels: Pixels
    fit: str = FITS[0]
    color: RGB = WHITE

    def rows(self, rows: slice, height: int, width: int) -> Pixels:
        """Some rows of the canvas with the picture on it, uint8 [n, W, 3]."""
        if self.fit == "tile":
            down, across = np.arange(rows.start, rows.stop), np.arange(width)
            own_height, own_width = self.pixels.shape[:2]
            tiles: Pixels = self.pixels[(down % own_height)[:, None], across % own_width]
            return tiles
        return draw_plane(self.pixels, fitted(self.pixels.shape, height, width, self.fit), rows, outside=self.color)


@dataclass(frozen=True)
class Converted:
    """Another backdrop, whose sRGB colours are made those of the photo's own profile."""

    backdrop: Backdrop
    convert: Callable[[Pixels], Pixels]

    def rows(self, rows: slice, height: int, width: int) -> Pixels:
        """Some rows of it, in the photo's colours."""
        return self.convert(self.backdrop.rows(rows, height, width))


def fitted(size: tuple[int, ...], height: int, width: int, fit: str) -> Placement:
    """Where a picture of `size` (height, width, …) goes in the middle of a canvas, to "cover" it or be "contain"ed."""
    own_height, own_width = size[:2]
    factors = width / own_width, height / own_height
    factor = max(factors) if fit == "cover" else min(factors)
    new_width, new_height = max(1, round(own_width * factor)), max(1, round(own_height * factor))
    if fit == "cover":  # never a pixel too few by rounding
        new_width, new_height = max(new_width, width), max(new_height, height)
    return Placement(width, height, (width - new_width) // 2, (height - new_height) // 2, new_width, new_height)


def blurred(guide: Pixels, alpha: Pixels, radius_px: float) -> Picture:
    """What is behind the subject of a small copy of a photo, uint8 [h, w, 3], out of focus.

    `alpha`, uint8 [h, w], is left out of the mean, so that the subject's colours do not glow around it; the radius is
    that of a photo whose longer side has SCALE_PX, two standard deviations of a Gaussian, as in CSS.
    """
    longer = max(alpha.shape)
    # Its rim as well: there the colours of both are mixed.
    rim_px = 2 * round(_RIM_SHARE * longer) + 1
    share = 1 - bytes_to_unit(cv2.dilate(alpha, np.ones((rim_px, rim_px), np.uint8)))
    colors = bytes_to_unit(guide)
    tiny = tuple(max(1, round(side * _TINY_PX / longer)) for side in alpha.shape[::-1])
    tiny_share = _resized(share, tiny, cv2.INTER_AREA)
    tiny_colors = _resized(colors * share[:, :, None], tiny, cv2.INTER_AREA)
    # Somewhere there is a background, or else its colour does not matter.
    seen = float(tiny_share.mean())
    mean = tiny_colors.mean(axis=(0, 1)) / np.float32(seen) if seen > _NOTHING else colors.mean(axis=(0, 1))
    mean = np.broadcast_to(mean, tiny_colors.shape)
    for tiny_sigma in _TINY_SIGMAS:
        mean = _mean_behind(tiny_colors, tiny_share, tiny_sigma, mean)
    mean = _resized(mean, alpha.shape[::-1], cv2.INTER_CUBIC)
    mean = _mean_behind(colors * share[:, :, None], share, max(0.5, radius_px / 2 * longer / SCALE_PX), mean)
    return Picture(cv2.convertScaleAbs(mean, alpha=255).astype(np.uint8, copy=False))


def _resized(plane: Plane, size: tuple[int, ...], method: int) -> Plane:
    return cv2.resize(plane, size, interpolation=method).astype(np.float32, copy=False)


def _mean_behind(seen: Plane, share: Plane, sigma: float, otherwise: Plane) -> Plane:
    """Blurred colours float32 [h, w, 3] in 0..1: `seen` are weighted by their share [h, w] already, and where next to
    nothing is seen `otherwise` stands in."""
    total = cv2.GaussianBlur(seen, (0, 0), sigma)
    weights = cv2.GaussianBlur(share, (0, 0), sigma)[:, :, None]
    mean: Plane = (total + _LITTLE * otherwise) / (weights + _LITTLE)
    return mean.clip(0, 1)
