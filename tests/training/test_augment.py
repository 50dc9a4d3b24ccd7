"""What augmentation does to a photo and its target."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from training import augment
from training.augment import Example

SEEDS = range(40)


def red_disc() -> Example:
    """A red disc on green; the target is the disc."""
    target = np.zeros((120, 160), np.uint8)
    cv2.circle(target, (80, 60), 35, 255, -1)
    rgb = np.where(target[..., None] > 0, (220, 30, 30), (30, 160, 30)).astype(np.uint8)
    return Example(rgb, target, 0.9)


def redness(example: Example) -> np.ndarray:
    """Where the photo is more red than green, bool [H, W]."""
    rgb = example.rgb.astype(int)
    return np.asarray(rgb[..., 0] > rgb[..., 1])


def test_the_same_dice_make_the_same_photo() -> None:
    first, second = (augment.vary(red_disc(), 96, 128, np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(first.rgb, second.rgb) and np.array_equal(first.target, second.target)


@pytest.mark.parametrize("way", ["vary", "compose"])
def test_the_target_stays_on_the_subject_whatever_happens_to_the_photo(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(augment, "GREY", 0.0)  # grey photos have no red
    for seed in SEEDS:
        dice = np.random.default_rng(seed)
        if way == "vary":
            made = augment.vary(red_disc(), 96, 128, dice)
        else:
            made = augment.compose(red_disc(), Example(np.full((90, 90, 3), (40, 90, 40), np.uint8),
                                                       np.zeros((90, 90), np.uint8), 1.0), 96, 128, dice)  # fmt: skip
        assert made.rgb.shape == (96, 128, 3) and made.target.shape == (96, 128)
        found, true = redness(made), made.target > 127
        assert (found & true).sum() / (found | true).sum() > 0.8, seed


def test_a_crop_keeps_half_of_the_subject() -> None:
    """Of a disc in a corner as well, for which a blind crop would often miss it."""
    rgb, target = np.zeros((100, 100, 3), np.uint8), np.zeros((100, 100), np.uint8)
    target[5:25, 5:25] = 255
    kept = [augment.vary(Example(rgb, target, 1.0), 96, 96, np.random.default_rng(seed)).target for seed in SEEDS]
    assert sum(bool((moved > 127).any()) for moved in kept) >= len(SEEDS) - 2


def test_what_is_put_elsewhere_leaves_the_background_without_a_target() -> None:
    back = red_disc()
    made = augment.compose(red_disc(), back, 96, 128, np.random.default_rng(3))
    border = np.concatenate([made.target[0], made.target[-1]])
    assert made.weight == 0.9
    assert (made.target > 127).mean() < 0.6 and border.mean() < 128


def test_the_whole_photo_at_the_networks_size_is_only_resized() -> None:
    made = augment.fit(red_disc(), 64, 96)
    assert made.rgb.shape == (64, 96, 3)
    assert abs(float(made.target.mean()) - float(red_disc().target.mean())) < 2
