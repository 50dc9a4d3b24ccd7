"""A second look at the subject: where it goes, and what comes of both maps."""

from __future__ import annotations

import numpy as np
import pytest

from app.imaging import closer_look
from app.imaging.box import Box


def disc(height: int, width: int, *, row: int, column: int, radius: int) -> np.ndarray:
    """A saliency map that is 1 on a disc and 0 elsewhere."""
    rows, columns = np.indices((height, width))
    inside: np.ndarray = np.hypot(rows - row, columns - column) <= radius
    return inside.astype(np.float32)


def test_the_box_holds_the_subject_and_a_tenth_around_it_in_the_photos_pixels() -> None:
    saliency = disc(100, 200, row=50, column=60, radius=20)
    box = closer_look.subject_box(saliency, 500, 1000, largest_share=0.5)
    assert box is not None
    assert (box.top, box.bottom) == (129, 376)
    assert (box.left, box.right) == (179, 426)


def test_the_box_ends_where_the_photo_ends() -> None:
    saliency = disc(100, 100, row=0, column=99, radius=30)
    box = closer_look.subject_box(saliency, 333, 777, largest_share=0.5)
    assert box is not None
    assert (box.top, box.right) == (0, 777)


@pytest.mark.parametrize("saliency", [np.zeros((64, 64), np.float32), np.full((64, 64), 0.4, np.float32)])
def test_where_nothing_is_found_there_is_nothing_to_look_at(saliency: np.ndarray) -> None:
    assert closer_look.subject_box(saliency, 640, 640, largest_share=1) is None


def test_a_subject_that_fills_the_photo_is_not_looked_at_again() -> None:
    saliency = disc(100, 100, row=50, column=50, radius=40)
    assert closer_look.subject_box(saliency, 300, 300, largest_share=0.6) is None
    assert closer_look.subject_box(saliency, 300, 300, largest_share=1) is not None


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (3, 2)])
def test_no_photo_is_too_small(size: tuple[int, int]) -> None:
    saliency = np.zeros((32, 32), np.float32)
    saliency[5, 5] = 1
    box = closer_look.subject_box(saliency, *size, largest_share=1)
    assert box is not None
    rows, columns = box.slices
    assert np.ones(size)[rows, columns].size >= 1
    joined = closer_look.join(saliency, np.ones((32, 64), np.float32), box, *size)
    assert joined.shape == size
    assert np.isfinite(joined).all()


def test_the_maps_are_averaged_and_the_closer_one_says_nothing_is_outside_its_box() -> None:
    saliency = np.full((32, 32), 0.6, np.float32)
    box = Box(top=10, left=20, bottom=30, right=50)
    joined = closer_look.join(saliency, np.ones((64, 96), np.float32), box, 40, 60)
    assert joined.shape == (40, 60)
    assert joined.dtype == np.float32
    assert joined[12:28, 22:48] == pytest.approx(0.8)
    assert joined[:9] == pytest.approx(0.3)


def test_bicubic_overshoot_stays_from_zero_to_one() -> None:
    saliency = disc(32, 32, row=16, column=16, radius=8)
    joined = closer_look.join(saliency, saliency, Box(0, 0, 320, 320), 320, 320)
    assert joined.min() == 0
    assert joined.max() == 1
