"""Subject, shadow and background → a picture, strip by strip."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from app.imaging.backdrop import Backdrop
from app.imaging.color import RGB
from app.imaging.strips import strips

Pixels = NDArray[np.uint8]
# Gives some rows of the canvas: the subject's colours uint8 [n, W, 3] and its alpha uint8 [n, W].
Draw = Callable[[slice], tuple[Pixels, Pixels]]


class Layer(Protocol):
    """Something of one colour between the subject and what is behind: its shadow, a veil."""

    @property
    def color(self) -> RGB:
        """Its colour."""

    def rows(self, rows: slice, height: int, width: int) -> Pixels:
        """Its opacity on some rows of a canvas of this size, uint8 [n, W]."""


def compose(
    draw: Draw, height: int, width: int, *, backdrop: Backdrop | None = None, layers: Sequence[Layer] = ()
) -> Pixels:
    """Put the subject on layers, the first in front, on what is behind: RGB uint8 [H, W, 3]; RGBA [H, W, 4] where
    nothing is behind.

    RGBA has straight alpha. Its hidden colours (alpha 0) are black, so that they neither leak the background nor bloat
    the file.
    """
    result = np.empty((height, width, 4 if backdrop is None else 3), np.uint8)
    for rows in strips(height, width):
        rgb, alpha = draw(rows)
        if backdrop is None:
            for layer in layers:
                rgb, alpha = _join(rgb, alpha, layer.color, layer.rows(rows, height, width))
            _write_rgba(result[rows], rgb, alpha)
            continue
        behind = backdrop.rows(rows, height, width)
        for layer in reversed(layers):
            behind = over(np.array(layer.color, np.uint8), layer.rows(rows, height, width), behind)
        result[rows] = over(rgb, alpha, behind)
    return result


def split(picture: Pixels) -> tuple[Pixels, Pixels]:
    """Colours uint8 [H, W, 3] and alpha uint8 [H, W] of RGBA or RGB."""
    if picture.shape[2] == 3:
        return picture, np.full(picture.shape[:2], 255, np.uint8)
    rgb: Pixels = cv2.cvtColor(picture, cv2.COLOR_RGBA2RGB).astype(np.uint8, copy=False)
    return rgb, cv2.extractChannel(picture, 3).astype(np.uint8, copy=False)


def over(rgb: NDArray[Any], alpha: Pixels, behind: NDArray[Any]) -> Pixels:
    """Put colours of alpha uint8 [H, W] over others, each uint8 [H, W, 3] or [3]; returns uint8 [H, W, 3], rounded."""
    opacity = alpha[:, :, None].astype(np.uint16)
    mixed = rgb * opacity + behind * (255 - opacity)
    mixed += 127
    mixed //= 255
    return mixed.astype(np.uint8)


def _write_rgba(rgba: Pixels, rgb: Pixels, alpha: Pixels) -> None:
    cv2.cvtColor(rgb, cv2.COLOR_RGB2RGBA, dst=rgba)
    cv2.insertChannel(alpha, rgba, 3)
    rgba.view(np.uint32)[:, :, 0][alpha == 0] = 0  # a pixel is one number: much faster than four


def _join(rgb: Pixels, alpha: Pixels, color: RGB, shade: Pixels) -> tuple[Pixels, Pixels]:
    """The subject over a layer of one colour: the colours and the straight alpha of both (Porter and Duff, 1984)."""
    front = alpha.astype(np.float32)
    back = shade * (255 - front) * np.float32(1 / 255)
    both = front + back
    share = np.divide(front, both, out=np.zeros_like(front), where=both > 0)[:, :, None]
    colors = rgb * share + np.array(color, np.float32) * (1 - share)
    return np.rint(colors).astype(np.uint8), np.rint(both).astype(np.uint8)
