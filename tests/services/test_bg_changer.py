"""What stands behind the subject."""

from __future__ import annotations

import numpy as np

from app.imaging.backdrop import Plain, Veil
from app.imaging.drawing import Placement
from app.imaging.shadow import Shadow
from app.services.bg_changer import put_on_background, take_photo
from app.services.options import BlurredPhoto

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


def test_a_veil_lets_through_behind_the_subject_and_is_mixed_with_white_where_the_format_has_no_alpha() -> None:
    veil = Veil((200, 0, 0), 0.2)
    picture = put_on_background(RGB, ALPHA, AS_IT_IS, background=veil, keep_alpha=True)
    assert picture[0].tolist() == [[200, 0, 0, 51], [100, 100, 100, 255]]
    picture = put_on_background(RGB, ALPHA, AS_IT_IS, background=veil, keep_alpha=False)
    assert picture[0].tolist() == [[244, 204, 204], [100, 100, 100]]


def test_a_shadow_lies_in_front_of_a_veil() -> None:
    veil, shadow = Veil((200, 0, 0), 0.2), Shadow((0, 0), 1000, 1.0)
    alone, both = (
        put_on_background(RGB, ALPHA, AS_IT_IS, background=behind, shadow=shadow)[0, 0] for behind in (None, veil)
    )
    assert both[3] > alone[3], "the veil is seen through the shadow"
    assert 0 < both[0] < 200, "which darkens it"


def test_a_blurred_photo_is_the_one_that_was_decoded_not_that_of_the_subjects_own_colours() -> None:
    photo, alpha = np.full((40, 60, 3), 100, np.uint8), np.full((40, 60), 30, np.uint8)
    background = take_photo(BlurredPhoto(10), photo, None)
    photo[:] = 250  # as if all of it were a soft edge
    picture = put_on_background(photo, alpha, Placement.identity(40, 60), background=background)
    assert (picture == round((250 * 30 + 100 * 225) / 255)).all()


def test_a_blurred_photo_stands_on_white_where_it_lets_through_itself() -> None:
    hidden, half = np.zeros((40, 60, 3), np.uint8), np.full((40, 60), 128, np.uint8)
    background = take_photo(BlurredPhoto(10), hidden, half)
    picture = put_on_background(hidden, np.zeros_like(half), Placement.identity(40, 60), background=background)
    assert np.abs(picture[..., :3].astype(int) - 127).max() <= 1
