"""A second look at the subject alone: where it is in a first saliency map, and the average of both maps.

The network sees a photo in some 100,000 pixels; of a subject that fills a small part of it, little is left. A second
run on the part with the subject shows it larger, and the average of both is nearer to the truth than either
(docs/models.md).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from app.imaging.box import Box, bounding_box

MARGIN = 0.1  # of the subject's longer side
_THRESHOLD = 0.5


def subject_box(saliency: NDArray[np.float32], height: int, width: int, *, largest_share: float) -> Box | None:
    """The part of a photo of this size that holds its subject and a margin, by a saliency map float32 [h, w] in 0..1.

    None where nothing is found, or where it would be more than `largest_share` of the photo.
    """
    found = bounding_box(saliency, above=_THRESHOLD)
    if found is None:
        return None
    map_height, map_width = saliency.shape
    top, bottom = found.top * height / map_height, found.bottom * height / map_height
    left, right = found.left * width / map_width, found.right * width / map_width
    margin = MARGIN * max(bottom - top, right - left)
    box = Box(
        top=max(0, int(top - margin)),
        left=max(0, int(left - margin)),
        bottom=min(height, int(np.ceil(bottom + margin))),
        right=min(width, int(np.ceil(right + margin))),
    )
    return box if box.area_px <= largest_share * height * width else None


def join(
    saliency: NDArray[np.float32], closer: NDArray[np.float32], box: Box, height: int, width: int
) -> NDArray[np.float32]:
    """The average of two maps in 0..1 at the photo's size, float32 [height, width]; outside its box the closer is 0."""
    joined = cv2.resize(saliency, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.float32, copy=False)
    size = (box.right - box.left, box.bottom - box.top)
    joined[box.slices] += cv2.resize(closer, size, interpolation=cv2.INTER_CUBIC)
    joined *= 0.5
    return joined.clip(0.0, 1.0, out=joined)
