"""Whatever is asked of whatever photo: a picture of the right size comes, or an error with a code and a sentence."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from app.config import Settings
from app.errors import AppError
from app.imaging.encode import FORMATS
from app.imaging.layout import Canvas
from app.services.option_words import OPTION_FIELDS, read_options
from app.services.options import OUTPUTS
from app.services.presets import PRESETS
from app.services.tiny_u2net_service import Cutout, TinyU2NetService
from tests.support import FakeModels, encoded, opened, picture

SERVICE = TinyU2NetService(Settings(), FakeModels())  # type: ignore[arg-type]
BEHIND = encoded(picture(30, 20), "JPEG")
COLORS = st.sampled_from(["", "white", "#08f", "1,2,3", "transparent"])
PERCENT = st.integers(0, 100).map("{}%".format)
LENGTH = st.one_of(st.integers(0, 60).map("{}px".format), st.integers(0, 60).map("{}%".format))
SIDES = st.integers(1, 300)

WORDS: dict[str, st.SearchStrategy[str]] = {
    "output": st.sampled_from(OUTPUTS),
    "format": st.sampled_from([*FORMATS, "jpg"]),
    "image_quality": st.sampled_from(["1", "60", "100", "lossless"]),
    "background_color": COLORS,
    "background_gradient": st.sampled_from(
        ["linear-gradient(red, blue)", "linear-gradient(77deg, red, gold 20%, navy)", "radial-gradient(white, black)"]
    ),
    "background_blur": st.integers(4, 100).map(str),
    "background_fit": st.sampled_from(["cover", "contain", "tile"]),
    "shadow": st.sampled_from(["true", "false"]),
    "shadow_offset": st.tuples(st.integers(-200, 200), st.integers(-200, 200)).map("{0[0]} {0[1]}".format),
    "shadow_blur": st.integers(0, 200).map(str),
    "shadow_opacity": PERCENT,
    "shadow_color": COLORS.filter(lambda word: word != "transparent"),
    "preset": st.sampled_from(list(PRESETS)),
    "size": st.one_of(
        st.tuples(SIDES, SIDES).map("{0[0]}x{0[1]}".format),
        st.tuples(st.integers(1, 20), st.integers(1, 20)).map("{0[0]}:{0[1]}".format),
    ),
    "crop": st.sampled_from(["true", "false"]),
    "crop_margin": st.lists(LENGTH, min_size=1, max_size=4).map(" ".join),
    "scale": st.integers(10, 100).map("{}%".format),
    "position": st.one_of(st.sampled_from(["center", "original"]), st.tuples(PERCENT, PERCENT).map(" ".join)),
    "roi": st.tuples(LENGTH, LENGTH, LENGTH, LENGTH).map(" ".join),
    "mask_dilation": st.integers(-30, 30).map(str),
    "feather": st.integers(0, 30).map(str),
    "threshold": st.integers(0, 255).map(str),
    "keep_largest": st.sampled_from(["true", "false"]),
    "fill_holes": st.sampled_from(["true", "false"]),
    "quality": st.sampled_from(["fast", "balanced", "best"]),
    "resize": st.sampled_from(["dynamic", "static", "hybrid"]),
    "on_unknown": st.sampled_from(["error", "pass"]),
    "color_profile": st.sampled_from(["srgb", "keep"]),
}
SOME = st.lists(st.sampled_from(sorted(WORDS)), max_size=6, unique=True).flatmap(
    lambda names: st.fixed_dictionaries({name: WORDS[name] for name in names})
)


def test_every_option_is_tried() -> None:
    assert {*WORDS, "model"} == set(OPTION_FIELDS)


def check_file(cutout: Cutout, output: str) -> None:
    """The file is what it says, its pictures have the size it says, and its alpha is more than a trace of a bug."""
    if cutout.format == "zip":
        with zipfile.ZipFile(io.BytesIO(cutout.image)) as members:
            pictures = [opened(members.read(name)) for name in members.namelist()]
    else:
        pictures = [opened(cutout.image)]
        assert pictures[0].format == cutout.format.upper()
    for image in pictures:
        assert image.size == (cutout.width, cutout.height)
    if output == "mask":
        assert np.asarray(pictures[0].convert("RGB")).std(axis=2).max() < 12, "a mask is grey"


@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    words=SOME,
    size=st.tuples(st.integers(1, 240), st.integers(1, 240)),
    mode=st.sampled_from(["RGB", "RGBA", "L"]),
    behind=st.sampled_from([None, None, BEHIND]),
)
def test_any_options_of_any_photo_give_a_picture_of_the_right_size_or_a_sentence(
    words: dict[str, str], size: tuple[int, int], mode: str, behind: bytes | None
) -> None:
    photo = encoded(picture(*size, mode), "PNG")
    try:
        options = read_options(words, background_image=behind)
        cutout = SERVICE.cut_out(photo, options)
    except AppError as error:
        assert 400 <= error.status < 500, error
        assert error.code != "internal_error"
        assert error.message.endswith((".", "?"))
        return
    canvas = options.layout.canvas
    if canvas is None and not options.layout.crop:
        assert (cutout.width, cutout.height) == size
    elif isinstance(canvas, Canvas) and not canvas.is_shape:
        assert (cutout.width, cutout.height) == (canvas.width, canvas.height)
    elif isinstance(canvas, Canvas):
        # A side is rounded to whole pixels.
        assert abs(cutout.width - cutout.height * canvas.width / canvas.height) <= max(1, canvas.width / canvas.height)
    assert not cutout.resized
    check_file(cutout, options.output)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.dictionaries(st.sampled_from(OPTION_FIELDS), st.text(max_size=40), max_size=3))
def test_any_text_as_an_option_is_an_option_or_an_error_that_names_it(words: dict[str, str]) -> None:
    try:
        read_options(words)
    except AppError as error:
        assert error.status == 400
        known = {f"invalid_{name}" for name in words} | {"multiple_backgrounds", "conflicting_options"}
        assert error.code in known


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    words=SOME.map(lambda words: {**words, "format": "png", "output": "cutout"}),
    size=st.tuples(st.integers(40, 240), st.integers(40, 240)),
)
def test_alpha_is_solid_where_the_subject_is_and_hidden_colours_are_black(
    words: dict[str, str], size: tuple[int, int]
) -> None:
    try:
        options = read_options(words)
        cutout = SERVICE.cut_out(encoded(picture(*size), "PNG"), options)
    except AppError:
        return
    image = opened(cutout.image)
    if options.background is not None:
        assert image.mode == "RGB"
        return
    rgba = np.asarray(image.convert("RGBA"))
    assert (rgba[rgba[:, :, 3] == 0] == 0).all()


@pytest.mark.parametrize("suffix", ["PNG", "JPEG"])
def test_a_photo_of_one_pixel_is_no_accident(suffix: str) -> None:
    try:
        SERVICE.cut_out(encoded(Image.new("RGB", (1, 1)), suffix), read_options({"preset": "shop", "shadow": "true"}))
    except AppError as error:
        assert error.status == 422
