"""What a person may do to the matte: widen it, keep one part, close holes, make it hard or soft.

The shape is worked on at the network's scale, before the photo's edges are found (`reshape`); hardness and softness at
the photo's own (`finish`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

# Lengths are in pixels of a photo whose longer side has so many.
SCALE_PX = 1024
MOST_DILATION_PX = 30
MOST_FEATHER_PX = 30
# Below, a map shows noise and not a part of the subject; from a half on it is the subject.
_FAINT, _HALF = 0.04, 0.5
# As far as a hole may be soft.
_RIM_PX = 16
_STEP_PX = 32.0


@dataclass(frozen=True)
class MatteControls:
    """`dilation_px` (−30..30 at SCALE_PX) grows or shrinks the subject; `keep_largest` drops all but its largest
    connected part; `fill_holes` closes what it surrounds; alpha from `threshold` (1..255; 0: off) on becomes 255, all
    below 0; `feather_px` (0..30 at SCALE_PX) softens the edge."""

    dilation_px: float = 0
    keep_largest: bool = False
    fill_holes: bool = False
    threshold: int = 0
    feather_px: float = 0


def reshape(saliency: Plane, controls: MatteControls, height: int, width: int, *, photo_px: int | None = None) -> Plane:
    """Apply the controls of shape to a map float32 [h, w] in 0..1 of a part of this size of a photo whose longer side
    has `photo_px` (None: it is the whole); it is left as it is.

    The result is float32 in 0..1; where anything was to be done it is as fine as SCALE_PX has the photo, or finer.
    """
    if not (controls.dilation_px or controls.keep_largest or controls.fill_holes):
        return saliency
    longer = max(height, width)
    photo_px = photo_px or longer
    # As a photo of SCALE_PX has it, but for a small part of one: as fine as the map, at least.
    scale = max(SCALE_PX / photo_px, min(SCALE_PX, max(saliency.shape)) / longer)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    shape = cv2.resize(saliency, size, interpolation=cv2.INTER_CUBIC).clip(0, 1)
    if controls.keep_largest:
        shape = _largest_part(shape)
    if controls.fill_holes:
        shape = _without_holes(shape)
    if controls.dilation_px:
        shape = _dilated(shape, controls.dilation_px * scale * photo_px / SCALE_PX)
    return shape.astype(np.float32, copy=False)


def _dilated(shape: Plane, radius_px: float) -> Plane:
    """Grow what is light by a disc, or shrink it where the radius is below 0."""
    radius_px = float(np.clip(radius_px, -max(shape.shape), max(shape.shape)))
    grow = cv2.dilate if radius_px > 0 else cv2.erode
    # Several discs make a huge one, in less time.
    steps = math.ceil(abs(radius_px) / _STEP_PX)
    # What fills a photo must not be eaten from the photo's own borders.
    disc = _disc(abs(radius_px) / steps)
    return grow(shape, disc, iterations=steps, borderType=cv2.BORDER_REPLICATE).astype(np.float32, copy=False)


def finish(alpha: NDArray[np.uint8], controls: MatteControls, *, photo_px: int | None = None) -> NDArray[np.uint8]:
    """Apply threshold and feather to alpha uint8 [H, W] of a part of a photo whose longer side has `photo_px` (None: it
    is the whole); in place, or a new one."""
    if controls.threshold:
        cv2.threshold(alpha, controls.threshold - 1, 255, cv2.THRESH_BINARY, dst=alpha)
    radius = round(controls.feather_px * (photo_px or max(alpha.shape)) / SCALE_PX)
    if not radius:
        return alpha
    return cv2.stackBlur(alpha, (2 * radius + 1, 2 * radius + 1)).astype(np.uint8, copy=False)


def _largest_part(shape: Plane) -> Plane:
    """Zero all but the connected part with the most opacity, and a soft edge around it."""
    count, labels = cv2.connectedComponents((shape > _FAINT).astype(np.uint8))
    if count <= 2:  # the background is one
        return shape
    weights = np.bincount(labels.ravel().astype(np.intp), weights=shape.ravel(), minlength=count)
    weights[0] = 0
    largest = labels == int(weights.argmax())
    return np.where(largest, shape, np.float32(0))


def _without_holes(shape: Plane) -> Plane:
    """Fill what is surrounded by the subject and reaches no border of the photo."""
    behind = (shape < _HALF).astype(np.uint8)
    count, labels = cv2.connectedComponents(behind, connectivity=4)
    borders = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    is_hole = np.ones(count, np.uint8)
    is_hole[borders] = 0
    is_hole[0] = 0  # the subject
    if not is_hole.any():
        return shape
    # The rim of a hole is soft: it is filled too, unless the subject's own edge is nearer.
    holes = is_hole[labels]
    from_hole, from_outside = (
        cv2.distanceTransform(1 - part, cv2.DIST_L2, cv2.DIST_MASK_5) for part in (holes, behind - holes)
    )
    return np.where((from_hole <= _RIM_PX) & (from_hole < from_outside), np.float32(1), shape)


def _disc(radius_px: float) -> NDArray[np.uint8]:
    reach = int(np.ceil(radius_px))
    rows, columns = np.ogrid[-reach : reach + 1, -reach : reach + 1]
    disc: NDArray[np.uint8] = (np.hypot(rows, columns) <= radius_px + 0.25).astype(np.uint8)
    return disc
