"""What the network is shown, and what its answer is made into."""

from __future__ import annotations

import numpy as np
import pytest

from app.imaging import preprocess


def test_a_large_photo_is_reduced_with_its_aspect_and_a_small_one_is_left_alone() -> None:
    large = np.zeros((3000, 1500, 3), np.uint8)
    small = np.zeros((30, 15, 3), np.uint8)
    assert preprocess.reduce_to(large, 1024).shape == (1024, 512, 3)
    assert preprocess.reduce_to(small, 1024) is small


def test_a_photo_of_one_pixel_width_keeps_that_pixel() -> None:
    assert preprocess.reduce_to(np.zeros((4000, 1, 3), np.uint8), 1024).shape == (1024, 1, 3)


def test_the_networks_input_is_normalised_as_u2net_was_trained() -> None:
    grey = np.full((10, 10, 3), 100, np.uint8)
    grey[0, 0] = 200
    planes = preprocess.to_network_input(grey, 10, 10)
    assert planes.shape == (1, 3, 10, 10)
    assert planes.dtype == np.float32
    expected = (100 / 200 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    assert np.allclose(planes[0, :, 5, 5], expected, atol=1e-5)


def test_a_black_photo_gives_finite_numbers() -> None:
    assert np.isfinite(preprocess.to_network_input(np.zeros((1, 1, 3), np.uint8), 320, 320)).all()


def test_a_map_is_stretched_to_zero_and_one() -> None:
    saliency = preprocess.to_saliency(np.array([[0.2, 0.4], [0.3, 0.6]], np.float32))
    assert saliency.min() == 0
    assert saliency.max() == pytest.approx(1)
    assert saliency.dtype == np.float32


@pytest.mark.parametrize("level", [0.0, 0.7, np.nan])
def test_a_flat_map_gives_no_division_by_zero(level: float) -> None:
    saliency = preprocess.to_saliency(np.full((4, 4), level, np.float32))
    assert np.isfinite(saliency).all()
    assert saliency.max() <= 1


@pytest.mark.parametrize(
    ("height", "width", "mode", "size"),
    [
        (600, 900, "static", (320, 320)),
        (600, 900, "dynamic", (256, 384)),
        (900, 600, "dynamic", (384, 256)),
        (720, 1280, "dynamic", (224, 416)),
        (1000, 1040, "hybrid", (320, 320)),
        (1000, 1400, "hybrid", (256, 384)),
    ],
)
def test_the_networks_size_follows_the_mode(height: int, width: int, mode: str, size: tuple[int, int]) -> None:
    assert preprocess.network_size(height, width, mode=mode, area_px=320 * 320) == size


@pytest.mark.parametrize("mode", preprocess.RESIZE_MODES)
@pytest.mark.parametrize("area_px", [32 * 32, 256 * 256, 320 * 320])
def test_every_shape_gets_multiples_of_32_of_about_the_area(mode: str, area_px: int) -> None:
    sides = (1, 31, 40, 333, 1000, 5000)
    for height in sides:
        for width in sides:
            rows, columns = preprocess.network_size(height, width, mode=mode, area_px=area_px)
            assert rows % 32 == columns % 32 == 0
            assert min(rows, columns) >= 32
            assert max(rows, columns) <= 4.6 * min(rows, columns)
            assert area_px / 1.5 <= rows * columns <= max(area_px * 1.25, 4 * 32 * 32)


def test_the_mean_of_two_looks_has_the_size_of_the_first_and_lies_as_both_do() -> None:
    first, other = np.zeros((64, 96), np.float32), np.zeros((32, 32), np.float32)
    first[:, :48] = 1
    other[:, :16] = 1
    mean = preprocess.mean_of_looks(first, other)
    assert mean.shape == first.shape and mean.dtype == np.float32
    assert mean[:, :40].min() == 1 and mean[:, 56:].max() == 0
    assert np.array_equal(preprocess.mean_of_looks(first, np.zeros_like(other)), first / 2)
