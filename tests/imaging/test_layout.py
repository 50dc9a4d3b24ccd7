"""Where the subject stands on the result."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.imaging.box import Box
from app.imaging.drawing import Placement, draw_plane
from app.imaging.layout import Canvas, Layout, most_canvas_px, place, subject_of
from app.imaging.length import Length
from tests.properties import bounded
from tests.support import drawn_box

SIDES = st.integers(1, 6000)
SHAPES = ((1, 1), (4, 5), (16, 9), (9, 16), (3, 7), (20, 1))


def percent(value: float) -> Length:
    return Length(value, is_percent=True)


def px(value: float) -> Length:
    return Length(value)


@st.composite
def photos(draw: st.DrawFn) -> tuple[int, int, Box]:
    """Height, width and a subject's box."""
    height, width = draw(SIDES), draw(SIDES)
    top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
    return height, width, Box(top, left, draw(st.integers(top + 1, height)), draw(st.integers(left + 1, width)))


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    lengths = st.one_of(st.floats(0, 600).map(px), st.floats(0, 100).map(percent))
    canvases = st.one_of(
        st.none(),
        st.builds(Canvas, st.integers(1, 3000), st.integers(1, 3000)),
        st.sampled_from([Canvas(*shape, is_shape=True) for shape in SHAPES]),
    )
    return Layout(
        crop=draw(st.booleans()),
        margin=draw(st.tuples(lengths, lengths, lengths, lengths)),
        canvas=draw(canvases),
        scale=draw(st.one_of(st.none(), st.floats(0.1, 1))),
        position=draw(st.one_of(st.none(), st.tuples(st.floats(0, 1), st.floats(0, 1)))),
    )


@bounded
@given(photos())
def test_with_nothing_asked_for_the_photo_is_as_it_is(photo: tuple[int, int, Box]) -> None:
    height, width, subject = photo
    assert place(Layout(), height, width, subject) == Placement.identity(height, width)
    assert not Layout(margin=(px(9),) * 4).moves  # the margin of no crop


@bounded
@given(photos(), layouts())
def test_a_size_in_pixels_is_exact_and_no_other_canvas_outgrows_what_was_foretold(
    photo: tuple[int, int, Box], layout: Layout
) -> None:
    height, width, subject = photo
    most_px = most_canvas_px(layout, height, width)
    assert most_px == most_canvas_px(layout, width, height)  # EXIF may turn it
    placement = place(layout, height, width, subject, most_px=most_px)
    if layout.is_exact:
        assert layout.canvas is not None
        assert (placement.canvas_width, placement.canvas_height) == (layout.canvas.width, layout.canvas.height)
    assert not placement.is_reduced
    # A side is a whole number of pixels, by rounding.
    assert (placement.canvas_width - 0.5) * (placement.canvas_height - 0.5) <= most_px * (1 + 1e-9)


@bounded
@given(photos(), layouts(), st.floats(100, 1e7))
def test_too_large_a_canvas_is_reduced_and_says_so_but_for_an_exact_one(
    photo: tuple[int, int, Box], layout: Layout, most_px: float
) -> None:
    height, width, subject = photo
    full, reduced = place(layout, height, width, subject), place(layout, height, width, subject, most_px=most_px)
    if layout.is_exact or full.canvas_width * full.canvas_height < most_px * 0.9:
        assert reduced == full
    if not layout.is_exact and min(reduced.canvas_width, reduced.canvas_height) > 1:
        assert (reduced.canvas_width - 0.5) * (reduced.canvas_height - 0.5) <= most_px
    if full.canvas_width * full.canvas_height > most_px * 1.5 + 2 * (full.canvas_width + full.canvas_height):
        assert reduced.is_reduced != layout.is_exact


@bounded
@given(photos(), st.sampled_from(SHAPES))
def test_a_shape_holds_all_of_the_photo_at_its_own_size_in_the_middle(
    photo: tuple[int, int, Box], shape: tuple[int, int]
) -> None:
    height, width, subject = photo
    placement = place(Layout(canvas=Canvas(*shape, is_shape=True)), height, width, subject)
    assert (placement.width, placement.height) == (width, height)
    assert placement.canvas_width >= width
    assert placement.canvas_height >= height
    assert min(placement.canvas_width - width, placement.canvas_height - height) == 0  # and no more than that
    assert placement.canvas_width == pytest.approx(placement.canvas_height * shape[0] / shape[1], abs=shape[0])
    assert abs(2 * placement.left + width - placement.canvas_width) <= 1
    assert abs(2 * placement.top + height - placement.canvas_height) <= 1


@bounded
@given(photos(), st.integers(1, 3000), st.integers(1, 3000))
def test_on_an_exact_size_all_of_the_photo_is_seen_as_large_as_it_fits(
    photo: tuple[int, int, Box], canvas_width: int, canvas_height: int
) -> None:
    height, width, subject = photo
    placement = place(Layout(canvas=Canvas(canvas_width, canvas_height)), height, width, subject)
    assert placement.width <= canvas_width
    assert placement.height <= canvas_height
    assert placement.width == canvas_width or placement.height == canvas_height
    assert abs(2 * placement.left + placement.width - canvas_width) <= 1
    assert abs(2 * placement.top + placement.height - canvas_height) <= 1


SUBJECT = Box(300, 400, 700, 600)  # of a photo of 1000 × 1200


def test_a_crop_is_the_box_of_the_subject() -> None:
    assert place(Layout(crop=True), 1000, 1200, SUBJECT) == Placement(200, 400, -400, -300, 1200, 1000)


@pytest.mark.parametrize(
    ("margin", "around"),
    [
        ((px(20),) * 4, (20, 20, 20, 20)),
        ((px(1), px(2), px(3), px(4)), (1, 2, 3, 4)),
        ((percent(10), percent(5), percent(10), percent(5)), (40, 10, 40, 10)),  # of its height and its width
        ((percent(400),) * 4, (200, 100, 200, 100)),  # at most a half
        ((px(5000),) * 4, (200, 100, 200, 100)),
    ],
)
def test_a_margin_is_left_around_the_subject(
    margin: tuple[Length, Length, Length, Length], around: tuple[int, int, int, int]
) -> None:
    top, right, bottom, left = around
    placement = place(Layout(crop=True, margin=margin), 1000, 1200, SUBJECT)
    expected = Placement(200 + left + right, 400 + top + bottom, left - 400, top - 300, 1200, 1000)
    assert placement == expected


def test_a_margin_may_lie_outside_of_the_photo_and_is_never_over_500_pixels() -> None:
    placement = place(Layout(crop=True, margin=(percent(50),) * 4), 4000, 3000, Box(0, 0, 4000, 3000))
    assert placement == Placement(4000, 5000, 500, 500, 3000, 4000)


def test_margins_in_pixels_shrink_with_a_photo_that_was_reduced() -> None:
    placement = place(Layout(crop=True, margin=(px(40),) * 4), 1000, 1200, SUBJECT, reduced_to=0.25)
    assert (placement.canvas_width, placement.canvas_height) == (220, 420)


CORNERS = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.5, 0.5), (0.25, 0.75)]


@pytest.mark.parametrize("crop", [False, True])
@pytest.mark.parametrize("position", [None, *CORNERS])
@pytest.mark.parametrize("canvas", [None, Canvas(500, 500), Canvas(300, 900), Canvas(4, 3, is_shape=True)])
def test_scaled_to_a_half_the_subject_is_half_as_large_as_the_canvas_and_stands_where_it_is_put(
    canvas: Canvas | None, position: tuple[float, float] | None, crop: bool
) -> None:
    placement = place(Layout(crop=crop, canvas=canvas, scale=0.5, position=position), 1000, 1200, SUBJECT)
    top, left, bottom, right = drawn_box(placement, SUBJECT, 1000, 1200)
    height, width = placement.canvas_height, placement.canvas_width
    assert max((bottom - top) / height, (right - left) / width) == pytest.approx(0.5, abs=1 / min(width, height))
    own = SUBJECT.left / (1200 - SUBJECT.width), SUBJECT.top / (1000 - SUBJECT.height)
    across, down = position or own  # None: where it stands in the photo
    assert left == pytest.approx(across * (width - (right - left)), abs=1)
    assert top == pytest.approx(down * (height - (bottom - top)), abs=1)


@pytest.mark.parametrize("position", CORNERS)
@pytest.mark.parametrize("side", [64, 501])
def test_the_pixels_of_the_subject_stand_where_its_box_was_put(side: int, position: tuple[float, float]) -> None:
    alpha = np.zeros((1000, 1200), np.uint8)
    alpha[SUBJECT.slices] = 255
    placement = place(Layout(canvas=Canvas(side, side), scale=0.5, position=position), 1000, 1200, subject_of(alpha))
    solid = draw_plane(alpha, placement, slice(0, side)) > 127
    rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
    assert abs(len(rows) - side / 2) <= 1
    assert abs(len(columns) - side / 4) <= 1
    assert rows[0] == pytest.approx(position[1] * (side - len(rows)), abs=1)
    assert columns[0] == pytest.approx(position[0] * (side - len(columns)), abs=1)


@bounded
@given(photos(), layouts(), st.floats(0.1, 1))
def test_a_scaled_subject_lies_within_the_canvas_wherever_it_is_put(
    photo: tuple[int, int, Box], layout: Layout, scale: float
) -> None:
    height, width, subject = photo
    placement = place(replace(layout, scale=scale), height, width, subject)
    top, left, bottom, right = drawn_box(placement, subject, height, width)
    # A photo is at least a pixel wide, and that pixel may be more than the subject was to have.
    slack = 1 + max(placement.width / width, placement.height / height)
    assert min(top, left) >= -slack
    assert bottom <= placement.canvas_height + slack
    assert right <= placement.canvas_width + slack


def test_a_subject_that_is_put_to_a_corner_without_a_scale_keeps_its_size() -> None:
    placement = place(Layout(position=(1, 1)), 1000, 1200, SUBJECT)
    assert (placement.canvas_width, placement.canvas_height) == (1200, 1000)
    assert drawn_box(placement, SUBJECT, 1000, 1200) == (600, 1000, 1000, 1200)


def test_without_a_subject_the_whole_photo_is_placed() -> None:
    layout = Layout(crop=True, canvas=Canvas(100, 100))
    assert (
        place(layout, 50, 50, None) == place(layout, 50, 50, Box(0, 0, 50, 50)) == Placement(100, 100, 0, 0, 100, 100)
    )


@pytest.mark.parametrize("size", [(300, 400), (1000, 1200), (3001, 2003)])
def test_the_box_of_the_subject_is_exact_at_any_size(size: tuple[int, int]) -> None:
    height, width = size
    alpha = np.zeros(size, np.uint8)
    box = Box(height // 3, width // 5, height // 2 + 1, width - 7)
    alpha[box.slices] = 255
    assert subject_of(alpha) == box


def test_noise_and_faint_stains_are_not_the_subject() -> None:
    alpha = np.random.default_rng(0).integers(0, 11, (900, 1200), np.uint8)
    alpha[300:600, 500:700] = 255
    alpha[20:40, 20:60] = 100  # a stain that is nowhere solid
    assert subject_of(alpha) == Box(300, 500, 600, 700)


def test_the_soft_edge_of_the_subject_belongs_to_it() -> None:
    alpha = np.zeros((400, 400), np.uint8)
    alpha[100:300, 100:300] = 255
    alpha[90:100, 100:300] = 60
    assert subject_of(alpha) == Box(90, 100, 300, 300)


def test_two_solid_parts_are_both_the_subject() -> None:
    alpha = np.zeros((800, 800), np.uint8)
    alpha[100:200, 50:150] = 255
    alpha[500:700, 600:750] = 255
    assert subject_of(alpha) == Box(100, 50, 700, 750)


@pytest.mark.parametrize("level", [0, 10, 127])
def test_where_nothing_is_solid_there_is_no_subject(level: int) -> None:
    assert subject_of(np.full((600, 700), level, np.uint8)) is None


def test_a_subject_too_thin_for_a_small_copy_is_found() -> None:
    alpha = np.zeros((3000, 4000), np.uint8)
    alpha[500:2500, 2000] = 255
    assert subject_of(alpha) == Box(500, 2000, 2500, 2001)


def test_a_stain_far_from_the_subject_is_no_part_of_it() -> None:
    alpha = np.zeros((600, 800), np.uint8)
    alpha[100:400, 300:500] = 255
    alpha[550:590, 10:60] = 90
    assert subject_of(alpha) == Box(100, 300, 400, 500)
