"""How sure a saliency map is of its subject."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Curve = tuple[tuple[float, ...], tuple[float, ...]]

# For two networks (u2netp's curve serves for any other), how far a map agrees with its own mask → the mean IoU with the
# truth of the photos of sod-dev with such maps (scripts/measure.py confidence prints the tables that these points were
# read from).
U2NETP: Curve = (0.0, 0.50, 0.75, 0.83, 0.91, 0.95, 1.0), (0.0, 0.20, 0.53, 0.62, 0.73, 0.87, 0.90)
TINYCUT: Curve = (0.0, 0.38, 0.55, 0.66, 0.83, 0.87, 0.92, 1.0), (0.0, 0.26, 0.40, 0.53, 0.62, 0.74, 0.83, 0.85)


def agreement(saliency: NDArray[np.float32]) -> float:
    """How near a saliency map float32 [h, w] in 0..1 is to being a mask: its soft IoU with itself cut at a half.

    1 for a map of zeros and ones, 0 for one that nowhere is above a half.
    """
    mask = saliency > 0.5
    union = float(np.maximum(saliency, mask).sum())
    return float(saliency[mask].sum()) / union if union else 0.0


def confidence(saliency: NDArray[np.float32], curve: Curve) -> float:
    """The IoU with the true mask, 0..1, that the network's maps of this agreement have on average; 0: no subject.

    `curve` is that of the network which made the map.
    """
    return float(np.interp(agreement(saliency), *curve))
