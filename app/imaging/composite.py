"""Colours and alpha → a picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from app.imaging.strips import strips


def to_rgba(rgb: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Join uint8 [H, W, 3] and [H, W] to RGBA uint8 [H, W, 4] with straight alpha.

    Hidden colours (alpha 0) become black, so that they neither leak the background nor bloat the file.
    """
    rgba = np.empty((*alpha.shape, 4), np.uint8)
    for rows in strips(*alpha.shape):
        cv2.cvtColor(rgb[rows], cv2.COLOR_RGB2RGBA, dst=rgba[rows])
        cv2.insertChannel(alpha[rows], rgba[rows], 3)
        rgba[rows].view(np.uint32)[:, :, 0][alpha[rows] == 0] = 0  # a pixel is one number: much faster than four
    return rgba


def over_color(rgb: NDArray[np.uint8], alpha: NDArray[np.uint8], color: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Put uint8 [H, W, 3] with alpha uint8 [H, W] on one RGB colour; returns uint8 [H, W, 3], rounded."""
    result = np.empty_like(rgb)
    background = np.array(color, np.uint16)
    for rows in strips(*alpha.shape):
        opacity = alpha[rows, :, None].astype(np.uint16)
        mixed = rgb[rows] * opacity + background * (255 - opacity)
        mixed += 127
        result[rows] = mixed // 255
    return result
