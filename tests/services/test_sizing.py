"""How large a photo is decoded and its result may be: within the memory, and no smaller than it must be."""

from __future__ import annotations

import math
from functools import partial

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.errors import BadRequest, UnreadableImage
from app.imaging import decode, encode
from app.imaging.backdrop import FITS
from app.imaging.decode import SHRINKS, Probe
from app.imaging.layout import Canvas, Layout, place
from app.imaging.length import Length
from app.services import sizing
from app.services.options import CutoutOptions, ImageBehind
from app.services.sizing import Plan
from tests.properties import bounded
from tests.support import encoded, picture

MB = 1024 * 1024
ROOM = 380 * MB
AMPLE = 100_000 * MB
plan = partial(sizing.plan, full_megapixels=40, most_megapixels=120)


def jpeg(width: int, height: int, *, progressive: bool = False) -> Probe:
    return Probe("JPEG", width, height, 6 if progressive else 0)


def png(width: int, height: int) -> Probe:
    return Probe("PNG", width, height)


def exact(width: int, height: int, **how: object) -> CutoutOptions:
    return CutoutOptions(layout=Layout(canvas=Canvas(width, height), **how))


@st.composite
def probes(draw: st.DrawFn, formats: tuple[str, ...] = ("JPEG", "PNG", "WEBP", "AVIF", "TIFF", "HEIF")) -> Probe:
    file_format = draw(st.sampled_from(formats))
    held = {"JPEG": [0, 6, 8], "WEBP": [13], "AVIF": [10, 13], "TIFF": [10, 12], "HEIF": [3, 6, 16]}
    codec = draw(st.sampled_from(held.get(file_format, [0])))
    width, height = draw(st.integers(1, 14_000)), draw(st.integers(1, 14_000))
    return Probe(file_format, width, height, codec)


@st.composite
def options_and_image(draw: st.DrawFn) -> tuple[CutoutOptions, Probe | None]:
    image = draw(st.one_of(st.none(), probes()))
    canvas = draw(
        st.one_of(
            st.none(),
            st.builds(Canvas, st.integers(1, 10_000), st.integers(1, 10_000)),
            st.sampled_from([Canvas(1, 1, is_shape=True), Canvas(9, 16, is_shape=True), Canvas(20, 1, is_shape=True)]),
        )
    )
    layout = Layout(
        crop=draw(st.booleans()),
        margin=(Length(draw(st.integers(0, 100)), is_percent=True),) * 4,
        canvas=canvas,
        scale=draw(st.sampled_from([None, 0.1, 0.85])),
    )
    fit = draw(st.sampled_from(FITS))
    behind = None if image is None else ImageBehind(b"", fit)
    file_format = draw(st.sampled_from(list(encode.FORMATS)))
    return CutoutOptions(format=file_format, background=behind, layout=layout), image


def plan_that_fits(probe: Probe, options: CutoutOptions, image: Probe | None, room_mb: int) -> Plan:
    """The plan; an example that is refused is passed over."""
    try:
        return plan(probe, options, image, room_bytes=room_mb * MB)
    except (BadRequest, UnreadableImage):
        assume(False)
        raise


@bounded
@given(probes(), options_and_image(), st.integers(30, 1500))
def test_a_plan_never_takes_more_than_the_room_there_is(
    probe: Probe, asked: tuple[CutoutOptions, Probe | None], room_mb: int
) -> None:
    options, image = asked
    made = plan_that_fits(probe, options, image, room_mb)
    assert 0 < made.working_bytes <= room_mb * MB
    check_stages(made, probe, options, image, room_mb * MB)


def check_stages(made: Plan, probe: Probe, options: CutoutOptions, image: Probe | None, room_bytes: int) -> None:
    """Each stage by itself: what is held in it at once, added up here anew."""
    own_px = probe.width * probe.height
    photo_px = made.photo.most_px
    assert made.photo.shrink in SHRINKS
    assert made.photo.shrink == 1 or probe.format == "JPEG"
    assert made.reduced or options.layout.is_exact or photo_px == own_px
    behind = 0.0
    if image is not None:
        assert made.image is not None
        behind = 4 * min(made.image.most_px, image.width * image.height)
        assert image.loaded_bytes(made.image.shrink) + behind <= room_bytes
    stages = {
        "decoding": probe.loaded_bytes(made.photo.shrink) + 4 * photo_px,
        "scans of a progressive photo": probe.loaded_bytes(made.photo.shrink) + probe.codec_bytes_per_pixel * own_px,
        "edges": 6 * photo_px,
        "composing": 4 * photo_px + 4 * made.canvas_px,
        "encoding": encode.FORMATS[options.format].bytes_per_pixel * made.canvas_px,
    }
    for stage, taken in stages.items():
        assert behind + taken <= room_bytes + 1, stage
        assert behind + taken <= made.working_bytes + 1, stage
    assert photo_px <= 40e6


@bounded
@given(probes(), options_and_image(), st.integers(30, 1500))
def test_the_canvas_of_a_plan_is_the_canvas_that_is_made(
    probe: Probe, asked: tuple[CutoutOptions, Probe | None], room_mb: int
) -> None:
    options, image = asked
    made = plan_that_fits(probe, options, image, room_mb)
    # What decode makes of it: the size that is kept.
    sides = [math.ceil(side / made.photo.shrink) for side in (probe.width, probe.height)]
    scale = min(1.0, math.sqrt(made.photo.most_px / (sides[0] * sides[1])))
    width, height = (max(1, int(side * scale)) for side in sides)
    placement = place(options.layout, height, width, None, most_px=made.canvas_px)
    rounding = placement.canvas_width + placement.canvas_height
    assert placement.canvas_width * placement.canvas_height <= made.canvas_px + rounding
    if not options.layout.moves:
        assert (placement.canvas_width, placement.canvas_height) == (width, height)
        assert not placement.is_reduced  # the photo is, where it must be
    if options.layout.is_exact:
        assert made.canvas_px == placement.canvas_width * placement.canvas_height


@pytest.mark.parametrize("probe", [jpeg(6000, 4000), png(4000, 3000), jpeg(4000, 3000, progressive=True)])
def test_what_fits_is_worked_on_at_its_full_size(probe: Probe) -> None:
    made = plan(probe, CutoutOptions(), None, room_bytes=ROOM)
    assert made.photo == sizing.Decoding(1, probe.width * probe.height)
    assert made.canvas_px == probe.width * probe.height
    assert not made.reduced


def test_above_the_full_megapixels_a_photo_is_reduced_to_them() -> None:
    made = plan(jpeg(10_000, 8000), CutoutOptions(), None, room_bytes=AMPLE)
    assert made.reduced
    assert made.photo == sizing.Decoding(1, 40e6)
    assert not plan(jpeg(8000, 5000), CutoutOptions(), None, room_bytes=AMPLE).reduced


def test_what_does_not_fit_is_reduced_as_little_as_can_be() -> None:
    full = plan(png(6000, 6000), CutoutOptions(), None, room_bytes=AMPLE)
    tight = plan(png(6000, 6000), CutoutOptions(), None, room_bytes=full.working_bytes * 0.8)
    assert tight.reduced
    assert 0.75 * 36e6 * 0.8 < tight.photo.most_px < 36e6
    assert tight.working_bytes == pytest.approx(full.working_bytes * 0.8, rel=0.3)


def test_more_room_never_keeps_fewer_pixels() -> None:
    kept = [
        plan(jpeg(9000, 9000, progressive=True), CutoutOptions(), None, room_bytes=room * MB).photo.most_px
        for room in range(600, 1600, 25)
    ]
    assert sorted(kept) == kept


def test_a_jpeg_that_does_not_fit_is_decoded_smaller_and_a_png_is_not_worked_on() -> None:
    made = plan(jpeg(10_000, 10_000), CutoutOptions(), None, room_bytes=ROOM)
    assert made.photo.shrink > 1
    assert made.reduced
    with pytest.raises(UnreadableImage, match=r"10000 × 10000 pixels, 100.0 megapixels; from PNG to PNG") as refusal:
        plan(png(10_000, 10_000), CutoutOptions(), None, room_bytes=ROOM)
    assert refusal.value.code == "too_many_pixels"


def test_of_a_progressive_jpeg_all_coefficients_must_fit_however_small_it_is_decoded() -> None:
    assert plan(jpeg(8000, 8000), CutoutOptions(), None, room_bytes=ROOM).photo.most_px > 8e6
    with pytest.raises(UnreadableImage):
        plan(jpeg(8000, 8000, progressive=True), CutoutOptions(), None, room_bytes=ROOM)
    made = plan(jpeg(7000, 7000, progressive=True), CutoutOptions(), None, room_bytes=ROOM)
    assert made.photo.shrink > 1  # 49 MP: 280 MiB of coefficients, and no room for all pixels


def test_more_than_the_most_megapixels_is_refused_whatever_room_there_is() -> None:
    assert plan(jpeg(12_100, 10_000), CutoutOptions(), None, room_bytes=AMPLE).reduced, "a hundredth more is a rounding"
    with pytest.raises(UnreadableImage) as refusal:
        plan(jpeg(12_200, 10_000), CutoutOptions(), None, room_bytes=AMPLE)
    assert refusal.value.code == "too_many_pixels"


def test_a_photo_is_refused_sooner_than_made_a_thumbnail() -> None:
    with pytest.raises(UnreadableImage):
        plan(jpeg(10_000, 10_000), CutoutOptions(), None, room_bytes=30 * MB)
    assert plan(jpeg(2000, 2000), CutoutOptions(), None, room_bytes=10 * MB).reduced


def test_a_dear_format_makes_a_smaller_result_of_the_same_photo() -> None:
    sizes = {
        name: plan(jpeg(8000, 4500), CutoutOptions(format=name), None, room_bytes=ROOM).canvas_px
        for name in ("png", "webp", "avif")
    }
    assert sizes["avif"] < sizes["webp"] < sizes["png"]


@bounded
@given(st.integers(1, 3000), st.integers(1, 3000), probes())
def test_an_exact_canvas_is_never_reduced(width: int, height: int, probe: Probe) -> None:
    try:
        made = plan(probe, exact(width, height), None, room_bytes=ROOM)
    except UnreadableImage:
        assume(False)
        raise
    assert made.canvas_px == width * height


def test_an_exact_canvas_that_does_not_fit_is_refused_by_its_own_name() -> None:
    with pytest.raises(BadRequest, match=r"100.0 megapixels; in AVIF this server makes up to 11.7") as refusal:
        options = CutoutOptions(format="avif", layout=Layout(canvas=Canvas(10_000, 10_000)))
        plan(jpeg(800, 600), options, None, room_bytes=ROOM)
    assert refusal.value.code == "invalid_size"


def test_all_of_a_large_jpeg_on_a_small_canvas_is_decoded_small_and_counts_as_whole() -> None:
    made = plan(jpeg(9000, 6001), exact(600, 600), None, room_bytes=ROOM)
    assert made.photo == sizing.Decoding(4, 2250 * 1501)
    assert not made.reduced


@pytest.mark.parametrize("how", [{"crop": True}, {"scale": 0.85}, {"position": (1.0, 1.0)}])
def test_where_the_subject_may_be_small_all_of_its_pixels_are_kept(how: dict[str, object]) -> None:
    assert plan(jpeg(6000, 4000), exact(600, 600, **how), None, room_bytes=ROOM).photo == sizing.Decoding(1, 24e6)


@bounded
@given(st.integers(1, 9000), st.integers(1, 9000), st.integers(1, 4000), st.integers(1, 4000))
def test_a_photo_decoded_small_has_still_twice_the_pixels_a_side_that_the_canvas_shows(
    width: int, height: int, canvas_width: int, canvas_height: int
) -> None:
    made = plan(jpeg(width, height), exact(canvas_width, canvas_height), None, room_bytes=AMPLE, full_megapixels=90)
    sides = (width, height), (height, width)
    factor = max(min(canvas_width / across, canvas_height / down) for across, down in sides)
    if made.photo.shrink > 1:
        assert max(width, height) / made.photo.shrink >= 1024
        assert 1 / made.photo.shrink >= 2 * factor
    assert made.photo.most_px == math.ceil(width / made.photo.shrink) * math.ceil(height / made.photo.shrink)
    assert not made.reduced


def test_a_jpeg_decoded_small_is_not_resampled_once_more() -> None:
    probe = decode.probe(encoded(picture(4097, 2051), "JPEG"))
    made = plan(probe, exact(100, 100), None, room_bytes=ROOM)
    assert made.photo.shrink == 4
    photo = decode.decode(encoded(picture(4097, 2051), "JPEG"), shrink=made.photo.shrink, most_px=made.photo.most_px)
    assert photo.rgb.shape == (513, 1025, 3)


def behind(fit: str = "cover", **how: object) -> CutoutOptions:
    return CutoutOptions(background=ImageBehind(b"", fit), **how)


def test_an_image_behind_is_kept_with_what_the_canvas_shows_of_it() -> None:
    made = plan(jpeg(1000, 800), behind(), jpeg(6000, 4000), room_bytes=ROOM)
    assert made.image is not None
    assert made.image.most_px == 2 * 800_000
    assert made.photo.most_px == 800_000
    assert not made.reduced


def test_a_tile_is_kept_at_its_own_size() -> None:
    made = plan(jpeg(1000, 800), behind("tile"), png(2000, 2000), room_bytes=ROOM)
    assert made.image == sizing.Decoding(1, 4e6)


def test_an_image_behind_takes_its_room_from_the_photo() -> None:
    alone = plan(jpeg(6000, 5000), CutoutOptions(), None, room_bytes=ROOM)
    both = plan(jpeg(6000, 5000), behind(), jpeg(6000, 5000), room_bytes=ROOM)
    assert both.photo.most_px < alone.photo.most_px
    assert both.image is not None
    assert 4 * both.image.most_px <= ROOM / 3


def test_an_image_behind_that_cannot_be_decoded_is_refused_by_its_own_name() -> None:
    with pytest.raises(BadRequest, match="background image has 196.0 megapixels") as refusal:
        plan(jpeg(1000, 800), behind(), png(14_000, 14_000), room_bytes=ROOM)
    assert refusal.value.code == "invalid_background_image"


def test_without_an_image_there_is_no_plan_for_one() -> None:
    assert plan(jpeg(1000, 800), CutoutOptions(), None, room_bytes=ROOM).image is None


@pytest.mark.parametrize("file_format", ["png", "webp", "avif"])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("room_mb", [20, 50, 100, 150, 200])
def test_what_a_refusal_says_would_do_does(file_format: str, progressive: bool, room_mb: int) -> None:
    options = CutoutOptions(format=file_format)
    for width in (4000, 6000, 9000, 12_000):
        try:
            plan(jpeg(width, width * 2 // 3, progressive=progressive), options, None, room_bytes=room_mb * MB)
        except UnreadableImage as refusal:
            most = float(refusal.message.split("works on up to ")[1].split(" ")[0].rstrip("."))
            assert most < width * width * 2 / 3 / 1e6
            side = int((most * 1e6 * 1.5) ** 0.5)
            if most:
                plan(jpeg(side, side * 2 // 3, progressive=progressive), options, None, room_bytes=room_mb * MB)
