"""At soft edges the subject keeps its own colour and loses that of what was behind."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from app.imaging import foreground, preprocess, refine
from tests.support import SHARED, need

RED, GREEN = (200, 40, 30), (30, 180, 60)


def restored(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    result = rgb.copy()
    foreground.restore_colors(result, alpha, preprocess.reduce_to(rgb, refine.GUIDE_PX))
    return result


def soft_disc(height: int = 400, width: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """A red disc with a soft rim on green: the photo and its true alpha."""
    rows, columns = np.indices((height, width))
    share = np.clip((120 - np.hypot(rows - height / 2, columns - width / 2)) / 12, 0, 1)
    rgb = share[:, :, None] * np.array(RED) + (1 - share[:, :, None]) * np.array(GREEN)
    return np.rint(rgb).astype(np.uint8), np.rint(share * 255).astype(np.uint8)


def test_a_red_disc_on_green_has_a_red_rim() -> None:
    rgb, alpha = soft_disc()
    rim = (alpha > 20) & (alpha < 235)
    before = np.abs(rgb[rim].astype(int) - RED).mean()
    after = np.abs(restored(rgb, alpha)[rim].astype(int) - RED).mean()
    assert before > 30
    assert after < 6


def test_what_is_wholly_subject_or_wholly_behind_is_not_touched() -> None:
    rgb, alpha = soft_disc()
    sure = (alpha == 0) | (alpha == 255)
    assert np.array_equal(restored(rgb, alpha)[sure], rgb[sure])


@pytest.mark.parametrize("value", [0, 255])
def test_without_soft_edges_nothing_changes(value: int) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
    assert np.array_equal(restored(rgb, np.full((50, 70), value, np.uint8)), rgb)


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (17, 5)])
def test_no_photo_is_too_small_or_too_long(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    rgb, alpha = rng.integers(0, 256, (*size, 3), np.uint8), rng.integers(0, 256, size, np.uint8)
    assert restored(rgb, alpha).shape == rgb.shape


def test_the_true_colours_of_a_lemurs_hair_are_nearer_than_those_of_the_photo() -> None:
    folder = need(SHARED / "data" / "matting-lemur")
    rgb = np.asarray(Image.open(folder / "lemur.png").convert("RGB"))
    alpha = np.asarray(Image.open(folder / "lemur_alpha.png").convert("L"))
    true = np.asarray(Image.open(folder / "lemur_foreground.png").convert("RGB")).astype(int)

    def error(found: np.ndarray) -> float:
        visible = np.abs(found - true).mean(axis=2) * alpha / 255
        return float(visible[(alpha > 0) & (alpha < 255)].mean())

    assert error(restored(rgb, alpha)) < 0.4 * error(rgb)


def test_the_matte_of_the_lemur_is_nearer_than_a_bicubic_one() -> None:
    folder = need(SHARED / "data" / "matting-lemur")
    rgb = np.asarray(Image.open(folder / "lemur.png").convert("RGB"))
    true = np.asarray(Image.open(folder / "lemur_alpha.png").convert("L")).astype(int)
    # The true alpha as the network would see it.
    saliency = cv2.resize(true.astype(np.float32) / 255, (384, 256), interpolation=cv2.INTER_AREA)
    saliency = cv2.GaussianBlur(saliency, (0, 0), 2)
    bicubic = cv2.resize(saliency, rgb.shape[1::-1], interpolation=cv2.INTER_CUBIC).clip(0, 1) * 255
    found = refine.lift_alpha(saliency, rgb, preprocess.reduce_to(rgb, refine.GUIDE_PX))
    assert np.abs(found - true).mean() < 0.8 * np.abs(bicubic - true).mean()
