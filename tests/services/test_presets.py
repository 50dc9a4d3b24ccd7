"""Sizes that shops, offices and sites ask for."""

from __future__ import annotations

import re

import pytest

from app.imaging.box import Box
from app.imaging.layout import place
from app.services.presets import PRESETS
from tests.support import drawn_box

HEIGHT, WIDTH = 3000, 2400
SUBJECT = Box(900, 700, 2500, 1500)  # 1600 high, 800 wide

EXACT = {
    "shop": (2000, 2000),
    "passport": (600, 600),
    "avatar": (400, 400),
    "face": (112, 112),
    "banner": (1500, 500),
}
SHAPES = {"square": (3000, 3000), "portrait": (2400, 3000), "wide": (5333, 3000), "story": (2400, 4267)}


def subject_on(name: str) -> tuple[float, float, float, float]:
    """Top, left, bottom, right of the subject on the preset's canvas."""
    placement = place(PRESETS[name].layout, HEIGHT, WIDTH, SUBJECT)
    return drawn_box(placement, SUBJECT, HEIGHT, WIDTH)


def test_these_are_all() -> None:
    assert set(PRESETS) == {*EXACT, *SHAPES}
    assert all(preset.name == name for name, preset in PRESETS.items())


@pytest.mark.parametrize(("name", "size"), [*EXACT.items(), *SHAPES.items()])
def test_each_makes_the_size_it_promises(name: str, size: tuple[int, int]) -> None:
    placement = place(PRESETS[name].layout, HEIGHT, WIDTH, SUBJECT)
    assert (placement.canvas_width, placement.canvas_height) == size
    assert PRESETS[name].layout.is_exact == (name in EXACT)


@pytest.mark.parametrize("name", PRESETS)
def test_what_is_said_of_each_is_what_it_makes(name: str) -> None:
    title, canvas = PRESETS[name].title, PRESETS[name].layout.canvas
    assert canvas is not None
    told = re.findall(r"(\d+)([×:])(\d+)", title)
    assert (str(canvas.width), ":" if canvas.is_shape else "×", str(canvas.height)) in told


@pytest.mark.parametrize("name", EXACT)
def test_all_of_the_subject_is_seen_undistorted(name: str) -> None:
    top, left, bottom, right = subject_on(name)
    width, height = EXACT[name]
    assert min(top, left) >= -1
    assert bottom <= height + 1
    assert right <= width + 1
    assert (bottom - top) / (right - left) == pytest.approx(2, rel=0.02)


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_keeps_all_of_the_photo_at_its_own_size(name: str) -> None:
    placement = place(PRESETS[name].layout, HEIGHT, WIDTH, SUBJECT)
    assert (placement.width, placement.height) == (WIDTH, HEIGHT)
    assert min(placement.top, placement.left) >= 0


def test_a_product_for_a_shop_fills_85_percent_of_its_picture_in_the_middle() -> None:
    top, left, bottom, right = subject_on("shop")
    assert bottom - top == pytest.approx(1700, abs=1)
    assert (top + bottom) / 2 == pytest.approx(1000, abs=1)
    assert (left + right) / 2 == pytest.approx(1000, abs=1)


@pytest.mark.parametrize(("name", "height"), [("avatar", 400 / 1.16), ("face", 112), ("banner", 500 / 1.16)])
def test_a_cropped_preset_is_filled_by_the_subject_and_its_margin(name: str, height: float) -> None:
    top, left, bottom, right = subject_on(name)
    assert bottom - top == pytest.approx(height, abs=1.5)
    assert (top + bottom) / 2 == pytest.approx(EXACT[name][1] / 2, abs=1.5)
    assert (left + right) / 2 == pytest.approx(EXACT[name][0] / 2, abs=1.5)
