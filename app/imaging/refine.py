"""A small saliency map → the alpha of the whole photo, with the photo's own edges."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from app.imaging.strips import strips

Plane = NDArray[np.float32]

# Guided filter: found on matting-dev, sod-dev, davis-dev and matting-lemur (docs/quality.md).
GUIDE_PX = 384  # the longer side of the copy on which its coefficients are worked out
RADIUS_SHARE = 8 / 1024  # of the longer side: about two pixels of the network's map
SMOOTHNESS = 1e-4  # variance of colours in 0..1 below which a window counts as flat
# The map is soft over some pixels even at hard edges; made steeper it errs less, and the guide brings softness back.
CONTRAST = 1.3


def lift_alpha(saliency: NDArray[np.float32], rgb: NDArray[np.uint8], guide: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Lift a saliency map float32 [h, w] in 0..1 to alpha uint8 [H, W] by the edges of its photo, uint8 [H, W, 3].

    A fast guided filter (He and Sun, arXiv:1505.00996, 2015) with the colours as its guide: on a small copy of the
    photo, `guide`, uint8, at most GUIDE_PX long, alpha is expressed as a linear function of the colours in each
    window, and the functions are then applied to the photo itself, in strips: what is needed on top is some 25 MB
    however large the photo is.
    """
    colors = bytes_to_unit(guide)
    small = cv2.resize(saliency, guide.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    small = np.clip((small - 0.5) * CONTRAST + 0.5, 0.0, 1.0).astype(np.float32, copy=False)
    radius = max(1, round(RADIUS_SHARE * max(small.shape)))
    functions = _linear_functions(colors, small, radius)
    # A window reaches one radius far, and so does the mean of the windows' functions.
    soft = ((small > 0) & (small < 1)).astype(np.uint8)
    active = cv2.dilate(soft, np.ones((4 * radius + 1, 4 * radius + 1), np.uint8)).astype(bool)
    del colors, small
    return _apply(functions, active, rgb)


def multiply_alpha(alpha: NDArray[np.uint8], source_alpha: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
    """Keep what was see-through in the source see-through: alpha · source alpha, uint8 [H, W], rounded; in place."""
    if source_alpha is not None:
        cv2.multiply(alpha, source_alpha, dst=alpha, scale=1 / 255)
    return alpha


def _linear_functions(colors: Plane, small: Plane, radius: int) -> Plane:
    """Return float32 [h, w, 4]: alpha there is the first three times the colours in 0..1, plus the last."""

    def mean(plane: NDArray[Any]) -> Plane:
        blurred = cv2.blur(plane, (2 * radius + 1, 2 * radius + 1), borderType=cv2.BORDER_REFLECT)
        return blurred.astype(np.float32, copy=False)

    planes = cv2.split(colors)
    means = [mean(plane) for plane in planes]
    mean_alpha = mean(small)
    products = [mean(plane * small) - plane_mean * mean_alpha for plane, plane_mean in zip(planes, means, strict=True)]
    red, green, blue = range(3)

    def covariance(one: int, other: int) -> Plane:
        return mean(planes[one] * planes[other]) - means[one] * means[other]

    rr, gg, bb = (covariance(one, one) + np.float32(SMOOTHNESS) for one in (red, green, blue))
    rg, rb, gb = covariance(red, green), covariance(red, blue), covariance(green, blue)
    # The inverse of the symmetric 3×3 matrix, by its cofactors.
    cofactors = (
        (gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb),
        (gb * rb - rg * bb, rr * bb - rb * rb, rb * rg - rr * gb),
        (rg * gb - gg * rb, rb * rg - rr * gb, rr * gg - rg * rg),
    )
    determinant = rr * cofactors[0][0] + rg * cofactors[0][1] + rb * cofactors[0][2]
    functions = np.empty((*small.shape, 4), np.float32)
    offset = mean_alpha
    for channel, row in enumerate(cofactors):
        slope = sum(cofactor * product for cofactor, product in zip(row, products, strict=True)) / determinant
        offset = offset - slope * means[channel]
        functions[:, :, channel] = mean(slope)
    functions[:, :, 3] = mean(offset)
    return functions


def _apply(functions: Plane, active: NDArray[np.bool_], rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Alpha uint8 [H, W]; where nothing is active the functions are constants, and no colour is looked at."""
    height, width = rgb.shape[:2]
    constants = cv2.convertScaleAbs(np.ascontiguousarray(functions[:, :, 3]).clip(0), alpha=255)
    alpha = cv2.resize(constants, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)
    for part in active_parts(active, height, width):
        total: Plane = np.zeros(alpha[part].shape, np.float32)
        lifted = cv2.split(enlarge(functions, part, height, width))
        for slope, channel in zip(lifted[:3], cv2.split(rgb[part]), strict=True):
            total += slope * channel
        total += lifted[3] * np.float32(255)
        alpha[part] = cv2.convertScaleAbs(np.maximum(total, 0, out=total))
    return alpha


def active_parts(active: NDArray[np.bool_], height: int, width: int) -> Iterator[tuple[slice, slice]]:
    """The strips of a photo of this size that a small mask [h, w] marks: rows and columns, to index pixels with."""
    small_height, small_width = active.shape
    for rows in strips(height, width):
        # One pixel more on each side: what is enlarged reaches into its neighbours.
        first = max(0, rows.start * small_height // height - 1)
        last = min(small_height, -(-rows.stop * small_height // height) + 1)
        columns = np.flatnonzero(active[first:last].any(axis=0))
        if columns.size:
            left = max(0, int(columns[0]) - 1) * width // small_width
            right = min(width, -(-(int(columns[-1]) + 2) * width // small_width))
            yield rows, slice(left, right)


def enlarge(small: Plane, part: tuple[slice, slice], height: int, width: int) -> Plane:
    """The rows and columns `part` of float32 [h, w, C] enlarged to [height, width, C], bilinear, as cv2.resize does."""
    rows, columns = part
    x_scale, y_scale = small.shape[1] / width, small.shape[0] / height
    matrix = np.array(
        [
            [x_scale, 0, (columns.start + 0.5) * x_scale - 0.5],
            [0, y_scale, (rows.start + 0.5) * y_scale - 0.5],
        ]
    )
    size = columns.stop - columns.start, rows.stop - rows.start
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(small, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE).astype(
        np.float32, copy=False
    )


def bytes_to_unit(values: NDArray[Any]) -> Plane:
    """uint8 of any shape as float32 in 0..1."""
    return values.astype(np.float32) * np.float32(1 / 255)
