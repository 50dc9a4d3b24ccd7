"""The alpha at the photo's size, and the picture that is made with it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from app.imaging import composite, preprocess, refine


def photo_of(mask: np.ndarray, subject: tuple[int, int, int], behind: tuple[int, int, int]) -> np.ndarray:
    """A photo uint8 [H, W, 3] of a subject where the mask says so, with a little noise."""
    rgb = np.where(mask[:, :, None], np.array(subject, np.uint8), np.array(behind, np.uint8))
    noise = np.random.default_rng(0).integers(0, 6, rgb.shape, np.uint8)
    lifted: np.ndarray = (rgb + noise).astype(np.uint8)
    return lifted


def lift(saliency: np.ndarray, rgb: np.ndarray) -> np.ndarray:
    return refine.lift_alpha(saliency, rgb, preprocess.reduce_to(rgb, refine.GUIDE_PX))


@pytest.mark.parametrize("size", [(1, 1), (4000, 1), (33, 7), (31, 31), (320, 320), (600, 900), (1200, 1700)])
def test_a_map_is_lifted_to_any_size(size: tuple[int, int]) -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    alpha = lift(np.ones((320, 320), np.float32), rgb)
    assert alpha.shape == size
    assert alpha.dtype == np.uint8
    assert (alpha == 255).all()


def test_an_edge_of_the_map_moves_to_the_edge_of_the_photo() -> None:
    mask = np.zeros((960, 1280), bool)
    mask[:, 637:] = True
    saliency = np.zeros((240, 320), np.float32)
    saliency[:, 159:161] = 0.5
    saliency[:, 161:] = 1
    row = lift(saliency, photo_of(mask, (200, 60, 40), (40, 90, 160)))[480]
    assert (row[:605] <= 2).all()
    assert (row[670:] >= 253).all()
    assert row[634] < 60
    assert row[640] > 180


def test_a_thin_thing_that_the_map_only_guesses_is_found_by_its_colour() -> None:
    mask = np.zeros((600, 800), bool)
    mask[:, 398:402] = True
    saliency = cv2.resize(mask.astype(np.float32), (200, 150), interpolation=cv2.INTER_AREA)
    saliency = cv2.GaussianBlur(saliency, (0, 0), 1)
    alpha = lift(saliency / saliency.max(), photo_of(mask, (20, 20, 20), (200, 210, 220)))
    assert alpha[:, 399:401].mean() > alpha[:, 392:395].mean() + 60


def test_strips_and_columns_leave_no_seam() -> None:
    rows, columns = np.indices((200, 300))
    saliency = np.clip((60 - np.hypot(rows - 100, columns - 150)) / 20, 0, 1).astype(np.float32)
    rgb = np.full((1000, 1500, 3), 128, np.uint8)
    alpha = lift(saliency, rgb).astype(np.int16)
    assert np.abs(np.diff(alpha, axis=0)).max() <= 12
    assert np.abs(np.diff(alpha, axis=1)).max() <= 12


def test_enlarging_a_part_gives_what_enlarging_all_gives() -> None:
    small = np.random.default_rng(2).random((37, 51, 4), np.float32)
    whole = cv2.resize(small, (510, 333), interpolation=cv2.INTER_LINEAR)
    part = (slice(64, 128), slice(100, 400))
    assert np.abs(refine.enlarge(small, part, 333, 510) - whole[part]).max() < 1e-4


def test_what_was_see_through_stays_see_through() -> None:
    alpha = np.array([[255, 128, 0]], np.uint8)
    source = np.array([[100, 128, 255]], np.uint8)
    assert refine.multiply_alpha(alpha, source).tolist() == [[100, 64, 0]]
    assert refine.multiply_alpha(alpha, None) is alpha


def test_hidden_colours_are_zeroed_and_all_others_kept() -> None:
    rgb = np.full((1, 3, 3), 200, np.uint8)
    alpha = np.array([[0, 1, 255]], np.uint8)
    rgba = composite.compose(lambda rows: (rgb[rows], alpha[rows]), 1, 3)
    assert rgba.tolist() == [[[0, 0, 0, 0], [200, 200, 200, 1], [200, 200, 200, 255]]]


def test_a_colour_behind_is_mixed_by_alpha_to_the_nearest_level() -> None:
    rng = np.random.default_rng(1)
    rgb = rng.integers(0, 256, (150, 40, 3), np.uint8)
    alpha = rng.integers(0, 256, (150, 40), np.uint8)
    opacity = alpha[:, :, None] / 255
    exact = rgb * opacity + np.array([10, 200, 30]) * (1 - opacity)
    assert np.abs(composite.over(rgb, alpha, np.array([10, 200, 30])) - exact).max() <= 0.5 + 1e-9


def test_a_picture_of_no_width_is_no_accident_for_the_compositor() -> None:
    assert composite.over(np.zeros((0, 5, 3), np.uint8), np.zeros((0, 5), np.uint8), np.zeros(3)).shape == (0, 5, 3)
