"""What stands behind the subject fills the canvas."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.imaging import backdrop
from app.imaging.backdrop import Picture, Plain, fitted
from tests.properties import bounded

BAR = (7, 90, 210)
SIDES = st.integers(1, 70)


def pixels(height: int, width: int) -> np.ndarray:
    """Colours that are never those of a bar."""
    return np.random.default_rng(height * width).integers(100, 256, (height, width, 3), np.uint8)


def painted(behind: backdrop.Backdrop, height: int, width: int) -> np.ndarray:
    return behind.rows(slice(0, height), height, width)


def test_a_colour_is_that_colour() -> None:
    assert Plain((1, 2, 3)).rows(slice(0, 5), 9, 9).tolist() == [1, 2, 3]


@bounded
@given(SIDES, SIDES, SIDES, SIDES)
def test_a_tile_is_repeated_at_its_own_size_from_the_corner(height: int, width: int, rows: int, columns: int) -> None:
    tile = pixels(height, width)
    expected = np.tile(tile, (rows // height + 1, columns // width + 1, 1))[:rows, :columns]
    assert np.array_equal(painted(Picture(tile, "tile"), rows, columns), expected)


@bounded
@given(SIDES, SIDES, SIDES, SIDES)
def test_covered_no_bar_is_left_at_any_size_and_no_more_is_cut_than_must_be(
    height: int, width: int, rows: int, columns: int
) -> None:
    placement = fitted((height, width), rows, columns, "cover")
    assert placement.left <= 0
    assert placement.top <= 0
    assert placement.left + placement.width >= columns
    assert placement.top + placement.height >= rows
    assert placement.width == columns or placement.height == rows
    plain = np.full((height, width, 3), 200, np.uint8)
    assert (painted(Picture(plain, "cover", BAR), rows, columns) == 200).all()


@bounded
@given(SIDES, SIDES, SIDES, SIDES)
def test_contained_all_of_it_is_seen_in_the_middle_between_bars_of_the_colour(
    height: int, width: int, rows: int, columns: int
) -> None:
    placement = fitted((height, width), rows, columns, "contain")
    assert placement.width == columns or placement.height == rows
    picture = painted(Picture(np.full((height, width, 3), 200, np.uint8), "contain", BAR), rows, columns)
    is_bar = (picture == BAR).all(axis=2)
    inside = np.zeros((rows, columns), bool)
    inside[placement.top : placement.top + placement.height, placement.left : placement.left + placement.width] = True
    assert np.array_equal(~is_bar, inside)
    assert (picture[inside] == 200).all()
    assert abs(2 * placement.left + placement.width - columns) <= 1
    assert abs(2 * placement.top + placement.height - rows) <= 1


@pytest.mark.parametrize("fit", backdrop.FITS)
def test_a_picture_of_the_canvas_size_is_its_own_pixels_in_every_fit(fit: str) -> None:
    own = pixels(33, 44)
    assert np.array_equal(painted(Picture(own, fit, BAR), 33, 44), own)


def test_a_picture_of_the_same_height_is_cut_in_the_middle_and_not_resized() -> None:
    own = pixels(40, 100)
    assert np.array_equal(painted(Picture(own), 40, 60), own[:, 20:80])


@pytest.mark.parametrize("fit", backdrop.FITS)
def test_strips_of_a_picture_are_the_whole(fit: str) -> None:
    behind = Picture(pixels(90, 70), fit, BAR)
    whole = painted(behind, 300, 200).astype(int)
    parts = [behind.rows(slice(top, top + 20), 300, 200) for top in range(0, 300, 20)]
    assert np.abs(np.concatenate(parts) - whole).max() <= 1


RED, GREEN = (230, 20, 10), (20, 150, 40)


def red_on_green(height: int, width: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    """A red disc, its radius a share of the shorter side, with a soft edge, on green."""
    rows, columns = np.indices((height, width))
    distance = np.hypot(rows - height / 2, columns - width / 2)
    alpha = ((share * min(height, width) - distance) / 2 + 0.5).clip(0, 1)
    rgb = np.array(RED) * alpha[:, :, None] + np.array(GREEN) * (1 - alpha[:, :, None])
    return rgb.round().astype(np.uint8), (alpha * 255).round().astype(np.uint8)


@pytest.mark.parametrize("radius_px", [4, 24, 100])
@pytest.mark.parametrize("share", [0.1, 0.3, 0.45, 0.5, 0.6])
@pytest.mark.parametrize(("height", "width"), [(512, 512), (341, 512), (512, 200)])
def test_the_blurred_photo_shows_nothing_of_the_subject_s_colour(
    height: int, width: int, share: float, radius_px: float
) -> None:
    rgb, alpha = red_on_green(height, width, share)
    behind = backdrop.blurred(rgb, alpha, radius_px).pixels
    assert behind.shape == rgb.shape
    assert np.abs(behind.astype(int) - GREEN).max() <= 2  # nor where it stood: it may be put elsewhere


def test_behind_the_subject_each_side_keeps_its_own_background() -> None:
    rgb, alpha = red_on_green(400, 512, 0.2)
    left_half = np.zeros(alpha.shape, bool)
    left_half[:, :256] = True
    rgb[left_half & (alpha == 0)] = (200, 200, 255)
    behind = backdrop.blurred(rgb, alpha, 20).pixels.astype(int)
    assert np.abs(behind[:, 10] - (200, 200, 255)).max() <= 6
    assert np.abs(behind[:, -10] - GREEN).max() <= 6


@pytest.mark.parametrize("radius_px", [4, 40, 100])
def test_a_line_is_out_of_focus_by_a_gaussian_of_half_the_radius(radius_px: float) -> None:
    rgb = np.full((256, 256, 3), 50, np.uint8)
    rgb[:, 128:] = 200
    behind = backdrop.blurred(rgb, np.zeros((256, 256), np.uint8), radius_px).pixels[128, :, 0].astype(float)
    slope = np.diff(behind)
    assert (slope >= 0).all()
    expected = cv2.GaussianBlur(rgb, (0, 0), radius_px / 2 * 256 / 1024)[128, :, 0]
    assert np.abs(behind - expected).max() <= 4


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 512), (512, 1), (5, 3)])
@pytest.mark.parametrize("level", [0, 255])
def test_the_smallest_photos_and_those_all_subject_have_some_background(height: int, width: int, level: int) -> None:
    alpha = np.full((height, width), level, np.uint8)
    behind = backdrop.blurred(np.full((height, width, 3), 99, np.uint8), alpha, 20)
    assert np.abs(painted(behind, 20, 30).astype(int) - 99).max() <= 2
