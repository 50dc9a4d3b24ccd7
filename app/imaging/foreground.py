"""The subject's own colours at soft edges, where a photo shows them mixed with what was behind."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from app.imaging.preprocess import reduce_to
from app.imaging.refine import Plane, active_parts, bytes_to_unit, enlarge

# Reach of the first and the second mean, of the longer side. Measured on matting-lemur (docs/quality.md); the source
# takes 90 and 6 pixels of some 1,000.
MEANS_PX = 256  # the longer side of the copy on which they are worked out
FAR_SHARE, NEAR_SHARE = 60 / 1024, 12 / 1024
SOFT_ALPHA = (3, 252)
_LITTLE = np.float32(1e-5)


def restore_colors(rgb: NDArray[np.uint8], alpha: NDArray[np.uint8], guide: NDArray[np.uint8]) -> None:
    """Replace the colours of half-transparent pixels by those of the subject alone; in place.

    `rgb` is uint8 [H, W, 3], `alpha` uint8 [H, W]; where alpha is next to 0 or 255 nothing changes. Blur fusion (Forte,
    "Approximate fast foreground colour estimation", ICIP 2021): the mean colours of subject and background around a
    pixel explain it but for a rest, and the rest belongs to the subject by its share. The means come from a small
    copy of the photo, `guide`, uint8; the rest is that of the photo itself, worked out in strips.
    """
    height, width = alpha.shape
    guide = reduce_to(guide, MEANS_PX)
    small_alpha = cv2.resize(alpha, guide.shape[1::-1], interpolation=cv2.INTER_AREA)
    active = (small_alpha > 0) & (small_alpha < 255)
    if not active.any():
        return
    small_subject, small_behind = _mean_colors(bytes_to_unit(guide), bytes_to_unit(small_alpha)[:, :, None])
    for part in active_parts(active, height, width):
        soft = cv2.inRange(alpha[part], *SOFT_ALPHA)  # 255 where it is
        if not cv2.hasNonZero(soft):
            continue
        subjects = cv2.split(enlarge(small_subject, part, height, width))[:3]
        behinds = cv2.split(enlarge(small_behind, part, height, width))[:3]
        share = bytes_to_unit(alpha[part])
        found = []
        for subject, behind, color in zip(subjects, behinds, cv2.split(rgb[part]), strict=True):
            # subject + share · (color − share · subject − (1 − share) · behind), with few copies
            rest = behind - subject
            rest *= share
            rest -= behind
            rest += color
            rest *= share
            rest += subject
            found.append(cv2.addWeighted(rest, 1, rest, 0, 0, dtype=cv2.CV_8U))  # rounded, and within 0..255
        cv2.copyTo(cv2.merge(found), soft, rgb[part])


def _mean_colors(colors: Plane, share: Plane) -> tuple[Plane, Plane]:
    """Mean colours of the subject and of what is behind it, around each pixel, by colours in 0..1: each float32
    [h, w, 4] in 0..255, of which the last channel means nothing."""
    longer = max(colors.shape[:2])
    far, near = (max(1, round(part * longer)) for part in (FAR_SHARE, NEAR_SHARE))
    subject = _weighted_mean(colors, share, far)
    behind = _weighted_mean(colors, 1 - share, far)
    subject = (subject + share * (colors - share * subject - (1 - share) * behind)).clip(0, 1)
    subject, behind = _weighted_mean(subject, share, near), _weighted_mean(behind, 1 - share, near)
    # OpenCV enlarges four channels twice as fast as three.
    return np.dstack([subject, share]) * np.float32(255), np.dstack([behind, share]) * np.float32(255)


def _weighted_mean(colors: Plane, weight: Plane, radius: int) -> Plane:
    size = (2 * radius + 1, 2 * radius + 1)
    total = cv2.blur(colors * weight, size)
    weights = cv2.blur(weight, size)[:, :, None]
    mean: Plane = (total + _LITTLE * colors) / (weights + _LITTLE)
    return mean
