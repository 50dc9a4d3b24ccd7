"""The cut-out without a network: on photos made here, and on real ones with their masks."""

from __future__ import annotations

import threading

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from app.services import opencv_fallback
from app.services.opencv_fallback import estimate_saliency
from tests.support import SHARED, need

GREY, RED, GREEN = (128, 128, 128), (200, 30, 30), (40, 160, 60)
LEAST_MEAN_IOU = 0.40
EVERY = 3  # of the 150 real photos: enough for the mean, and seconds instead of half a minute


def iou(saliency: NDArray[np.float32], mask: NDArray[np.bool_]) -> float:
    found = saliency > 0.5
    return float(np.count_nonzero(found & mask) / np.count_nonzero(found | mask))


def disc(
    height: int = 240, width: int = 320, at: tuple[int, int] = (160, 120), radius: int = 60
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A red disc on grey, and where it is."""
    y, x = np.indices((height, width))
    mask = np.hypot(x - at[0], y - at[1]) < radius
    return np.where(mask[..., None], RED, GREY).astype(np.uint8), mask


def noisy(rgb: NDArray[np.uint8], spread: float = 12) -> NDArray[np.uint8]:
    noise = np.random.default_rng(0).normal(0, spread, rgb.shape)
    return np.clip(rgb + noise, 0, 255).astype(np.uint8)


def noise(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_a_red_disc_on_grey_is_found_with_iou_over_0_9() -> None:
    rgb, mask = disc()
    assert iou(estimate_saliency(rgb), mask) > 0.9


def test_a_disc_off_the_centre_is_found() -> None:
    rgb, mask = disc(at=(90, 160), radius=40)
    assert iou(estimate_saliency(rgb), mask) > 0.9


def test_a_disc_in_camera_noise_is_found() -> None:
    rgb, mask = disc()
    assert iou(estimate_saliency(noisy(rgb)), mask) > 0.9


def test_a_disc_in_a_large_photo_is_found() -> None:
    rgb, mask = disc(height=683, width=1024, at=(512, 340), radius=170)
    assert iou(estimate_saliency(rgb), mask) > 0.9


def test_a_subject_of_two_colours_is_found_whole() -> None:
    rgb, mask = disc(radius=70)
    rgb[:120][mask[:120]] = (230, 200, 40)
    assert iou(estimate_saliency(noisy(rgb)), mask) > 0.9


def test_a_subject_that_stands_on_the_lower_border_is_found() -> None:
    mask = np.zeros((240, 320), np.bool_)
    mask[100:, 110:210] = True
    rgb = np.where(mask[..., None], RED, GREY).astype(np.uint8)
    assert iou(estimate_saliency(noisy(rgb)), mask) > 0.8


def test_a_background_of_two_colours_is_left_out() -> None:
    rgb, mask = disc()
    sky = ~mask
    sky[130:] = False
    rgb[sky] = (90, 150, 230)
    rgb[~mask & ~sky] = GREEN
    assert iou(estimate_saliency(noisy(rgb)), mask) > 0.8


def test_the_edge_is_soft_and_where_the_photo_has_it() -> None:
    rgb, mask = disc(height=768, width=1024, at=(512, 384), radius=200)
    rgb = cv2.GaussianBlur(rgb, (0, 0), 2).astype(np.uint8, copy=False)
    saliency = estimate_saliency(rgb)
    across = saliency[384, 690:735]  # the disc's right edge is at 712
    assert np.count_nonzero((across > 0.1) & (across < 0.9)) >= 2
    assert np.abs(np.diff(across)).max() < 0.6
    assert abs(int(np.argmax(across < 0.5)) + 690 - 712) <= 4


@pytest.mark.parametrize(
    ("height", "width"),
    [(1, 1), (1, 2), (5, 5), (33, 7), (7, 33), (31, 31), (1, 4000), (4000, 1), (255, 257)],
)
def test_any_size_gives_a_map_of_that_size_between_0_and_1(height: int, width: int) -> None:
    slope = np.linspace(0, 255, width).astype(np.uint8)
    for rgb in (noise(height, width), np.broadcast_to(slope[:, None], (height, width, 3))):
        saliency = estimate_saliency(rgb)
        assert saliency.shape == (height, width)
        assert saliency.dtype == np.float32
        assert saliency.min() >= 0
        assert saliency.max() <= 1  # false for NaN, as the line above


@pytest.mark.parametrize("size", [(1, 1), (33, 7), (1, 4000), (300, 400)])
@pytest.mark.parametrize("level", [0, 77, 255])
def test_a_flat_photo_has_no_subject(size: tuple[int, int], level: int) -> None:
    assert not estimate_saliency(np.full((*size, 3), level, np.uint8)).any()


def test_the_grain_of_a_blank_wall_is_no_subject() -> None:
    assert not estimate_saliency(noisy(np.full((300, 400, 3), 128, np.uint8), spread=1)).any()


def test_drawings_whose_colours_lie_on_a_line_are_cut_out() -> None:
    # GrabCut inverts the covariance of the colours, which has no inverse here.
    for ink, paper in (((255, 255, 255), (0, 0, 0)), ((60, 180, 0), (20, 60, 0))):
        rgb, mask = disc()
        rgb[:] = np.where(mask[..., None], ink, paper)
        assert iou(estimate_saliency(rgb), mask) > 0.9


@pytest.mark.parametrize("label", [cv2.GC_BGD, cv2.GC_FGD])
def test_a_failed_grabcut_gives_a_smooth_map(monkeypatch: pytest.MonkeyPatch, label: int) -> None:
    def fail(_photo: object, trimap: NDArray[np.uint8], *_: object) -> None:
        trimap[:] = label

    monkeypatch.setattr(opencv_fallback.cv2, "grabCut", fail)
    rgb, mask = disc()
    saliency = estimate_saliency(rgb)
    assert saliency[mask].mean() > 0.7
    assert saliency[~mask].mean() < 0.3


def test_the_same_photo_gives_the_same_map() -> None:
    rgb = noisy(disc()[0], spread=40)
    first = estimate_saliency(rgb)
    cv2.setRNGSeed(12345)
    assert np.array_equal(estimate_saliency(rgb), first)


def test_another_thread_gives_the_same_map() -> None:
    rgb = noisy(disc()[0], spread=40)
    maps: list[NDArray[np.float32]] = []
    thread = threading.Thread(target=lambda: maps.append(estimate_saliency(rgb)))
    thread.start()
    thread.join()
    assert np.array_equal(maps[0], estimate_saliency(rgb))


def test_the_photo_is_not_changed_and_may_be_read_only_or_a_view() -> None:
    rgb = noisy(disc()[0])
    before = rgb.copy()
    saliency = estimate_saliency(rgb)
    assert np.array_equal(rgb, before)
    rgb.flags.writeable = False
    assert np.array_equal(estimate_saliency(rgb), saliency)
    mirrored = np.ascontiguousarray(rgb[:, ::-1])[:, ::-1]
    assert np.array_equal(estimate_saliency(mirrored), saliency)


def test_the_subjects_of_real_photos_are_found_with_a_mean_iou_of_0_4() -> None:
    folder = need(SHARED / "data" / "sod-dev")
    scores = []
    for path in sorted((folder / "images").iterdir())[::EVERY]:
        bgr = cv2.imread(str(path))
        mask = cv2.imread(str(folder / "masks" / f"{path.stem}.png"), cv2.IMREAD_GRAYSCALE)
        assert bgr is not None and mask is not None, path.name
        rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)
        scores.append(iou(estimate_saliency(rgb), mask > 127))
    assert len(scores) == 50
    assert np.mean(scores) >= LEAST_MEAN_IOU
