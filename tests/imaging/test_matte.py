"""What a person may do to the matte: grow it, keep one part, fill holes, make it hard or soft."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.imaging import matte, preprocess, refine
from app.imaging.matte import SCALE_PX, MatteControls
from tests.properties import bounded


def disc(side: int, radius: float, *, at: tuple[float, float] = (0.5, 0.5)) -> np.ndarray:
    """A map float32 of a disc with a soft edge; radius and centre are shares of its side."""
    rows, columns = np.indices((side, side)) + 0.5
    distance = np.hypot(rows - at[0] * side, columns - at[1] * side)
    return np.clip(radius * side - distance + 0.5, 0, 1).astype(np.float32)


def radius_of(opacity: np.ndarray) -> float:
    """The radius of a disc of so much opacity, in 1024ths of the side."""
    return float(np.sqrt(opacity.sum(dtype=float) / np.pi) * SCALE_PX / max(opacity.shape))


def parts_of(shape: np.ndarray, above: float) -> int:
    return cv2.connectedComponents((shape > above).astype(np.uint8))[0] - 1


def lift(shape: np.ndarray, rgb: np.ndarray) -> np.ndarray:
    return refine.lift_alpha(shape, rgb, preprocess.reduce_to(rgb, refine.GUIDE_PX))


@pytest.mark.parametrize("dilation_px", [-30, -9, -1, 1, 4, 30])
@pytest.mark.parametrize("size", [(512, 512), (1024, 1024), (3000, 3000)])
def test_a_disc_grows_by_what_is_asked_for(size: tuple[int, int], dilation_px: float) -> None:
    shape = matte.reshape(disc(320, 0.25), MatteControls(dilation_px=dilation_px), *size)
    assert radius_of(shape) == pytest.approx(256 + dilation_px, abs=1.5)


@pytest.mark.parametrize("dilation_px", [-20, 8, 20])
@pytest.mark.parametrize("side", [512, 1024, 3000])
def test_the_grown_edge_holds_in_the_photo_though_the_photo_has_its_own(side: int, dilation_px: float) -> None:
    inside = disc(side, 0.25)[:, :, None] > 0.5
    rgb = np.where(inside, np.array((200, 60, 40), np.uint8), np.array((40, 90, 160), np.uint8))
    shape = matte.reshape(disc(320, 0.25), MatteControls(dilation_px=dilation_px), side, side)
    alpha = lift(shape, rgb)
    assert radius_of(alpha / np.float32(255)) == pytest.approx(256 + dilation_px, abs=1.5)
    middle_row = alpha[side // 2] > 127
    assert middle_row.sum() / 2 * SCALE_PX / side == pytest.approx(256 + dilation_px, abs=1.5)


@pytest.mark.parametrize(("height", "width"), [(600, 1024), (1024, 300), (2000, 1500)])
def test_a_disc_stays_round_in_photos_that_are_not_square(height: int, width: int) -> None:
    rows, columns = np.indices((height, width)) + 0.5
    inside = np.hypot(rows - height / 2, columns - width / 2) < 100 * max(height, width) / SCALE_PX
    saliency = cv2.resize(inside.astype(np.float32), (320, 320), interpolation=cv2.INTER_AREA)
    shape = matte.reshape(saliency, MatteControls(dilation_px=20), height, width)
    assert max(shape.shape) == SCALE_PX
    solid = shape > 0.5
    assert np.ptp(np.flatnonzero(solid.any(axis=0))) + 1 == pytest.approx(240, abs=4)
    assert np.ptp(np.flatnonzero(solid.any(axis=1))) + 1 == pytest.approx(240, abs=4)


def test_a_subject_that_goes_on_outside_of_the_photo_is_not_eaten_from_the_border() -> None:
    saliency = np.zeros((320, 320), np.float32)
    saliency[100:] = 1
    shape = matte.reshape(saliency, MatteControls(dilation_px=-20), 1024, 1024)
    assert (shape[-1] == 1).all()
    assert (shape[400:, [0, -1]] == 1).all()
    assert (shape[330] == 0).all()


def test_without_controls_the_map_is_the_same() -> None:
    saliency = disc(64, 0.3)
    assert matte.reshape(saliency, MatteControls(threshold=9, feather_px=4), 900, 900) is saliency


def test_the_map_that_was_given_is_left_as_it_was() -> None:
    saliency = disc(64, 0.3)
    before = saliency.copy()
    matte.reshape(saliency, MatteControls(dilation_px=9, keep_largest=True, fill_holes=True), 900, 900)
    assert np.array_equal(saliency, before)


def test_of_several_parts_only_the_largest_stays_with_its_soft_edge() -> None:
    large, small = disc(320, 0.2, at=(0.3, 0.3)), disc(320, 0.1, at=(0.75, 0.8))
    alone = matte.reshape(large, MatteControls(keep_largest=True), 1024, 1024)
    shape = matte.reshape(np.maximum(large, small), MatteControls(keep_largest=True), 1024, 1024)
    assert parts_of(shape, 0) == 1
    assert np.array_equal(shape, np.where(alone > 0.04, alone, 0))
    assert ((shape > 0.05) & (shape < 0.95)).sum() > 500  # its edge


def test_the_largest_part_is_that_with_the_most_opacity_and_not_a_wide_haze() -> None:
    saliency = np.zeros((200, 200), np.float32)
    saliency[:, :60] = 0.08
    saliency[80:120, 150:190] = 1
    shape = matte.reshape(saliency, MatteControls(keep_largest=True), 1000, 1000)
    assert shape[100 * 1024 // 200, 170 * 1024 // 200] == 1
    assert (shape[:, :300] == 0).all()


@pytest.mark.parametrize("saliency", [np.zeros((90, 90), np.float32), np.ones((90, 90), np.float32), disc(90, 0.3)])
def test_one_part_or_none_is_what_it_was(saliency: np.ndarray) -> None:
    shape = matte.reshape(saliency, MatteControls(keep_largest=True, fill_holes=True), 90, 90)
    assert np.abs(shape - cv2.resize(saliency, (1024, 1024), interpolation=cv2.INTER_CUBIC).clip(0, 1)).max() < 1e-6


@pytest.mark.parametrize("sigma", [0.3, 2, 4])
def test_of_a_filled_hole_no_rim_is_seen_however_soft_it_was(sigma: float) -> None:
    saliency = disc(320, 0.4)
    saliency[120:160, 100:140] = 0
    saliency = cv2.GaussianBlur(saliency, (0, 0), sigma)
    shape = matte.reshape(saliency, MatteControls(fill_holes=True), 1024, 1024)
    alpha = lift(shape, np.full((1024, 1024, 3), 128, np.uint8))
    assert (alpha[disc(1024, 0.3) == 1] >= 252).all()


def test_the_edge_around_a_filled_hole_stays_as_soft_as_it_was_though_the_wall_between_them_is_thin() -> None:
    whole = cv2.GaussianBlur(disc(320, 0.4), (0, 0), 2)
    pierced = whole * (1 - cv2.GaussianBlur(disc(320, 0.35), (0, 0), 2))
    filled = matte.reshape(pierced, MatteControls(fill_holes=True), 1024, 1024)
    expected = cv2.resize(whole, (1024, 1024), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    assert radius_of(filled) == pytest.approx(radius_of(expected), abs=1.5)
    assert ((filled > 0.05) & (filled < 0.5)).sum() == pytest.approx(
        ((expected > 0.05) & (expected < 0.5)).sum(), rel=0.1
    )


def test_an_enclosed_hole_is_filled_and_a_bay_stays_open() -> None:
    saliency = disc(320, 0.4)
    hole, bay = (slice(120, 160), slice(100, 140)), (slice(180, 200), slice(160, 320))
    saliency[hole] = 0
    saliency[bay] = 0
    shape = matte.reshape(saliency, MatteControls(fill_holes=True), 1024, 1024)
    around_hole = (slice(110 * 1024 // 320, 170 * 1024 // 320), slice(90 * 1024 // 320, 150 * 1024 // 320))
    assert (shape[around_hole] == 1).all()
    assert (shape[190 * 1024 // 320, 170 * 1024 // 320 :] == 0).all()
    unfilled = cv2.resize(saliency, (1024, 1024), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    outside_hole = np.ones(shape.shape, bool)
    outside_hole[around_hole] = False
    assert np.array_equal(shape[outside_hole], unfilled[outside_hole])


def test_a_hole_at_the_border_of_the_photo_is_none() -> None:
    saliency = np.ones((100, 100), np.float32)
    saliency[40:60, :20] = 0
    shape = matte.reshape(saliency, MatteControls(fill_holes=True), 1000, 1000)
    assert (shape[450:570, :150] == 0).all()


def test_a_filled_hole_is_filled_in_the_photo_though_another_colour_shows_in_it() -> None:
    ring = disc(320, 0.4) * (1 - disc(320, 0.15))
    rgb = np.where(disc(1000, 0.15)[:, :, None] > 0.5, np.uint8(230), np.uint8(40)).repeat(3, 2)
    alpha = lift(matte.reshape(ring, MatteControls(fill_holes=True), 1000, 1000), rgb)
    assert (alpha[disc(1000, 0.3) == 1] >= 254).all()
    assert alpha[0].max() == 0


@pytest.mark.parametrize("threshold", [1, 2, 127, 128, 255])
def test_a_threshold_leaves_only_nothing_and_all(threshold: int) -> None:
    alpha = np.arange(256, dtype=np.uint8)[None].repeat(3, 0)
    hard = matte.finish(alpha.copy(), MatteControls(threshold=threshold))
    assert np.array_equal(hard, np.where(alpha >= threshold, 255, 0))


def test_without_threshold_and_feather_alpha_is_untouched() -> None:
    alpha = np.random.default_rng(0).integers(0, 256, (50, 60), np.uint8)
    assert np.array_equal(matte.finish(alpha.copy(), MatteControls()), alpha)


@bounded
@given(st.floats(0, 30), st.integers(40, 3000), st.integers(0, 255))
def test_a_feathered_edge_falls_steadily_and_reaches_as_far_as_asked_for(
    feather_px: float, length: int, threshold: int
) -> None:
    alpha = np.zeros((8, length), np.uint8)
    alpha[:, : length // 2] = 255
    row = matte.finish(alpha, MatteControls(feather_px=feather_px, threshold=threshold))[4].astype(int)
    assert (np.diff(row) <= 0).all()
    reach = round(feather_px * length / SCALE_PX)
    soft = np.flatnonzero((row > 0) & (row < 255))
    assert len(soft) <= 2 * reach
    assert len(soft) >= reach  # 0 where there is none
    if len(soft):
        assert (soft[0] + soft[-1] + 1) / 2 == pytest.approx(length // 2, abs=1.5)  # the edge stays where it is


@pytest.mark.parametrize("length", [6000, 20_000])
def test_the_widest_feather_of_the_longest_photo_is_as_steady(length: int) -> None:
    alpha = np.zeros((40, length), np.uint8)
    alpha[:, length // 2 :] = 255
    row = matte.finish(alpha, MatteControls(feather_px=30))[20].astype(int)
    assert (np.diff(row) >= 0).all()
    assert (row[0], row[-1]) == (0, 255)
    assert row[length // 2] == pytest.approx(128, abs=3)


def test_a_feather_after_a_threshold_is_soft_again() -> None:
    alpha = (disc(500, 0.3) * 255).astype(np.uint8)
    soft = matte.finish(alpha, MatteControls(threshold=128, feather_px=20))
    assert ((soft > 20) & (soft < 235)).sum() > 1000
