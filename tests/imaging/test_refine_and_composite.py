"""The alpha at the photo's size, and the picture that is made with it."""

from __future__ import annotations

import numpy as np
import pytest

from app.imaging import composite, refine


@pytest.mark.parametrize("size", [(1, 1), (4000, 1), (33, 7), (31, 31), (320, 320), (600, 900)])
def test_a_map_is_lifted_to_any_size(size: tuple[int, int]) -> None:
    alpha = refine.lift_alpha(np.ones((320, 320), np.float32), *size)
    assert alpha.shape == size
    assert alpha.dtype == np.uint8
    assert (alpha == 255).all()


def test_a_lifted_edge_is_soft_and_where_it_was() -> None:
    saliency = np.zeros((320, 320), np.float32)
    saliency[:, 160:] = 1
    row = refine.lift_alpha(saliency, 640, 1280)[320]
    assert (row[:630] == 0).all()
    assert (row[650:] == 255).all()
    assert ((row > 10) & (row < 245)).any()


def test_what_was_see_through_stays_see_through() -> None:
    alpha = np.array([[255, 128, 0]], np.uint8)
    source = np.array([[100, 128, 255]], np.uint8)
    assert refine.multiply_alpha(alpha, source).tolist() == [[100, 64, 0]]
    assert refine.multiply_alpha(alpha, None) is alpha


def test_hidden_colours_are_zeroed_and_all_others_kept() -> None:
    rgb = np.full((1, 3, 3), 200, np.uint8)
    rgba = composite.to_rgba(rgb, np.array([[0, 1, 255]], np.uint8))
    assert rgba.tolist() == [[[0, 0, 0, 0], [200, 200, 200, 1], [200, 200, 200, 255]]]


def test_a_colour_behind_is_mixed_by_alpha_to_the_nearest_level() -> None:
    rng = np.random.default_rng(1)
    rgb = rng.integers(0, 256, (150, 40, 3), np.uint8)
    alpha = rng.integers(0, 256, (150, 40), np.uint8)
    opacity = alpha[:, :, None] / 255
    exact = rgb * opacity + np.array([10, 200, 30]) * (1 - opacity)
    assert np.abs(composite.over_color(rgb, alpha, (10, 200, 30)) - exact).max() <= 0.5 + 1e-9


def test_a_picture_of_no_width_is_no_accident_for_the_compositor() -> None:
    assert composite.over_color(np.zeros((0, 5, 3), np.uint8), np.zeros((0, 5), np.uint8), (0, 0, 0)).shape == (0, 5, 3)
