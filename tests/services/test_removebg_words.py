"""remove.bg's words, good and bad."""

from __future__ import annotations

import pytest

from app.errors import BadRequest
from app.imaging.backdrop import Plain, Veil
from app.imaging.layout import CENTER, Layout
from app.imaging.length import Length
from app.imaging.shadow import Shadow
from app.services.options import CutoutOptions, ImageBehind
from app.services.removebg_words import read_removebg_words


def options(**words: str) -> CutoutOptions:
    return read_removebg_words(words).options


TWO, THREE, FOUR, FIVE = (Length(px) for px in (2, 3, 4, 5))


@pytest.mark.parametrize(
    ("size", "megapixels", "png_megapixels"),
    [
        ("", 0.25, 0.25),
        ("preview", 0.25, 0.25),
        ("small", 0.25, 0.25),
        ("regular", 0.25, 0.25),
        ("medium", 1.5, 1.5),
        ("hd", 4, 4),
        ("full", 25, 10),
        ("4k", 25, 10),
        ("auto", 25, 10),
        ("50MP", 50, 10),
        ("4K", 25, 10),
    ],
)
def test_a_size_is_so_many_megapixels_and_a_png_has_at_most_ten(
    size: str, megapixels: float, png_megapixels: float
) -> None:
    for file_format in ("jpg", "webp", "zip"):
        assert options(size=size, format=file_format).enough_megapixels == megapixels
    for file_format in ("png", "auto"):
        assert options(size=size, format=file_format).enough_megapixels == png_megapixels


@pytest.mark.parametrize(
    ("words", "file_format"),
    [
        ({}, "png"),
        ({"format": "auto"}, "png"),
        ({"bg_color": "red"}, "jpeg"),
        ({"bg_color": "ff0000ff"}, "jpeg"),
        ({"bg_color": "ff000080"}, "png"),
        ({"bg_color": "transparent"}, "png"),
        ({"channels": "alpha", "bg_color": "red"}, "png"),
        ({"format": "PNG", "bg_color": "red"}, "png"),
        ({"format": "jpg"}, "jpeg"),
        ({"format": "jpeg"}, "jpeg"),
        ({"format": "webp"}, "webp"),
        ({"format": "zip"}, "zip"),
    ],
)
def test_the_automatic_format_is_png_where_anything_is_see_through(words: dict[str, str], file_format: str) -> None:
    assert options(**words).format == file_format


@pytest.mark.parametrize(
    ("word", "background"),
    [
        ("", None),
        ("81d4fa", Plain((129, 212, 250))),
        ("#81d4fa", Plain((129, 212, 250))),
        ("fff", Plain((255, 255, 255))),
        ("#FFF", Plain((255, 255, 255))),
        ("green", Plain((0, 128, 0))),
        ("81d4faff", Plain((129, 212, 250))),
        ("#f00f", Plain((255, 0, 0))),
        ("81d4fa33", Veil((129, 212, 250), 0.2)),
        ("#f003", Veil((255, 0, 0), 0.2)),
        ("81d4fa00", None),
    ],
)
def test_a_colour_is_hex_or_a_name_and_may_let_through(word: str, background: object) -> None:
    assert options(bg_color=word).background == background


def test_an_image_behind_covers_the_canvas_and_is_opaque() -> None:
    found = read_removebg_words({}, background_image=b"bytes").options
    assert (found.background, found.format) == (ImageBehind(b"bytes", "cover"), "jpeg")


@pytest.mark.parametrize(
    ("words", "layout"),
    [
        ({}, Layout()),
        ({"crop": "true"}, Layout(crop=True)),
        ({"crop": "1", "crop_margin": "5"}, Layout(crop=True, margin=(FIVE,) * 4)),
        ({"crop": "yes", "crop_margin": "2px 3px"}, Layout(crop=True, margin=(TWO, THREE) * 2)),
        (
            {"crop": "TRUE", "crop_margin": "2px 3% 4px 5"},
            Layout(crop=True, margin=(TWO, Length(3, is_percent=True), FOUR, FIVE)),
        ),
        ({"scale": "50%"}, Layout(scale=0.5, position=CENTER)),
        ({"scale": "50%", "position": "original"}, Layout(scale=0.5)),
        ({"scale": "original"}, Layout()),
        ({"position": "center"}, Layout(position=CENTER)),
        ({"position": "original"}, Layout()),
        ({"position": "10%"}, Layout(position=(0.1, 0.1))),
        ({"position": "10% 90%"}, Layout(position=(0.1, 0.9))),
    ],
)
def test_the_layout_is_as_they_have_it(words: dict[str, str], layout: Layout) -> None:
    assert options(**words).layout == layout


def test_a_margin_without_a_crop_moves_nothing() -> None:
    assert not options(crop_margin="20%").layout.moves


@pytest.mark.parametrize(
    ("words", "shadow"),
    [
        ({}, None),
        ({"add_shadow": "true"}, Shadow()),
        ({"add_shadow": "0"}, None),
        ({"shadow_type": "drop", "shadow_opacity": "70"}, Shadow(opacity=0.7)),
        ({"shadow_type": "3D"}, Shadow()),
        ({"shadow_type": "auto"}, Shadow()),
        ({"shadow_type": "car"}, Shadow()),
        ({"shadow_type": "none", "add_shadow": "true"}, None),
        ({"add_shadow": "true", "channels": "alpha"}, None),
    ],
)
def test_every_shadow_is_a_drop_shadow(words: dict[str, str], shadow: Shadow | None) -> None:
    assert options(**words).shadow == shadow


@pytest.mark.parametrize(
    ("words", "subject_type"),
    [
        ({}, "other"),
        ({"type": "auto"}, "other"),
        ({"type": "person"}, "person"),
        ({"type": "car_interior", "type_level": "latest"}, "car_interior"),
        ({"type": "transportation", "type_level": "2"}, "transportation"),
        ({"type": "car", "type_level": "none"}, None),
    ],
)
def test_the_type_is_what_the_client_says(words: dict[str, str], subject_type: str | None) -> None:
    assert read_removebg_words(words).subject_type == subject_type


def test_what_is_empty_or_not_known_changes_nothing() -> None:
    names = ("size", "type", "type_level", "format", "roi", "crop", "crop_margin", "scale", "position", "channels")
    more = ("add_shadow", "shadow_type", "shadow_opacity", "semitransparency", "bg_color")
    empty = {**dict.fromkeys(names, ""), **dict.fromkeys(more, " "), "image_file_b64": "x", "whatever": "1"}
    assert read_removebg_words(empty) == read_removebg_words({})


BAD = {
    "size": ["huge", "0.25", "100x100"],
    "type": ["cat"],
    "type_level": ["3", "first"],
    "format": ["gif", "avif", "image/png"],
    "roi": ["0 0 100%", "left", "0 0 -5 9", "0 0 1em 2em"],
    "crop": ["maybe", "2"],
    "crop_margin": ["-1px", "1 2 3", "wide"],
    "scale": ["5%", "101%", "nan", "big"],
    "position": ["101%", "left", "-1%", "1% 2% 3%"],
    "channels": ["rgb", "a"],
    "add_shadow": ["maybe"],
    "shadow_type": ["long"],
    "shadow_opacity": ["101", "-1", "dark"],
    "semitransparency": ["half"],
    "bg_color": ["reddish", "#ff", "#12345", "1234567", "#ggg"],
}


@pytest.mark.parametrize(("name", "word"), [(name, word) for name, words in BAD.items() for word in words])
def test_a_value_that_cannot_be_used_is_refused_by_name(name: str, word: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        read_removebg_words({name: word})
    assert refusal.value.code == f"invalid_{name}"
    assert name in refusal.value.message
