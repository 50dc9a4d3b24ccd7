"""What stands behind the subject."""

from __future__ import annotations

import numpy as np

from app.imaging.backdrop import Plain
from app.imaging.drawing import Placement
from app.services.bg_changer import put_on_background

RGB = np.full((2, 2, 3), 100, np.uint8)
ALPHA = np.array([[0, 255], [0, 255]], np.uint8)
AS_IT_IS = Placement.identity(2, 2)


def test_without_a_colour_the_background_is_transparent() -> None:
    picture = put_on_background(RGB, ALPHA, AS_IT_IS, keep_alpha=True)
    assert picture.shape == (2, 2, 4)
    assert picture[0].tolist() == [[0, 0, 0, 0], [100, 100, 100, 255]]


def test_a_colour_fills_what_the_subject_leaves() -> None:
    picture = put_on_background(RGB, ALPHA, AS_IT_IS, background=Plain((255, 0, 10)), keep_alpha=True)
    assert picture[0].tolist() == [[255, 0, 10], [100, 100, 100]]


def test_a_format_without_alpha_stands_on_white() -> None:
    picture = put_on_background(RGB, ALPHA, AS_IT_IS, keep_alpha=False)
    assert picture[0].tolist() == [[255, 255, 255], [100, 100, 100]]


def test_black_is_a_colour_too() -> None:
    assert put_on_background(RGB, ALPHA, AS_IT_IS, background=Plain((0, 0, 0)), keep_alpha=False)[0, 0].tolist() == [
        0,
        0,
        0,
    ]


def test_the_photo_itself_is_left_as_it_was() -> None:
    put_on_background(RGB, ALPHA, AS_IT_IS, background=Plain((1, 2, 3)), keep_alpha=False)
    assert (RGB == 100).all()
