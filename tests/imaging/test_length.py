"""Lengths as people write them."""

from __future__ import annotations

import pytest

from app.imaging.length import Length, parse_length


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("12px", Length(12)),
        ("12", Length(12)),
        ("12 px", Length(12)),
        (" 12PX ", Length(12)),
        ("0", Length(0)),
        ("-3.5px", Length(-3.5)),
        ("+4", Length(4)),
        ("5%", Length(5, is_percent=True)),
        ("12.5 %", Length(12.5, is_percent=True)),
    ],
)
def test_pixels_and_percentages_are_read(text: str, length: Length) -> None:
    assert parse_length(text) == length


@pytest.mark.parametrize(
    "text", ["", "px", "%", "5em", "5 5", "1e3", "nan", "inf", "0x10", "5px%", "--5", "5,5", ".5.", "12345678"]
)
def test_anything_else_is_no_length(text: str) -> None:
    with pytest.raises(ValueError, match="is no length"):
        parse_length(text)


def test_a_percentage_is_of_what_there_is_and_pixels_shrink_with_their_photo() -> None:
    assert parse_length("25%").px(400) == 100
    assert parse_length("25%").px(200, reduced_to=0.5) == 50
    assert parse_length("25px").px(400) == 25
    assert parse_length("25px").px(200, reduced_to=0.5) == 12.5
