"""How sure a map is of its subject."""

from __future__ import annotations

import numpy as np
import pytest

from app.imaging import preprocess
from app.imaging.confidence import TINYCUT, U2NETP, Curve, agreement, confidence


def soft_disc(softness: float) -> np.ndarray:
    rows, columns = np.indices((100, 100))
    disc: np.ndarray = np.clip((30 - np.hypot(rows - 50, columns - 50)) / softness + 0.5, 0, 1).astype(np.float32)
    return disc


@pytest.mark.parametrize(("curve", "surest"), [(U2NETP, 0.9), (TINYCUT, 0.85)], ids=["u2netp", "tinycut"])
def test_a_sharp_map_is_surer_than_a_soft_one_and_that_than_none(curve: Curve, surest: float) -> None:
    sharp, soft = confidence(soft_disc(1), curve), confidence(soft_disc(40), curve)
    assert surest - 0.05 < sharp <= surest
    assert 0 < soft < sharp - 0.1
    assert confidence(np.full((50, 50), 0.4, np.float32), curve) == 0
    assert confidence(np.zeros((50, 50), np.float32), curve) == 0


@pytest.mark.parametrize("curve", [U2NETP, TINYCUT], ids=["u2netp", "tinycut"])
def test_the_more_a_map_agrees_the_surer_it_is(curve: Curve) -> None:
    for points in curve:
        assert points[0] == 0 and points[-1] <= 1
        assert sorted(set(points)) == list(points)


def test_a_mask_agrees_with_itself() -> None:
    assert agreement((soft_disc(1) > 0.5).astype(np.float32)) == pytest.approx(1)


def test_haze_all_over_makes_a_map_unsure() -> None:
    assert confidence(np.maximum(soft_disc(1), 0.4), U2NETP) < confidence(soft_disc(1), U2NETP) - 0.2


@pytest.mark.parametrize("peak", [0.0, 0.003, 0.36, 0.49])
def test_a_map_that_is_nowhere_sure_is_not_stretched_into_a_subject(peak: float) -> None:
    raw = soft_disc(10) * np.float32(peak)
    assert confidence(preprocess.to_saliency(raw), U2NETP) == 0
    assert confidence(preprocess.to_saliency(soft_disc(10) * np.float32(0.9)), U2NETP) > 0.5
    assert confidence(preprocess.to_saliency(np.full((32, 32), np.nan, np.float32)), U2NETP) == 0
