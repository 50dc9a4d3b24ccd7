"""Subject on shadow on background, and all that is seen of them together."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.imaging import composite
from app.imaging.backdrop import Backdrop, Picture, Plain
from app.imaging.drawing import Placement, draw
from app.imaging.gradient import parse_gradient
from app.imaging.shadow import CastShadow, Shadow, cast
from tests.properties import bounded

HEIGHT, WIDTH = 120, 160


def subject() -> tuple[np.ndarray, np.ndarray]:
    """Many colours, and an alpha from 0 to 255 with wholly empty and wholly solid parts."""
    rgb = np.random.default_rng(5).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    rows, columns = np.indices((HEIGHT, WIDTH))
    alpha = (30 + 8 * (30 - np.hypot(rows - 60, columns - 70))).clip(0, 255).astype(np.uint8)
    return rgb, alpha


def composed(
    backdrop: Backdrop | None, shadow: Shadow | None = None, placement: Placement | None = None
) -> tuple[np.ndarray, CastShadow | None]:
    rgb, alpha = subject()
    placement = placement or Placement.identity(HEIGHT, WIDTH)
    thrown = None if shadow is None else cast(shadow, alpha, placement)
    draw_rows = partial(draw, rgb, alpha, placement)
    height, width = placement.canvas_height, placement.canvas_width
    return composite.compose(draw_rows, height, width, backdrop=backdrop, layers=[thrown] if thrown else []), thrown


def laid_over(rgba: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    """As a viewer shows straight alpha on a page of a colour."""
    share = rgba[:, :, 3:] / 255
    return rgba[:, :, :3] * share + np.array(color) * (1 - share)


SHADOWS = [
    Shadow((30, 20), 24, 0.4),
    Shadow((0, 0), 60, 1.0, (255, 0, 90)),
    Shadow((-60, 10), 0, 0.7, (10, 200, 255)),
]
COLORS = [(255, 255, 255), (0, 0, 0), (12, 130, 240)]


@pytest.mark.parametrize("shadow", SHADOWS)
@pytest.mark.parametrize("color", COLORS)
def test_a_transparent_result_with_its_shadow_looks_on_any_page_as_if_made_for_it(
    shadow: Shadow, color: tuple[int, int, int]
) -> None:
    transparent, _ = composed(None, shadow)
    assert transparent.shape == (HEIGHT, WIDTH, 4)
    assert np.abs(laid_over(transparent, color) - composed(Plain(color), shadow)[0]).max() <= 2


@pytest.mark.parametrize("shadow", SHADOWS)
def test_the_alpha_of_subject_and_shadow_is_that_of_both(shadow: Shadow) -> None:
    transparent, thrown = composed(None, shadow)
    assert thrown is not None
    alpha, shade = subject()[1] / 255, thrown.rows(slice(0, HEIGHT), HEIGHT, WIDTH) / 255
    assert np.abs(transparent[:, :, 3] - 255 * (alpha + shade * (1 - alpha))).max() <= 0.51


def test_a_solid_subject_hides_its_shadow_and_keeps_its_own_pixels() -> None:
    rgb, alpha = subject()
    for backdrop in (None, Plain((9, 9, 9))):
        picture, _ = composed(backdrop, SHADOWS[1])
        assert np.array_equal(picture[alpha == 255][:, :3], rgb[alpha == 255])


def test_where_there_is_only_shadow_its_colour_is_seen() -> None:
    transparent, thrown = composed(None, Shadow((40, 0), 0, 0.5, (200, 100, 50)))
    assert thrown is not None
    only = (subject()[1] == 0) & (thrown.rows(slice(0, HEIGHT), HEIGHT, WIDTH) > 0)
    assert only.sum() > 100
    assert (transparent[only][:, :3] == (200, 100, 50)).all()


def test_where_there_is_neither_subject_nor_shadow_nothing_of_the_photo_is_left() -> None:
    for shadow in (None, SHADOWS[2]):
        transparent, _ = composed(None, shadow)
        hidden = transparent[:, :, 3] == 0
        assert hidden.sum() > 100
        assert transparent[hidden].max() == 0


def test_a_shadow_that_is_not_seen_changes_nothing() -> None:
    assert np.array_equal(composed(None, Shadow(opacity=0))[0], composed(None)[0])
    assert np.array_equal(composed(Plain((1, 2, 3)), Shadow(opacity=0))[0], composed(Plain((1, 2, 3)))[0])


BACKDROPS = [
    Plain((12, 130, 240)),
    parse_gradient("linear-gradient(30deg, red, gold 40%, navy)"),
    parse_gradient("radial-gradient(white, black)"),
    Picture(np.random.default_rng(6).integers(0, 256, (31, 47, 3), np.uint8), "cover"),
    Picture(np.random.default_rng(6).integers(0, 256, (31, 47, 3), np.uint8), "contain", (1, 2, 3)),
    Picture(np.random.default_rng(6).integers(0, 256, (31, 47, 3), np.uint8), "tile"),
]


@pytest.mark.parametrize("backdrop", BACKDROPS)
def test_every_background_is_seen_whole_where_the_subject_is_not_and_mixed_at_its_edge(backdrop: Backdrop) -> None:
    rgb, alpha = subject()
    picture, _ = composed(backdrop)
    behind = np.broadcast_to(backdrop.rows(slice(0, HEIGHT), HEIGHT, WIDTH), (HEIGHT, WIDTH, 3))
    assert picture.shape == (HEIGHT, WIDTH, 3)
    assert np.array_equal(picture[alpha == 0], behind[alpha == 0])
    share = alpha[:, :, None] / 255
    assert np.abs(picture - (rgb * share + behind * (1 - share))).max() <= 0.51


@pytest.mark.parametrize("backdrop", BACKDROPS)
def test_a_background_covers_the_canvas_and_not_only_the_photo(backdrop: Backdrop) -> None:
    placement = Placement(3000, 90, 20, -10, 80, 60)  # several strips
    picture, _ = composed(backdrop, placement=placement)
    behind = np.broadcast_to(backdrop.rows(slice(0, 90), 90, 3000), (90, 3000, 3))
    assert picture.shape == (90, 3000, 3)
    # A resized picture is made strip by strip, to the last rounding.
    assert np.abs(picture[:, 120:].astype(int) - behind[:, 120:]).max() <= 2


@bounded
@given(st.tuples(*[st.integers(0, 255)] * 3), st.integers(0, 255), st.integers(0, 255), st.integers(0, 255))
def test_any_subject_and_any_shadow_joined_show_what_both_would_on_black_and_on_white(
    color: tuple[int, int, int], alpha: int, shade: int, level: int
) -> None:
    rgb, plane = np.full((1, 1, 3), level, np.uint8), np.full((1, 1), alpha, np.uint8)
    thrown = CastShadow(np.full((1, 1), shade, np.float32), color)
    transparent = composite.compose(lambda _rows: (rgb, plane), 1, 1, layers=[thrown])
    for page in COLORS[:2]:
        direct = composite.compose(lambda _rows: (rgb, plane), 1, 1, backdrop=Plain(page), layers=[thrown])
        assert np.abs(laid_over(transparent, page) - direct).max() <= 2
