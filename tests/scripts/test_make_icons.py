"""The icons are what the script draws, and look as the favicon does."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from scripts.make_icons import FOLDER, ICONS, Icon, draw, outlines


@pytest.mark.parametrize("icon", ICONS, ids=lambda icon: icon.name)
def test_the_icons_in_the_repo_are_what_the_script_draws(icon: Icon) -> None:
    there = np.asarray(Image.open(FOLDER / icon.name)).astype(np.int16)
    drawn = draw(icon)
    assert there.shape == drawn.shape
    assert np.abs(there - drawn).max() <= 2, "but for a rounding of another version of OpenCV"


def test_an_icon_has_the_shapes_of_the_favicon_where_they_are() -> None:
    pixels = draw(Icon("", 320))
    teal, orange, white, light, dark = (13, 107, 95), (255, 196, 107), (255, 255, 255), (230, 235, 234), (180, 192, 190)
    for (x, y), color in {
        (40, 160): teal,
        (160, 100): orange,
        (160, 240): orange,
        (160, 46): white,
        (300, 200): light,
        (300, 100): dark,
    }.items():
        assert tuple(pixels[y, x]) == (*color, 255)
    assert pixels[0, 0, 3] == pixels[319, 319, 3] == 0, "round corners"


def test_what_a_system_cuts_off_a_maskable_icon_is_ground_only() -> None:
    icon = Icon("", 320, is_maskable=True)
    pixels = draw(icon)
    assert pixels.shape == (320, 320, 3), "nothing is see-through"
    rows, columns = np.indices((320, 320)) - 159.5
    outside = pixels[np.hypot(rows, columns) > 0.4 * 320]
    assert {tuple(map(int, color)) for color in np.unique(outside, axis=0)}.isdisjoint(
        {(255, 196, 107), (255, 255, 255)}
    )


def test_paths_are_read_as_svg_says() -> None:
    (square, other) = outlines("M1 2h3v3H1zm8 8h1v-1h-1z")
    assert list(square) == [1 + 2j, 4 + 2j, 4 + 5j, 1 + 5j]
    assert list(other) == [9 + 10j, 10 + 10j, 10 + 9j, 9 + 9j]
    (arc,) = outlines("M0 0a5 5 0 0 1 5 5z")
    assert np.allclose(abs(arc - 5j), 5)
    assert arc.imag.min() >= 0
    (curve,) = outlines("M0 0c0-4.5 2.5.5 4 0z")
    assert (curve[0], curve[-1]) == (0, 4)
