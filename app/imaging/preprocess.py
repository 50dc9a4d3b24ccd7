"""Pixels → the network's input, and the network's output → a saliency map."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

# The square that the published network was trained on, and what its pooling divides by.
TRAINED_SIDE_PX = 320
STRIDE_PX = 32
# How a photo is brought to the network's size, the default first: with its aspect kept; squeezed to a square, as
# rembg does; or squeezed only where that is within 5 % of its shape.
RESIZE_MODES = ("dynamic", "static", "hybrid")
HYBRID_TOLERANCE = 1.05
# Longer photos than this are squeezed to it: a strip of one or two strides shows the network nothing.
LONGEST_ASPECT = 4.0
# In photos with a subject the network's surest pixel is well above this; on plain colours, noise and textures below.
LEAST_PEAK = 0.5
# Mean and standard deviation of ImageNet's RGB, with which U²-Net was trained (Qin et al., 2020).
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)


def reduce_to(rgb: NDArray[np.uint8], longest_px: int) -> NDArray[np.uint8]:
    """Reduce uint8 [H, W, 3] so that its longer side is at most `longest_px`; smaller photos come back as they are."""
    height, width = rgb.shape[:2]
    scale = longest_px / max(height, width)
    if scale >= 1:
        return rgb
    return resize(rgb, max(1, round(height * scale)), max(1, round(width * scale)))


def network_size(height: int, width: int, *, mode: str, area_px: int) -> tuple[int, int]:
    """Choose the network's height and width, multiples of 32 of about `area_px` together, for a photo's shape."""
    aspect = min(max(width / height, 1 / LONGEST_ASPECT), LONGEST_ASPECT)
    squarish = max(aspect, 1 / aspect) <= HYBRID_TOLERANCE
    if mode == "static" or (mode == "hybrid" and squarish):
        aspect = 1.0
    # The size whose aspect and area are nearest, both as ratios.
    around = math.sqrt(area_px / aspect) / STRIDE_PX
    rows = (max(1, math.floor(around)), math.floor(around) + 1)
    sizes = [
        (row * STRIDE_PX, column * STRIDE_PX)
        for row in rows
        for column in (max(1, math.floor(row * aspect)), math.floor(row * aspect) + 1)
    ]
    return min(sizes, key=lambda size: _misfit(size, aspect, area_px))


def _misfit(size: tuple[int, int], aspect: float, area_px: int) -> float:
    height, width = size
    return math.log(width / height / aspect) ** 2 + math.log(height * width / area_px) ** 2


def resize(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Resize uint8 [H, W] or [H, W, 3]: area averaging for a smaller result, bicubic for a larger one."""
    if pixels.shape[:2] == (height, width):
        return pixels
    smaller = height * width < pixels.shape[0] * pixels.shape[1]
    method = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return cv2.resize(pixels, (width, height), interpolation=method).astype(np.uint8, copy=False)


def to_network_input(rgb: NDArray[np.uint8], height: int, width: int) -> NDArray[np.float32]:
    """Resize uint8 [H, W, 3] and normalise it to float32 [1, 3, height, width], as U²-Net was trained:
    divided by the brightest value of the photo, less ImageNet's mean, over its standard deviation."""
    small = resize(rgb, height, width)
    brightest = max(int(small.max()), 1)
    scale = 1.0 / (brightest * STD)
    planes = np.empty((1, 3, height, width), np.float32)
    for channel in range(3):
        np.multiply(small[:, :, channel], scale[channel], out=planes[0, channel])
        planes[0, channel] -= MEAN[channel] / STD[channel]
    return planes


def mean_of_looks(raw: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of two raw maps of one photo, float32 [h, w]; the other is brought to the size of the first."""
    height, width = raw.shape
    same_size = cv2.resize(np.ascontiguousarray(other), (width, height), interpolation=cv2.INTER_LINEAR)
    return ((raw + same_size) * np.float32(0.5)).astype(np.float32, copy=False)


def to_saliency(raw: NDArray[np.float32]) -> NDArray[np.float32]:
    """Stretch a raw map float32 [h, w] to 0..1, as U²-Net's author does.

    A map that nowhere reaches LEAST_PEAK holds no subject: it stays what it was, clipped, instead of having its noise
    stretched into one.
    """
    least, most = float(raw.min()), float(raw.max())
    if not most >= LEAST_PEAK or not most - least > 1e-6:
        return np.nan_to_num(raw).clip(0.0, 1.0).astype(np.float32, copy=False)
    return ((raw - least) * (1.0 / (most - least))).astype(np.float32, copy=False)
