"""A drop shadow falls where it is asked to, as soft and as dark as asked for."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from app.imaging.drawing import Placement
from app.imaging.shadow import Shadow, cast


def square(height: int, width: int) -> np.ndarray:
    """A solid subject on the middle quarter of a photo."""
    alpha = np.zeros((height, width), np.uint8)
    alpha[height * 3 // 8 : height * 5 // 8, width * 3 // 8 : width * 5 // 8] = 255
    return alpha


def shade_of(shadow: Shadow, alpha: np.ndarray, placement: Placement | None = None) -> np.ndarray:
    placement = placement or Placement.identity(*alpha.shape)
    height, width = placement.canvas_height, placement.canvas_width
    return cast(shadow, alpha, placement).rows(slice(0, height), height, width)


def centre_of(plane: np.ndarray) -> tuple[float, float]:
    rows, columns = np.indices(plane.shape)
    weight = plane.sum(dtype=float)
    return float((rows * plane).sum() / weight), float((columns * plane).sum() / weight)


@pytest.mark.parametrize(("height", "width"), [(300, 400), (1024, 1024), (1500, 2000)])
@pytest.mark.parametrize("offset", [(0, 0), (0, 16), (100, -50), (-120, 120)])
def test_it_falls_as_far_right_and_down_as_the_offset_says(height: int, width: int, offset: tuple[int, int]) -> None:
    alpha, unit = square(height, width), max(height, width) / 1024
    down, across = centre_of(shade_of(Shadow(offset, blur_px=10, opacity=1), alpha))
    own_down, own_across = centre_of(alpha)
    assert across - own_across == pytest.approx(offset[0] * unit, abs=0.3 * max(1, unit))
    assert down - own_down == pytest.approx(offset[1] * unit, abs=0.3 * max(1, unit))


@pytest.mark.parametrize("opacity", [0.1, 0.4, 1.0])
def test_it_is_as_dark_as_asked_for_in_its_middle_and_nothing_far_from_the_subject(opacity: float) -> None:
    shade = shade_of(Shadow((0, 0), blur_px=24, opacity=opacity), square(1024, 1024))
    assert abs(int(shade[512, 512]) - 255 * opacity) <= 1
    outside = np.ones(shade.shape, bool)
    outside[384 - 60 : 640 + 60, 384 - 60 : 640 + 60] = False  # five standard deviations
    assert shade[outside].max() == 0


def test_without_opacity_there_is_none() -> None:
    assert shade_of(Shadow(opacity=0), square(200, 200)).max() == 0


@pytest.mark.parametrize("blur_px", [12, 24, 100])
def test_its_softness_is_that_of_a_gaussian_of_half_the_radius_as_in_css(blur_px: float) -> None:
    alpha = square(1024, 1024)
    expected = cv2.GaussianBlur(alpha.astype(np.float32), (0, 0), blur_px / 2)
    shade = shade_of(Shadow((0, 0), blur_px=blur_px, opacity=1), alpha)
    assert np.abs(shade - expected).max() <= 4


def test_without_blur_it_is_the_shape_of_the_subject() -> None:
    alpha = square(400, 400)
    assert np.array_equal(shade_of(Shadow((0, 0), blur_px=0, opacity=1), alpha), alpha)


@pytest.mark.parametrize(
    "placement",
    [
        Placement(500, 400, -40, 30, 500, 400),
        Placement(1600, 1200, 300, 100, 900, 720),
        Placement(400, 400, -800, -620, 2000, 1600),
        Placement(1500, 300, 800, -50, 500, 400),
    ],
)
def test_it_falls_from_where_the_subject_was_put_however_large(placement: Placement) -> None:
    photo = square(800, 1000)
    height, width, pad = placement.canvas_height, placement.canvas_width, 900
    beyond = np.zeros((height + 2 * pad, width + 2 * pad), np.uint8)  # what lies outside of the canvas casts one too
    drawn = cv2.resize(photo, (placement.width, placement.height), interpolation=cv2.INTER_AREA)
    top, left = pad + placement.top, pad + placement.left
    beyond[top : top + placement.height, left : left + placement.width] = drawn
    unit = max(height, width) / 1024
    down, across = round(20 * unit), round(-10 * unit)
    moved = np.roll(beyond, (down, across), (0, 1)).astype(np.float32)
    expected = cv2.GaussianBlur(moved, (0, 0), 20 * unit)[pad : pad + height, pad : pad + width]
    shadow = Shadow((across / unit, down / unit), blur_px=40, opacity=1)
    shade = shade_of(shadow, photo, placement)
    rim = int(50 * unit)  # next to the border the subject is taken to go on outside as it is there
    inner = (slice(rim, height - rim), slice(rim, width - rim))
    assert np.abs(shade[inner] - expected[inner]).max() <= 4


@pytest.mark.parametrize("placement", [Placement(100, 100, 900, 0, 200, 200), Placement(100, 100, 0, -2000, 200, 200)])
def test_a_subject_far_outside_of_the_canvas_casts_none(placement: Placement) -> None:
    assert shade_of(Shadow(), square(200, 200), placement).max() == 0


def test_a_subject_that_goes_on_below_the_photo_has_a_shadow_that_does_not_fade_there() -> None:
    alpha = np.zeros((600, 600), np.uint8)
    alpha[200:, 200:400] = 255
    shade = shade_of(Shadow((0, 16), blur_px=40, opacity=1), alpha)
    assert shade[-1, 300] >= 254


def test_strips_of_it_are_the_whole() -> None:
    shadow = cast(Shadow(), square(1500, 1100), Placement.identity(1500, 1100))
    whole = shadow.rows(slice(0, 1500), 1500, 1100).astype(int)
    parts = [shadow.rows(slice(top, top + 60), 1500, 1100) for top in range(0, 1500, 60)]
    assert np.abs(np.concatenate(parts) - whole).max() <= 1


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 700), (700, 1), (3, 5)])
def test_the_smallest_and_narrowest_photos_cast_one(height: int, width: int) -> None:
    shade = shade_of(Shadow((0, 0)), np.full((height, width), 255, np.uint8))
    assert shade.shape == (height, width)
    assert np.abs(shade.astype(int) - 102).max() <= 1
