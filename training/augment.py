"""What a photo looks like to the network this time: cropped, turned, put elsewhere, recoloured, spoilt."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Rgb = NDArray[np.uint8]
Target = NDArray[np.uint8]

CROPPED, TURNED, RECOLOURED, GREY, SPOILT = 0.6, 0.25, 0.8, 0.05, 0.35
LEAST_OF_SUBJECT = 0.5  # of a subject's pixels that a crop keeps
EMPTY_ENOUGH = 0.02  # mean target of a part of a photo that may serve as background
TRIES = 10
FRONT_SCALES = (0.3, 1.1)  # of a subject that is put elsewhere, to the photo that it fills then
WITH_ITS_SUBJECT = 0.2


@dataclass(frozen=True)
class Example:
    """A photo, uint8 [H, W, 3], its target, uint8 [H, W], and how much it counts."""

    rgb: Rgb
    target: Target
    weight: float


def fit(example: Example, height: int, width: int) -> Example:
    """The whole photo at the network's size, and nothing else."""
    size = width, height
    rgb = cv2.resize(example.rgb, size, interpolation=cv2.INTER_AREA)
    target = cv2.resize(example.target, size, interpolation=cv2.INTER_AREA)
    return Example(rgb.astype(np.uint8, copy=False), target.astype(np.uint8, copy=False), example.weight)


def vary(example: Example, height: int, width: int, dice: np.random.Generator) -> Example:
    """The photo or a part of it, mirrored or not, sometimes turned, at height × width, with other colours."""
    rgb, target = example.rgb, example.target
    for _ in range(TRIES):
        matrix = _to_source(rgb, height, width, dice)
        moved = _warp(target, matrix, height, width)
        source_px_per_pixel = abs(np.linalg.det(matrix[:, :2]))
        if moved.sum() * source_px_per_pixel >= LEAST_OF_SUBJECT * target.sum():
            break
    warped = _warp(rgb, matrix, height, width)
    return Example(spoil(recolour(warped, dice), dice), moved, example.weight)


def compose(front: Example, back: Example, height: int, width: int, dice: np.random.Generator) -> Example:
    """The subject of one photo before another photo, where it may be small: before a part of it without a subject, all
    of it with its own, all of it out of focus, or a plain colour of it."""
    scale = np.exp(dice.uniform(*np.log(FRONT_SCALES)))
    source_height, source_width = front.target.shape
    fit_scale = scale * min(height / source_height, width / source_width)
    flip = -1.0 if dice.random() < 0.5 else 1.0
    middle = np.array([width, height]) * (0.5 + dice.uniform(-0.5, 0.5, 2) * (1 - min(scale, 0.95)))
    forward = np.array([[flip * fit_scale, 0.0, 0.0], [0.0, fit_scale, 0.0]])
    forward[:, 2] = middle - forward[:, :2] @ (np.array([source_width, source_height]) / 2)
    size = width, height
    alpha: Any = cv2.warpAffine(front.target, forward, size, flags=cv2.INTER_LINEAR)
    # The masks' stairs would be an edge that no photo has.
    alpha = cv2.GaussianBlur(alpha, (0, 0), dice.uniform(0.4, 1.0))
    subject: Any = cv2.warpAffine(front.rgb, forward, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    behind = _background(back, height, width, dice)
    share = alpha[..., None].astype(np.float32) / 255
    joined = (recolour(subject, dice) * share + recolour(behind.rgb, dice) * (1 - share)).astype(np.uint8)
    target = np.maximum(alpha, behind.target)
    return Example(spoil(joined, dice), target, min(front.weight, behind.weight))


def recolour(rgb: Rgb, dice: np.random.Generator) -> Rgb:
    """Another exposure, contrast, white balance and saturation."""
    if dice.random() > RECOLOURED:
        return rgb
    levels = np.arange(256, dtype=np.float32) / 255
    gamma, contrast = np.exp(dice.normal(0, 0.25)), np.exp(dice.normal(0, 0.15))
    tone = (levels**gamma - 0.5) * contrast + 0.5 + dice.normal(0, 0.04)
    tables = np.stack([tone * np.exp(dice.normal(0, 0.06)) for _ in range(3)], axis=-1)
    toned = cv2.LUT(rgb, (tables.clip(0, 1) * 255).astype(np.uint8)[None])
    saturation = 0.0 if dice.random() < GREY else float(np.exp(dice.normal(0, 0.25)))
    grey = cv2.cvtColor(cv2.cvtColor(toned, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return cv2.addWeighted(toned, saturation, grey, 1 - saturation, 0).astype(np.uint8, copy=False)


def spoil(rgb: Rgb, dice: np.random.Generator) -> Rgb:
    """Sometimes what cameras and web pages do to photos: blur, fewer pixels, noise, JPEG."""
    if dice.random() > SPOILT:
        return rgb
    kind = dice.integers(4)
    height, width = rgb.shape[:2]
    if kind == 0:
        return cv2.GaussianBlur(rgb, (0, 0), dice.uniform(0.5, 1.6)).astype(np.uint8, copy=False)
    if kind == 1:
        share = dice.uniform(0.4, 0.9)
        small = cv2.resize(rgb, (int(width * share), int(height * share)), interpolation=cv2.INTER_AREA)
        return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)
    if kind == 2:
        noise = dice.standard_normal(rgb.shape, dtype=np.float32) * np.float32(dice.uniform(2, 12))
        return (rgb + noise).clip(0, 255).astype(np.uint8)
    data = io.BytesIO()
    Image.fromarray(rgb).save(data, "JPEG", quality=int(dice.integers(25, 85)))
    return np.asarray(Image.open(data))


def _to_source(rgb: Rgb, height: int, width: int, dice: np.random.Generator) -> NDArray[np.float64]:
    """A matrix from places of the result to places of the photo."""
    source_height, source_width = rgb.shape[:2]
    window = np.array([source_width, source_height], np.float64)
    if dice.random() < CROPPED:
        window *= np.sqrt(dice.uniform(0.35, 1.0)) * np.exp(dice.uniform(-0.12, 0.12) * np.array([1, -1]))
        window = np.minimum(window, (source_width, source_height))
    corner = dice.uniform(0, 1, 2) * ((source_width, source_height) - window)
    angle = np.radians(dice.normal(0, 8)) if dice.random() < TURNED else 0.0
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    scale = window / (width, height) * ((-1, 1) if dice.random() < 0.5 else (1, 1))
    linear = turn * scale
    middle = corner + window / 2
    return np.column_stack([linear, middle - linear @ (np.array([width, height]) / 2)])


def _warp(pixels: Any, to_source: NDArray[np.float64], height: int, width: int) -> Any:
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(pixels, to_source, (width, height), flags=how, borderMode=cv2.BORDER_REFLECT_101)


def _background(back: Example, height: int, width: int, dice: np.random.Generator) -> Example:
    if dice.random() < WITH_ITS_SUBJECT:
        return fit(back, height, width)
    rows, columns = back.target.shape
    nothing = np.zeros((height, width), np.uint8)
    for _ in range(TRIES):
        part_height, part_width = (np.array([rows, columns]) * dice.uniform(0.3, 0.95, 2)).astype(int)
        top, left = dice.integers(rows - part_height + 1), dice.integers(columns - part_width + 1)
        part = slice(top, top + part_height), slice(left, left + part_width)
        if back.target[part].mean() / 255 < EMPTY_ENOUGH:
            rgb = cv2.resize(back.rgb[part], (width, height), interpolation=cv2.INTER_LINEAR)
            return Example(rgb.astype(np.uint8, copy=False), nothing, 1.0)
    if dice.random() < 0.7:
        whole = cv2.resize(back.rgb, (width, height), interpolation=cv2.INTER_LINEAR)
        blurred = cv2.GaussianBlur(whole, (0, 0), dice.uniform(8, 24))
        return Example(blurred.astype(np.uint8, copy=False), nothing, 1.0)
    colour = back.rgb[dice.integers(rows), dice.integers(columns)].astype(np.float32)
    above, below = np.exp(dice.normal(0, 0.1, 2))
    light = np.linspace(above, below, height, dtype=np.float32)[:, None, None]
    plain = np.broadcast_to(colour * light, (height, width, 3)).clip(0, 255).astype(np.uint8)
    return Example(plain, nothing, 1.0)
