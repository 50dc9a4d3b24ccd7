"""A photo on its canvas: its own pixels where nothing is resized, resampled once where it is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app.imaging import resample
from app.imaging.drawing import Placement, draw, draw_all, draw_plane
from app.imaging.strips import strips
from tests.properties import bounded

RED, GREEN = (255, 0, 0), (0, 255, 0)


def a_photo(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(height * width)
    return rng.integers(0, 256, (height, width, 3), np.uint8), rng.integers(0, 256, (height, width), np.uint8)


def drawn(rgb: np.ndarray, alpha: np.ndarray, placement: Placement) -> tuple[np.ndarray, np.ndarray]:
    """The whole canvas, strip by strip."""
    pieces = [draw(rgb, alpha, placement, rows) for rows in strips(placement.canvas_height, placement.canvas_width)]
    colors, opacities = zip(*pieces, strict=True)
    return np.concatenate(colors), np.concatenate(opacities)


def test_a_photo_as_it_is_is_its_own_pixels() -> None:
    rgb, alpha = a_photo(70, 90)
    colors, opacity = drawn(rgb, alpha, Placement.identity(70, 90))
    assert np.array_equal(colors, rgb)
    assert np.array_equal(opacity, alpha)


def test_a_crop_is_exactly_that_part_of_the_photo() -> None:
    rgb, alpha = a_photo(70, 90)
    colors, opacity = drawn(rgb, alpha, Placement(30, 40, -25, -11, 90, 70))
    assert np.array_equal(colors, rgb[11:51, 25:55])
    assert np.array_equal(opacity, alpha[11:51, 25:55])


@bounded
@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.tuples(st.integers(-60, 60), st.integers(-60, 60)),
)
def test_moved_anywhere_it_is_its_own_pixels_and_nothing_around(
    size: tuple[int, int], canvas: tuple[int, int], corner: tuple[int, int]
) -> None:
    rgb, alpha = a_photo(*size)
    expected = np.zeros((200, 200, 4), np.uint8)
    top, left = corner[0] + 80, corner[1] + 80
    expected[top : top + size[0], left : left + size[1]] = np.dstack([rgb, alpha])
    expected = expected[80 : 80 + canvas[0], 80 : 80 + canvas[1]]
    colors, opacity = drawn(rgb, alpha, Placement(canvas[1], canvas[0], corner[1], corner[0], size[1], size[0]))
    assert np.array_equal(np.dstack([colors, opacity]), expected)


@pytest.mark.parametrize("new_size", [(150, 100), (450, 300), (97, 65)])
def test_resized_it_is_what_pillow_makes_of_its_colours_and_alpha_at_once(new_size: tuple[int, int]) -> None:
    rgb, alpha = a_photo(200, 300)
    colors, opacity = drawn(rgb, alpha, Placement(*new_size, 0, 0, *new_size))
    whole = Image.fromarray(np.dstack([rgb, alpha])).resize(new_size, resample.FILTER)
    expected = np.asarray(whole, float)
    seen = [
        pixels[:, :, :3] * (pixels[:, :, 3:] / 255) for pixels in (expected, np.dstack([colors, opacity]).astype(float))
    ]
    assert np.abs(opacity - expected[:, :, 3]).max() <= 1
    assert np.abs(seen[0] - seen[1]).max() <= 2


def test_a_resized_photo_that_lies_partly_outside_is_cut_there() -> None:
    rgb, alpha = a_photo(200, 300)
    whole = drawn(rgb, alpha, Placement(150, 100, 0, 0, 150, 100))[1].astype(int)
    part = drawn(rgb, alpha, Placement(120, 90, -70, 30, 150, 100))[1].astype(int)
    assert np.abs(part[30:, :80] - whole[:60, 70:]).max() <= 1
    assert part[:30].max() == 0
    assert part[:, 80:].max() == 0


@pytest.mark.parametrize(
    "placement", [Placement(20, 20, 20, 0, 20, 20), Placement(20, 20, -40, 3, 40, 40), Placement(20, 20, 0, 25, 9, 9)]
)
def test_a_photo_that_is_elsewhere_leaves_the_canvas_empty(placement: Placement) -> None:
    colors, opacity = drawn(*a_photo(20, 20), placement)
    assert (colors.shape, opacity.shape) == ((20, 20, 3), (20, 20))
    assert opacity.max() == 0


@pytest.mark.parametrize("new_side", [33, 50, 77, 260])
def test_what_was_cut_away_lends_the_edge_of_the_subject_none_of_its_colour(new_side: int) -> None:
    alpha = np.zeros((100, 100), np.uint8)
    alpha[23:61, 31:77] = 255
    rgb = np.where(alpha[:, :, None] > 0, np.uint8(RED), np.uint8(GREEN))
    colors, opacity = drawn(rgb, alpha, Placement(new_side, new_side, 0, 0, new_side, new_side))
    visible = colors[opacity > 0]
    assert len(visible)
    assert visible[:, 1].max() == 0
    assert visible[:, 0].min() == 255


def test_a_plane_alone_has_the_colour_that_is_asked_for_around() -> None:
    rgb, alpha = a_photo(10, 10)
    around = draw_plane(rgb, Placement(30, 20, 10, 5, 10, 10), slice(0, 20), outside=(1, 2, 3))
    assert np.array_equal(around[5:15, 10:20], rgb)
    around[5:15, 10:20] = (1, 2, 3)
    assert (around == (1, 2, 3)).all()
    assert draw_plane(alpha, Placement(30, 20, 10, 5, 10, 10), slice(0, 3), outside=9).tolist() == [[9] * 30] * 3


def test_the_whole_canvas_at_once_is_its_strips_and_never_the_photo_itself() -> None:
    rgb, alpha = a_photo(700, 900)
    placement = Placement(500, 400, -3, 17, 333, 259)
    at_once = draw_plane(alpha, placement, slice(0, 400)).astype(int)
    assert np.abs(draw_all(alpha, placement) - at_once).max() <= 1
    copied = draw_all(rgb, Placement.identity(700, 900))
    assert np.array_equal(copied, rgb)
    assert not np.shares_memory(copied, rgb)  # an encoder uses it up
