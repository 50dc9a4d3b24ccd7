"""Gradients, as CSS Images 3 defines them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.imaging.gradient import MOST_STOPS, Gradient, parse_gradient
from tests.properties import bounded

BLACK, WHITE, RED, LIME, BLUE = (0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 255, 0), (0, 0, 255)


def painted(text: str, height: int, width: int) -> np.ndarray:
    """The whole canvas."""
    return parse_gradient(text).rows(slice(0, height), height, width)


def css_color(stops: list[tuple[float, tuple[int, ...]]], place: float) -> list[float]:
    """CSS Images 3, §3.4.3: the colour at a place of the gradient's line."""
    if place < stops[0][0]:
        return list(map(float, stops[0][1]))
    for (start, first), (end, second) in zip(stops, stops[1:], strict=False):
        if start <= place < end:
            share = (place - start) / (end - start)
            return [one + (other - one) * share for one, other in zip(first, second, strict=True)]
    return list(map(float, stops[-1][1]))


def css_linear_place(row: int, column: int, height: int, width: int, angle_deg: float) -> float:
    """§3.1.1: the line goes through the centre; the corners' perpendiculars on it are 0 % and 100 %."""
    direction = math.sin(math.radians(angle_deg)), -math.cos(math.radians(angle_deg))  # right, down
    corners = [(x * width / 2, y * height / 2) for x in (-1, 1) for y in (-1, 1)]
    reach = max(x * direction[0] + y * direction[1] for x, y in corners)
    x, y = column + 0.5 - width / 2, row + 0.5 - height / 2
    return (x * direction[0] + y * direction[1] + reach) / (2 * reach)


def css_radial_place(row: int, column: int, height: int, width: int) -> float:
    """§3.2: an ellipse at the centre, through the farthest corner, with the aspect of the canvas."""
    x, y = column + 0.5 - width / 2, row + 0.5 - height / 2
    radius_x, radius_y = width / math.sqrt(2), height / math.sqrt(2)
    return math.sqrt((x / radius_x) ** 2 + (y / radius_y) ** 2)


STOPS = [(0.1, (250, 10, 30)), (0.4, (20, 200, 90)), (0.45, (0, 0, 255)), (0.9, (255, 255, 255))]


@bounded
@given(st.one_of(st.none(), st.floats(-720, 720)), st.integers(1, 60), st.integers(1, 60))
def test_every_pixel_has_the_colour_that_css_gives_it(angle_deg: float | None, height: int, width: int) -> None:
    rows = Gradient(angle_deg, tuple(STOPS)).rows(slice(0, height), height, width).astype(float)
    assert rows.shape == (height, width, 3)
    for row in range(0, height, 7):
        for column in range(0, width, 5):
            if angle_deg is None:
                place = css_radial_place(row, column, height, width)
            else:
                place = css_linear_place(row, column, height, width, angle_deg)
            # The steepest stretch is 255 levels on 5 %: one of 4096 places is 1.3 levels.
            assert np.abs(rows[row, column] - css_color(STOPS, place)).max() <= 2


@pytest.mark.parametrize(
    ("direction", "begins", "ends"),
    [
        ("", (0, 0), (-1, 0)),
        ("180deg,", (0, 0), (-1, 0)),
        ("to bottom,", (0, 0), (-1, 0)),
        ("to top,", (-1, 0), (0, 0)),
        ("0deg,", (-1, 0), (0, 0)),
        ("to right,", (0, 0), (0, -1)),
        ("90deg,", (0, 0), (0, -1)),
        ("-90deg,", (0, -1), (0, 0)),
        ("to left,", (0, -1), (0, 0)),
        ("135deg,", (0, 0), (-1, -1)),
        ("45deg,", (-1, 0), (0, -1)),
    ],
)
def test_it_begins_and_ends_in_the_right_corner(direction: str, begins: tuple[int, int], ends: tuple[int, int]) -> None:
    picture = painted(f"linear-gradient({direction} red, blue)", 400, 300).astype(int)
    assert np.abs(picture[begins] - RED).max() <= 2
    assert np.abs(picture[ends] - BLUE).max() <= 2


def test_a_radial_one_begins_in_the_middle_and_ends_in_all_corners() -> None:
    picture = painted("radial-gradient(white, black)", 301, 501).astype(int)
    assert picture[150, 250].min() >= 253
    assert max(picture[row, column].max() for row in (0, -1) for column in (0, -1)) <= 2
    assert np.abs(picture - picture[::-1, ::-1]).max() <= 1
    assert abs(picture[0, 250, 0] - picture[150, 0, 0]) <= 2  # as far up as across, each of its own half


def test_strips_of_it_are_the_whole() -> None:
    gradient = parse_gradient("linear-gradient(33deg, red, lime 30%, blue)")
    whole = gradient.rows(slice(0, 100), 100, 70)
    parts = [gradient.rows(slice(top, top + 20), 100, 70) for top in range(0, 100, 20)]
    assert np.array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize(
    ("stops", "places"),
    [
        ("red, lime", [0, 1]),
        ("red, lime, blue", [0, 0.5, 1]),
        ("red 20%, lime, blue, white 80%", [0.2, 0.4, 0.6, 0.8]),
        ("red 60%, lime 20%, blue", [0.6, 0.6, 1]),
        ("red 80%, black, lime 20%, blue, white", [0.8, 0.8, 0.8, 0.9, 1]),
        ("red, lime 30%, blue 30%, white", [0, 0.3, 0.3, 1]),
        ("red 50%, lime 150%", [0.5, 1.5]),
    ],
)
def test_stops_without_a_place_and_those_that_go_back_are_put_where_css_puts_them(
    stops: str, places: list[float]
) -> None:
    gradient = parse_gradient(f"linear-gradient({stops})")
    assert [place for place, _color in gradient.stops] == pytest.approx(places)


def test_two_stops_at_one_place_are_a_hard_edge() -> None:
    row = painted("linear-gradient(to right, red 50%, blue 50%)", 1, 100)[0].tolist()
    assert row == [list(RED)] * 50 + [list(BLUE)] * 50


def test_a_stop_beyond_the_end_is_never_reached() -> None:
    row = painted("linear-gradient(to right, white 50%, black 150%)", 1, 200)[0, :, 0]
    assert (row[:100] == 255).all()
    assert abs(int(row[-1]) - 128) <= 2


@pytest.mark.parametrize(
    ("text", "colors"),
    [
        ("linear-gradient(rgb(255, 0, 0), rgb(0,0,255) 50%, #fff)", [RED, BLUE, WHITE]),
        (" LINEAR-gradient( To Right , Red , BLUE ) ", [RED, BLUE]),
        ("radial-gradient(#f00,\n #00ff00,\n 0000ff)", [RED, LIME, BLUE]),
        (f"linear-gradient({', '.join(['black'] * MOST_STOPS)})", [BLACK] * MOST_STOPS),
    ],
)
def test_colours_are_read_in_every_way_to_say_them(text: str, colors: list[tuple[int, int, int]]) -> None:
    assert [color for _place, color in parse_gradient(text).stops] == colors


@pytest.mark.parametrize(
    "text",
    [
        "",
        "red",
        "linear-gradient",
        "linear-gradient()",
        "linear-gradient(red)",
        "linear-gradient(45deg)",
        "linear-gradient(45deg, red)",
        "linear-gradient(to middle, red, blue)",
        "linear-gradient(45, red, blue)",
        "linear-gradient(red, reddish)",
        "linear-gradient(red, blue -5%)",
        "linear-gradient(red, , blue)",
        "linear-gradient(red, blue",
        "radial-gradient(45deg, red, blue)",
        "conic-gradient(red, blue)",
        "url(http://example.com/)",
        f"linear-gradient({', '.join(['black'] * (MOST_STOPS + 1))})",
    ],
)
def test_anything_else_is_no_gradient(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_gradient(text)


@pytest.mark.parametrize("filling", [",", "(,", " ", "1 "])
def test_a_text_longer_than_any_gradient_is_refused_unread(filling: str) -> None:
    with pytest.raises(ValueError, match="is no gradient"):
        parse_gradient(f"linear-gradient(red, a{filling * 500_000}x)")  # took hours


def test_any_white_space_is_as_good_as_a_blank() -> None:
    plain = parse_gradient("linear-gradient(red 50%, blue)")
    assert parse_gradient("linear-gradient(red\n50%,\r\n\tblue)") == plain
    assert parse_gradient("linear-gradient(\n  red\t50%,\n  blue\n)") == plain
