"""Every way to say a colour."""

from __future__ import annotations

import pytest
from PIL import ImageColor

from app.imaging.color import parse_color, parse_translucent_color


@pytest.mark.parametrize(
    ("text", "rgb"),
    [
        ("#ff8000", (255, 128, 0)),
        ("ff8000", (255, 128, 0)),
        ("FF8000", (255, 128, 0)),
        ("#f80", (255, 136, 0)),
        ("112233", (17, 34, 51)),
        ("red", (255, 0, 0)),
        ("RebeccaPurple", (102, 51, 153)),
        ("0,128,255", (0, 128, 255)),
        (" 0 , 128 , 255 ", (0, 128, 255)),
    ],
)
def test_hex_names_and_triples_are_read(text: str, rgb: tuple[int, int, int]) -> None:
    assert parse_color(text) == rgb


@pytest.mark.parametrize("text", ["", "#", "#ff", "#ff80", "#gggggg", "reddish", "1,2", "1,2,3,4", "256,0,0", "-1,0,0"])
def test_anything_else_is_no_colour(text: str) -> None:
    with pytest.raises(ValueError, match="is no colour"):
        parse_color(text)


def test_a_name_is_still_a_colour_after_pillow_has_used_it() -> None:
    ImageColor.getrgb("hotpink")  # which Pillow keeps as a tuple from then on
    assert parse_color("hotpink") == (255, 105, 180)


@pytest.mark.parametrize(
    ("text", "rgb", "opacity"),
    [
        ("#ff800033", (255, 128, 0), 0.2),
        ("FF8000FF", (255, 128, 0), 1),
        ("f803", (255, 136, 0), 0.2),
        ("#0000", (0, 0, 0), 0),
        ("Transparent", (0, 0, 0), 0),
        ("#ff8000", (255, 128, 0), 1),
        ("red", (255, 0, 0), 1),
    ],
)
def test_hex_may_tell_an_opacity_behind_the_colour(text: str, rgb: tuple[int, int, int], opacity: float) -> None:
    assert parse_translucent_color(text) == (rgb, opacity)


@pytest.mark.parametrize("text", ["", "#ff", "#12345", "1234567", "gggg"])
def test_hex_of_any_other_length_is_no_colour(text: str) -> None:
    with pytest.raises(ValueError, match="is no colour"):
        parse_translucent_color(text)
