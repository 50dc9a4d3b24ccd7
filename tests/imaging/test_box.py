"""Rectangles of a photo, and the smallest one around something."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.imaging.box import Box, bounding_box
from tests.properties import bounded


def test_a_box_knows_its_sides_and_cuts_out_just_its_pixels() -> None:
    box = Box(2, 3, 7, 11)
    assert (box.height, box.width, box.area_px) == (5, 8, 40)
    pixels = np.arange(20 * 20).reshape(20, 20)
    assert np.array_equal(pixels[box.slices], pixels[2:7, 3:11])


def test_a_moved_box_has_the_same_size_elsewhere() -> None:
    assert Box(2, 3, 7, 11).moved(10, -3) == Box(12, 0, 17, 8)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_where_nothing_is_above_the_threshold_there_is_no_box(dtype: type[np.generic]) -> None:
    assert bounding_box(np.full((9, 5), 10, dtype), above=10) is None
    assert bounding_box(np.full((9, 5), 10, dtype), above=9) == Box(0, 0, 9, 5)


@bounded
@given(st.integers(1, 40), st.integers(1, 40), st.data())
def test_the_box_holds_all_that_is_there_and_each_of_its_sides_touches_something(
    height: int, width: int, data: st.DataObject
) -> None:
    points = data.draw(st.lists(st.tuples(st.integers(0, height - 1), st.integers(0, width - 1)), min_size=1))
    plane = np.zeros((height, width), np.uint8)
    for row, column in points:
        plane[row, column] = 11
    box = bounding_box(plane, above=10)
    assert box is not None
    inside = plane[box.slices]
    assert inside.sum() == plane.sum()
    assert all(side.any() for side in (inside[0], inside[-1], inside[:, 0], inside[:, -1]))
