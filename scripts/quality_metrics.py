"""How near a found alpha comes to a true mask: the figures of scripts/evaluate.py.

IoU, MAE and boundary F are worked out here. S-measure, weighted F and max F are those of PySODMetrics, the field's
reference implementation. It is no requirement of the project, for every version of it asks for an older OpenCV or
numpy than ours: `pip install --no-deps pysodmetrics==1.6.2`. Without it these three are None.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
import sys
from dataclasses import dataclass, fields
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from scripts.measure import iou

PYSODMETRICS = "py_sod_metrics"
HALF = 127  # alpha above this is foreground
BOUNDARY_TOLERANCE = 0.008  # of the diagonal, as in DAVIS
FAVOUR_PRECISION = 0.3  # β² of max F (Achanta et al., CVPR 2009)


@dataclass(frozen=True)
class Scores:
    """The figures of one photo, or their means; all in 0..1, all but `mae` better when higher."""

    iou: float
    mae: float
    s_measure: float | None
    weighted_f: float | None
    max_f: float | None
    boundary_f: float


@dataclass(frozen=True)
class PhotoScores:
    """The figures of one photo that do not need PySODMetrics."""

    iou: float
    mae: float
    boundary_f: float


def mean_absolute_error(alpha: NDArray[np.uint8], mask: NDArray[np.uint8]) -> float:
    """Mean difference of two uint8 [H, W], in 0..1 (Perazzi et al., CVPR 2012); a mask's soft edges count."""
    return float(cv2.absdiff(alpha, mask).mean()) / 255


def boundary_f(found: NDArray[np.bool_], true: NDArray[np.bool_], tolerance: float = BOUNDARY_TOLERANCE) -> float:
    """Contour F-measure of two masks, bool [H, W]: F of DAVIS (Perazzi et al., CVPR 2016).

    The harmonic mean of precision (how much of the found contour lies within `tolerance`, a share of the diagonal,
    of the true one) and recall (the same the other way round). 1 when neither has a contour, 0 when one has none.
    """
    radius_px = math.ceil(tolerance * math.hypot(*true.shape))
    found_contour, true_contour = contour(found), contour(true)
    if not found_contour.any() or not true_contour.any():
        return float(found_contour.any() == true_contour.any())
    precision = _widened(true_contour, radius_px)[found_contour].mean()
    recall = _widened(found_contour, radius_px)[true_contour].mean()
    both = float(precision + recall)
    return 2 * float(precision * recall) / both if both else 0.0


def contour(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels of a mask, bool [H, W], that differ from the one to the right, below, or below to the right."""
    wider = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    return (mask ^ wider[:-1, 1:]) | (mask ^ wider[1:, :-1]) | (mask ^ wider[1:, 1:])


def _widened(pixels: NDArray[np.bool_], radius_px: int) -> NDArray[np.bool_]:
    rows, columns = np.indices((2 * radius_px + 1, 2 * radius_px + 1)) - radius_px
    disc = (rows**2 + columns**2 <= radius_px**2).astype(np.uint8)
    return cv2.dilate(pixels.astype(np.uint8), disc) > 0


class SetScores:
    """Adds photos up to the figures of a set."""

    def __init__(self) -> None:
        self._photos: list[PhotoScores] = []
        self._reference = _Reference.find()

    def add(self, alpha: NDArray[np.uint8], mask: NDArray[np.uint8]) -> PhotoScores:
        """Take the found alpha and the true mask of a photo, uint8 [H, W] both; return the photo's own figures."""
        found, true = alpha > HALF, mask > HALF
        photo = PhotoScores(iou(found, true), mean_absolute_error(alpha, mask), boundary_f(found, true))
        self._photos.append(photo)
        if self._reference:
            self._reference.add(alpha / 255, true)
        return photo

    def means(self) -> Scores:
        """The means over the photos; max F is the best mean over the 256 thresholds, as is the custom."""
        own = {
            field.name: float(np.mean([getattr(photo, field.name) for photo in self._photos]))
            for field in fields(PhotoScores)
        }
        reference = self._reference.means() if self._reference else dict.fromkeys(_Reference.NAMES)
        return Scores(**own, **reference)


class _Reference:
    """The figures of PySODMetrics. Alpha is not stretched to 0..1 first: what a user gets is what is judged."""

    NAMES = ("s_measure", "weighted_f", "max_f")

    def __init__(self, metrics: Any, thresholded: Any) -> None:
        self._s_measure = metrics.Smeasure()
        self._weighted_f = metrics.WeightedFmeasure()
        f_measure = thresholded.FmeasureHandler(with_dynamic=True, with_adaptive=False, beta=FAVOUR_PRECISION)
        self._f_measure = thresholded.FmeasureV2({"f": f_measure})

    @classmethod
    def find(cls) -> _Reference | None:
        """Load PySODMetrics; None when it is not installed."""
        if PYSODMETRICS not in sys.modules:
            spec = importlib.util.find_spec(PYSODMETRICS)
            if spec is None:
                return None
            # Not run: it would import metrics that want scikit-learn.
            sys.modules[PYSODMETRICS] = importlib.util.module_from_spec(spec)
        modules = (importlib.import_module(f"{PYSODMETRICS}.{name}") for name in ("sod_metrics", "fmeasurev2"))
        return cls(*modules)

    def add(self, saliency: NDArray[np.float64], true: NDArray[np.bool_]) -> None:
        """Take a saliency map in 0..1 and a mask, both [H, W]."""
        for metric in (self._s_measure, self._weighted_f, self._f_measure):
            metric.step(saliency, true, normalize=False)

    def means(self) -> dict[str, float]:
        """The three figures by their names."""
        values = (
            self._s_measure.get_results()["sm"],
            self._weighted_f.get_results()["wfm"],
            self._f_measure.get_results()["f"]["dynamic"].max(),
        )
        return dict(zip(self.NAMES, map(float, values), strict=True))


def has_reference() -> bool:
    """Is PySODMetrics installed?"""
    return _Reference.find() is not None
