"""Every option's words, good and bad."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import BadRequest
from app.imaging.backdrop import Plain
from app.imaging.encode import FORMATS, LOSSLESS
from app.imaging.gradient import Gradient
from app.imaging.layout import CENTER, Canvas, Layout
from app.imaging.length import Length
from app.imaging.matte import MatteControls
from app.imaging.shadow import Shadow
from app.services.option_words import OPTION_FIELDS, read_options
from app.services.options import BlurredPhoto, CutoutOptions, ImageBehind, Roi
from app.services.presets import PRESETS
from tests.properties import bounded


def px(*values: float) -> tuple[Length, ...]:
    return tuple(Length(value) for value in values)


def percent(*values: float) -> tuple[Length, ...]:
    return tuple(Length(value, is_percent=True) for value in values)


def found(options: CutoutOptions, path: str) -> Any:
    value: Any = options
    for name in path.split("."):
        value = getattr(value, name)
    return value


# Field, word, where it is found, and what is found there; fields that need another are below.
GOOD: list[tuple[str, str, str, object]] = [
    ("output", "cutout", "output", "cutout"),
    ("output", " MASK ", "output", "mask"),
    ("format", "png", "format", "png"),
    ("format", "JPG", "format", "jpeg"),
    ("format", "jpeg", "format", "jpeg"),
    ("format", "webp", "format", "webp"),
    ("format", "avif", "format", "avif"),
    ("format", "zip", "format", "zip"),
    ("image_quality", "1", "image_quality", 1),
    ("image_quality", "100", "image_quality", 100),
    ("image_quality", "Lossless", "image_quality", LOSSLESS),
    ("background_color", "#ff8800", "background", Plain((255, 136, 0))),
    ("background_color", "black", "background", Plain((0, 0, 0))),
    ("background_color", "255,136,0", "background", Plain((255, 136, 0))),
    ("background_color", "Transparent", "background", None),
    (
        "background_gradient",
        "linear-gradient(to right, red, gold)",
        "background",
        Gradient(90, ((0, (255, 0, 0)), (1, (255, 215, 0)))),
    ),
    ("background_gradient", "radial-gradient(white,black)", "background.angle_deg", None),
    ("background_blur", "4", "background", BlurredPhoto(4)),
    ("background_blur", "100px", "background", BlurredPhoto(100)),
    ("shadow", "true", "shadow", Shadow()),
    ("shadow", "YES", "shadow", Shadow()),
    ("shadow", "false", "shadow", None),
    ("shadow", "0", "shadow", None),
    ("preset", "square", "layout", PRESETS["square"].layout),
    ("preset", "Shop", "layout", PRESETS["shop"].layout),
    ("size", "600x400", "layout.canvas", Canvas(600, 400)),
    ("size", "600 × 400", "layout.canvas", Canvas(600, 400)),
    ("size", "600X400", "layout.canvas", Canvas(600, 400)),
    ("size", "10000x1", "layout.canvas", Canvas(10_000, 1)),
    ("size", "4:5", "layout.canvas", Canvas(4, 5, is_shape=True)),
    ("size", "1 : 20", "layout.canvas", Canvas(1, 20, is_shape=True)),
    ("crop", "true", "layout.crop", True),
    ("crop", "off", "layout.crop", False),
    ("scale", "50%", "layout.scale", 0.5),
    ("scale", "10", "layout.scale", 0.1),
    ("scale", "100 %", "layout.scale", 1.0),
    ("scale", "original", "layout.scale", None),
    ("position", "center", "layout.position", (0.5, 0.5)),
    ("position", "original", "layout.position", None),
    ("position", "50% 100%", "layout.position", (0.5, 1.0)),
    ("position", "0,25", "layout.position", (0.0, 0.25)),
    ("position", "30%", "layout.position", (0.3, 0.3)),
    ("roi", "10% 0 90% 100%", "roi", Roi(*percent(10), *px(0), *percent(90, 100))),
    ("roi", "1,2,3,4", "roi", Roi(*px(1, 2, 3, 4))),
    ("mask_dilation", "-30", "matte", MatteControls(dilation_px=-30)),
    ("mask_dilation", "2.5px", "matte", MatteControls(dilation_px=2.5)),
    ("feather", "30", "matte", MatteControls(feather_px=30)),
    ("threshold", "1", "matte", MatteControls(threshold=1)),
    ("threshold", "255", "matte", MatteControls(threshold=255)),
    ("keep_largest", "on", "matte", MatteControls(keep_largest=True)),
    ("fill_holes", "1", "matte", MatteControls(fill_holes=True)),
    ("model", "isnet-general-use", "model", "isnet-general-use"),
    ("resize", "Hybrid", "resize", "hybrid"),
    ("quality", "best", "quality", "best"),
    ("on_unknown", "pass", "on_unknown", "pass"),
    ("color_profile", "keep", "color_profile", "keep"),
]

BAD: dict[str, list[str]] = {
    "output": ["picture", "alpha"],
    "format": ["gif", "heic", "png8", "image/png"],
    "image_quality": ["0", "101", "-1", "92.5", "high", "٩٠", "1e2"],
    "background_color": ["reddish", "#ff", "256,0,0", "rgba(0,0,0,0)"],
    "background_gradient": ["red", "linear-gradient(red)", "conic-gradient(red, blue)", "transparent"],
    "background_blur": ["3.9", "101", "nan", "inf", "wide", "5%"],
    "background_fit": ["fill", "stretch"],
    "shadow": ["maybe", "2", "soft"],
    "shadow_offset": ["5", "1 2 3", "201 0", "0 -201", "5% 0", "right", "5em 0"],
    "shadow_blur": ["-1", "201", "nan", "wide"],
    "shadow_opacity": ["-1", "101%", "dark", "nan"],
    "shadow_color": ["shade", "transparent"],
    "preset": ["facebook", "square,shop"],
    "size": ["600", "0x5", "5x0", "10001x5", "600x", "-5x5", "4:0", "1:21", "1.5:1", "600x600x600", "4:5:6"],
    "crop": ["tight", "5px"],
    "crop_margin": ["-1", "1 2 3", "1 2 3 4 5", "wide", "5em", "nan"],
    "scale": ["9", "101%", "0.5", "large", "-50%"],
    "position": ["top", "101%", "1 2 3", "-5% 0", "50px"],
    "roi": ["1 2 3", "1 2 3 4 5", "-1 0 5 5", "all", "nan 0 5 5"],
    "mask_dilation": ["31", "-31", "nan", "wide", "5%"],
    "feather": ["-1", "31", "inf", "soft"],
    "threshold": ["-1", "256", "nan", "half", "50%"],
    "keep_largest": ["two"],
    "fill_holes": ["most"],
    "model": ["../u2net", "a b", "http://example.com", "m" * 65, "modèle"],
    "resize": ["640", "none"],
    "quality": ["ultra", "92"],
    "on_unknown": ["ignore"],
    "color_profile": ["adobe"],
}


@pytest.mark.parametrize(("field", "word", "path", "value"), GOOD)
def test_a_good_word_is_understood(field: str, word: str, path: str, value: object) -> None:
    image_format = "webp" if field == "image_quality" else "png"
    assert found(read_options({field: word}, image_format=image_format), path) == value


@pytest.mark.parametrize(("field", "word"), [(field, word) for field, words in BAD.items() for word in words])
def test_a_bad_word_is_refused_by_the_name_of_its_field_with_what_to_send(field: str, word: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        read_options({field: word, "crop": "true"} if field == "crop_margin" else {field: word}, image_format="jpeg")
    assert refusal.value.code == f"invalid_{field}"
    assert refusal.value.message.startswith(f"{field} {word[:50]!r} cannot be used. ")
    assert refusal.value.message.endswith(".")


def test_every_option_has_its_bad_words_here() -> None:
    assert set(BAD) == set(OPTION_FIELDS)


@pytest.mark.parametrize("field", OPTION_FIELDS)
def test_an_empty_word_counts_as_absent(field: str) -> None:
    assert read_options({field: "  "}) == read_options({}) == CutoutOptions()


@bounded
@given(st.sampled_from(OPTION_FIELDS), st.text(max_size=40))
def test_any_text_at_all_is_understood_or_refused(field: str, text: str) -> None:
    try:
        options = read_options({field: text})
    except BadRequest as refusal:
        assert refusal.code in (f"invalid_{field}", "conflicting_options")
    else:
        assert isinstance(options, CutoutOptions)


@pytest.mark.parametrize("field", [field for field in OPTION_FIELDS if field != "shadow_blur"])
def test_a_very_long_word_is_refused_in_a_short_sentence(field: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        read_options({field: "7 " * 100_000})
    assert len(refusal.value.message) < 400


def test_a_field_that_is_not_known_is_named() -> None:
    with pytest.raises(BadRequest, match="no field 'colour'") as refusal:
        read_options({"colour": "red"})
    assert refusal.value.code == "unknown_field"


@pytest.mark.parametrize("name", FORMATS)
def test_what_accept_names_is_the_format_when_none_is_asked_for(name: str) -> None:
    assert read_options({}, image_format=name).format == name
    assert read_options({"format": "png"}, image_format=name).format == "png"


@pytest.mark.parametrize("name", ["jpeg", "avif", "zip"])
def test_only_png_and_webp_lose_nothing(name: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        read_options({"format": name, "image_quality": "lossless"})
    assert refusal.value.code == "invalid_image_quality"


def test_a_shadow_is_all_that_was_said_of_it() -> None:
    fields = {"shadow": "true", "shadow_offset": "-10px, 20", "shadow_blur": "0", "shadow_opacity": "25%"}
    assert read_options({**fields, "shadow_color": "navy"}).shadow == Shadow((-10, 20), 0, 0.25, (0, 0, 128))


def test_the_look_of_a_shadow_that_nobody_wants_is_still_read() -> None:
    assert read_options({"shadow_blur": "5"}).shadow is None
    with pytest.raises(BadRequest):
        read_options({"shadow_blur": "wide"})


@pytest.mark.parametrize(
    ("word", "margin"),
    [
        ("20px", px(20) * 4),
        ("5%", percent(5) * 4),
        ("10% 5px", (*percent(10), *px(5)) * 2),
        ("1 2 3 4", px(1, 2, 3, 4)),
        ("0", px(0) * 4),
    ],
)
def test_a_margin_is_given_as_in_css(word: str, margin: tuple[Length, ...]) -> None:
    assert read_options({"crop": "true", "crop_margin": word}).layout == Layout(crop=True, margin=margin)


def test_a_margin_of_no_crop_is_refused_but_for_none() -> None:
    for fields in ({"crop_margin": "5%"}, {"crop_margin": "5%", "crop": "false"}, {"crop_margin": "5", "size": "4:5"}):
        with pytest.raises(BadRequest) as refusal:
            read_options(fields)
        assert refusal.value.code == "invalid_crop_margin"
    assert not read_options({"crop_margin": "0"}).layout.moves


def test_a_crop_is_not_needed_for_a_preset_that_has_one() -> None:
    assert read_options({"preset": "avatar", "crop_margin": "20%"}).layout.margin == percent(20) * 4


def test_what_is_asked_for_besides_outranks_the_preset() -> None:
    layout = read_options({"preset": "shop", "size": "500x500", "scale": "original", "position": "0% 100%"}).layout
    assert layout == Layout(canvas=Canvas(500, 500), position=(0, 1))
    smaller = Layout(canvas=Canvas(2000, 2000), scale=0.7, position=CENTER)
    assert read_options({"preset": "shop", "scale": "70%"}).layout == smaller
    assert read_options({"scale": "70%"}).layout.position == CENTER
    assert read_options({"scale": "70%", "position": "original"}).layout.position is None


@pytest.mark.parametrize("name", PRESETS)
def test_any_preset_can_be_had_without_its_crop(name: str) -> None:
    layout = read_options({"preset": name, "crop": "false"}).layout
    assert not layout.crop
    assert layout.canvas == PRESETS[name].layout.canvas


GRADIENT = {"background_gradient": "linear-gradient(red, blue)"}


@pytest.mark.parametrize(
    ("fields", "image"),
    [
        ({**GRADIENT, "background_blur": "9"}, None),
        ({**GRADIENT, "background_color": "red"}, None),
        ({"background_blur": "9", "background_color": "black"}, None),
        (GRADIENT, b"image"),
        ({"background_blur": "9"}, b"image"),
    ],
)
def test_two_backgrounds_are_refused(fields: dict[str, str], image: bytes | None) -> None:
    with pytest.raises(BadRequest) as refusal:
        read_options(fields, background_image=image)
    assert refusal.value.code == "multiple_backgrounds"


def test_an_image_behind_may_have_a_colour_and_a_fit() -> None:
    behind = read_options(
        {"background_color": "red", "background_fit": "Contain"}, background_image=b"image"
    ).background
    assert behind == ImageBehind(b"image", "contain", (255, 0, 0))
    assert read_options({}, background_image=b"image").background == ImageBehind(b"image", "cover", (255, 255, 255))


def test_transparent_is_no_second_background() -> None:
    assert read_options({**GRADIENT, "background_color": "transparent"}).background is not None


@pytest.mark.parametrize(
    "behind", [{"background_color": "black"}, {"shadow": "true"}, GRADIENT, {"background_blur": "9"}]
)
@pytest.mark.parametrize("asked", [{"output": "mask"}, {"output": "photo"}, {"format": "zip"}])
def test_a_mask_a_whole_photo_and_a_zip_have_nothing_behind(asked: dict[str, str], behind: dict[str, str]) -> None:
    with pytest.raises(BadRequest) as refusal:
        read_options({**asked, **behind})
    assert refusal.value.code == "conflicting_options"


@pytest.mark.parametrize(
    "change",
    [{"roi": "0 0 50% 50%"}, {"feather": "3"}, {"threshold": "127"}, {"mask_dilation": "2"}, {"fill_holes": "1"}],
)
def test_what_changes_a_cut_out_is_refused_where_nothing_is_cut_out(change: dict[str, str]) -> None:
    with pytest.raises(BadRequest) as refusal:
        read_options({"output": "photo", **change})
    assert refusal.value.code == "conflicting_options"


def test_a_mask_is_not_sent_as_a_zip_but_in_any_other_format() -> None:
    with pytest.raises(BadRequest):
        read_options({"output": "mask", "format": "zip"})
    for name in ("png", "jpeg", "webp", "avif"):
        assert read_options({"output": "mask", "format": name}).format == name
