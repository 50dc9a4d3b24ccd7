"""Bytes in, upright pixels out; what is no photo is refused before it is decoded."""

from __future__ import annotations

import io
import math
import signal
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps

from app.errors import UnreadableImage, UnsupportedFormat
from app.imaging import avif, decode, resample
from scripts.bad_input import png_with_size
from tests.properties import bounded
from tests.support import encoded, picture

pillow_heif.register_heif_opener()


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "AVIF", "HEIF", "TIFF", "BMP", "GIF"])
def test_the_header_tells_format_and_size(file_format: str) -> None:
    probe = decode.probe(encoded(picture(70, 50), file_format))
    assert (probe.format, probe.width, probe.height) == (file_format, 70, 50)


def test_the_size_of_a_bomb_is_known_without_decoding_it() -> None:
    probe = decode.probe(png_with_size(30_000, 30_000))
    assert (probe.width, probe.height) == (30_000, 30_000)


@pytest.mark.parametrize("file_format", ["PPM", "ICO", "TGA", "PCX", "JPEG2000", "SGI", "EPS", "PDF"])
def test_formats_off_the_list_never_reach_a_decoder(file_format: str) -> None:
    with pytest.raises(UnsupportedFormat, match="JPEG, PNG, WebP, AVIF, HEIC, TIFF, BMP or GIF"):
        decode.probe(encoded(picture(), file_format))


@pytest.mark.parametrize(
    "data",
    [
        b"just text",
        b"BMW and Benz, and text to go on with",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"\0" * 100,
        b"%!PS",
    ],
)
def test_what_is_no_image_is_an_unsupported_format(data: bytes) -> None:
    with pytest.raises(UnsupportedFormat):
        decode.probe(data)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "BMP"])
def test_a_photo_cut_short_is_called_damaged_wherever_it_was_cut(file_format: str) -> None:
    data = encoded(picture(640, 480), file_format)
    for length in (20, 60, len(data) // 2, len(data) - 40):
        with pytest.raises(UnreadableImage, match="damaged or cut short"):
            decode.probe(data[:length])
            decode.decode(data[:length])


def test_an_image_of_no_width_is_refused() -> None:
    with pytest.raises(UnreadableImage):
        decode.probe(png_with_size(0, 10))
    with pytest.raises(UnreadableImage):
        decode.probe(png_with_size(10, 0))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_turned_upright_as_pillow_does(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(picture(64, 40), "PNG", exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    assert np.array_equal(decode.decode(data).rgb, expected)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "CMYK", "YCbCr"])
def test_opaque_modes_become_rgb_without_alpha(mode: str) -> None:
    image = picture(mode=mode)
    data = encoded(image, "JPEG" if mode in ("CMYK", "YCbCr") else "PNG", **({"quality": 95} if mode == "CMYK" else {}))
    photo = decode.decode(data)
    assert photo.alpha is None
    assert photo.rgb.dtype == np.uint8
    expected = np.asarray(image.convert("RGB"), np.int16)
    assert np.abs(photo.rgb - expected).mean() < 6


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    grey = np.linspace(0, 65535, 256, dtype=np.uint16)[None].repeat(4, 0)
    photo = decode.decode(encoded(Image.fromarray(grey), "PNG"))
    assert np.array_equal(photo.rgb[0, :, 1], np.arange(256))


def test_an_alpha_of_the_source_is_kept() -> None:
    image = picture(mode="RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    photo = decode.decode(encoded(image))
    assert photo.alpha is not None
    assert np.array_equal(photo.alpha, np.asarray(image)[:, :, 3])


def test_a_transparent_colour_of_a_palette_becomes_alpha() -> None:
    image = picture(mode="P")
    photo = decode.decode(encoded(image, transparency=image.getpixel((0, 0))))
    assert photo.alpha is not None
    assert photo.alpha[0, 0] == 0


def test_an_alpha_that_hides_nothing_is_dropped() -> None:
    assert decode.decode(encoded(picture(mode="RGBA"))).alpha is None


def test_a_phone_jpeg_with_a_second_picture_inside_is_a_jpeg() -> None:
    buffer = io.BytesIO()
    picture(60, 40).save(buffer, "MPO", save_all=True, append_images=[picture(30, 20)])
    data = buffer.getvalue()
    assert decode.probe(data).format == "JPEG"
    assert decode.decode(data).rgb.shape == (40, 60, 3)


def test_a_palette_without_colours_is_called_damaged() -> None:
    header = struct.pack(">IIBBBBB", 8, 8, 8, 3, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(72))), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    with pytest.raises(UnreadableImage):
        decode.probe(data)
        decode.decode(data)


def test_sound_in_the_container_of_webp_is_no_damaged_webp() -> None:
    with pytest.raises(UnsupportedFormat):
        decode.probe(b"RIFF\x24\0\0\0WAVEfmt " + bytes(40))


def test_16_bit_grey_with_a_transparent_value_is_scaled_not_clipped() -> None:
    slope = np.linspace(0, 65535, 4096).astype(np.uint16).reshape(64, 64)
    photo = decode.decode(encoded(Image.fromarray(slope), "PNG", transparency=0))
    assert np.abs(photo.rgb[:, :, 0].astype(int) - (slope >> 8)).max() == 0


def test_a_progressive_jpeg_is_known_to_take_more_memory() -> None:
    plain = decode.probe(encoded(picture(), "JPEG"))
    progressive = decode.probe(encoded(picture(), "JPEG", progressive=True))
    four_inks = decode.probe(encoded(picture(mode="CMYK"), "JPEG", progressive=True))
    area_px = plain.width * plain.height
    assert plain.decoding_bytes(area_px) < progressive.decoding_bytes(area_px) < four_inks.decoding_bytes(area_px)


@pytest.mark.parametrize("file_format", ["AVIF", "HEIF", "TIFF", "BMP", "GIF"])
def test_the_pixels_of_every_format_are_those_that_went_in(file_format: str) -> None:
    how = {"quality": 95} if file_format in ("AVIF", "HEIF") else {}
    photo = decode.decode(encoded(picture(96, 64), file_format, **how))
    original = np.asarray(picture(96, 64)).astype(int)
    assert photo.alpha is None
    assert np.abs(photo.rgb - original).mean() < 8


@pytest.mark.parametrize("file_format", ["AVIF", "HEIF", "TIFF", "WEBP"])
def test_the_alpha_of_every_format_that_has_one_is_kept(file_format: str) -> None:
    veiled = picture(96, 64)
    veiled.putalpha(Image.linear_gradient("L").resize((96, 64)))
    photo = decode.decode(encoded(veiled, file_format))
    assert photo.alpha is not None
    assert photo.alpha[0].mean() < 20
    assert photo.alpha[-1].mean() > 235


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_of_an_animation_the_first_frame_is_taken_and_the_header_tells(file_format: str) -> None:
    first, second = Image.new("RGB", (40, 30), (200, 20, 20)), Image.new("RGB", (40, 30), (20, 20, 200))
    data = encoded(first, file_format, save_all=True, append_images=[second])
    assert decode.probe(data).animated
    assert not decode.probe(encoded(first, file_format)).animated
    rgb = decode.decode(data).rgb
    assert rgb[:, :, 0].mean() > 190
    assert rgb[:, :, 2].mean() < 40


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_phones_heic_is_upright_once(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = decode.decode(encoded(picture(96, 64), "HEIF", exif=exif.tobytes(), quality=95))
    assert photo.rgb.shape[:2] == ((64, 96) if orientation == 1 else (96, 64))


def test_the_resolution_is_told_and_turns_with_the_photo() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode.decode(encoded(picture(), "JPEG", dpi=(300, 150))).dpi == (300, 150)
    assert decode.decode(encoded(picture(), "JPEG", dpi=(300, 150), exif=exif)).dpi == (150, 300)
    assert decode.decode(encoded(picture(), "PNG")).dpi is None


@pytest.mark.parametrize("data", [b"\0\0\0\x18ftypheic" + b"\0" * 50, b"II*\0" + b"\0" * 50, b"GIF89a" + b"\0" * 9])
def test_what_begins_like_a_new_format_and_goes_on_as_rubbish_is_called_damaged(data: bytes) -> None:
    with pytest.raises(UnreadableImage):
        decode.decode(data)


def test_an_avif_or_heic_with_any_byte_altered_is_a_photo_or_called_damaged() -> None:
    rng = np.random.default_rng(4)
    for file_format in ("AVIF", "HEIF"):
        sound = encoded(picture(40, 30), file_format)
        for _ in range(60):
            altered = bytearray(sound)
            for at in rng.integers(12, len(sound), 3):
                altered[at] = rng.integers(256)
            try:
                decode.probe(bytes(altered))
                decode.decode(bytes(altered))
            except (UnreadableImage, UnsupportedFormat):
                pass


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_tiff_is_turned_once(orientation: int) -> None:
    photo = decode.decode(encoded(picture(40, 30), "TIFF", tiffinfo={0x0112: orientation}))
    with Image.open(io.BytesIO(encoded(picture(40, 30), "PNG"))) as plain:
        plain.getexif()[0x0112] = orientation
        assert np.array_equal(photo.rgb, np.asarray(ImageOps.exif_transpose(plain)))


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_the_resolution_of_a_tiff_turns_with_it(orientation: int) -> None:
    data = encoded(picture(40, 30), "TIFF", dpi=(300, 150), tiffinfo={0x0112: orientation})
    assert decode.decode(data).dpi == ((150, 300) if orientation in (6, 8) else (300, 150))


def greys(numbers: list[float], dtype: type[np.generic], *, white_is_zero: bool = False) -> list[int]:
    """What becomes of a row of a TIFF's numbers."""
    row = Image.fromarray(np.array([numbers], dtype))
    rgb = decode.decode(encoded(row, "TIFF", tiffinfo={262: 0 if white_is_zero else 1})).rgb
    assert np.ptp(rgb, axis=2).max() == 0
    return rgb[0, :, 0].tolist()


def test_the_16_bits_of_a_tiff_are_scaled_whichever_end_is_white() -> None:
    assert greys([0, 32768, 65535], np.uint16) == [0, 128, 255]
    assert greys([0, 32767, 65535], np.uint16, white_is_zero=True) == [255, 128, 0]


def test_the_32_bits_of_a_tiff_are_scaled_from_16_or_stretched_where_they_are_more() -> None:
    assert greys([0, 256, 32768, 65535], np.int32) == [0, 1, 128, 255]
    assert greys([-1000, 500_000, 1_001_000], np.int32) == [0, 128, 255]
    assert greys([2**31 - 1, 2**31 - 1], np.int32) == [0, 0]


def test_the_floats_of_a_tiff_are_taken_from_0_to_1_or_stretched_where_they_are_more() -> None:
    assert greys([0.25, 0.5], np.float32) == [64, 128]
    assert greys([0.25, 0.5], np.float32, white_is_zero=True) == [191, 127]
    assert greys([np.nan, -50, 0, 50], np.float32) == [0, 0, 128, 255]


def test_floats_without_a_range_are_refused_with_a_sentence() -> None:
    for numbers in ([np.nan, np.nan], [0, np.inf], [-np.inf, 5]):
        with pytest.raises(UnreadableImage, match="8 or 16 bits"):
            greys(numbers, np.float32)


def test_the_range_of_a_tiff_is_found_over_all_its_rows() -> None:
    slope = np.linspace(-1, 3, 1 << 20, dtype=np.float32).reshape(1024, 1024)
    rgb = decode.decode(encoded(Image.fromarray(slope), "TIFF")).rgb
    assert np.array_equal(rgb[:, 0, 1], np.arange(1024) // 4)


def test_a_narrow_picture_takes_no_longer_than_a_wide_one(monkeypatch: pytest.MonkeyPatch) -> None:
    crops = []
    crop = Image.Image.crop
    monkeypatch.setattr(Image.Image, "crop", lambda *how: crops.append(how) or crop(*how))
    narrow = Image.new("LAB", (2, 60_000), (150, 128, 128))  # each strip has a conversion made anew by Pillow
    assert decode.decode(encoded(narrow, "TIFF")).rgb.shape == (60_000, 2, 3)
    assert len(crops) == 1


def test_a_tiff_whose_tiles_dwarf_its_picture_is_refused_unread() -> None:
    # Width, height, bits, compression, grey, samples, tile width and length, and where the one tile is.
    tags = {256: 64, 257: 64, 258: 8, 259: 8, 262: 1, 277: 1, 322: 40000, 323: 25008, 324: 200, 325: 10}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    data = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(100)
    with pytest.raises(UnreadableImage, match="tiles"):
        decode.probe(data)


def avif_that_says(width: int, height: int, data: bytes) -> bytes:
    """An AVIF whose container tells another size than its coded picture has."""
    at = data.index(b"ispe") + 8  # the name, then version and flags
    return data[:at] + struct.pack(">II", width, height) + data[at + 8 :]


def test_an_avif_whose_picture_dwarfs_what_its_header_says_is_refused_its_memory() -> None:
    honest = encoded(Image.new("RGB", (6000, 6000)), "AVIF", speed=10)
    bomb = avif_that_says(64, 64, honest)
    assert (decode.probe(bomb).width, decode.probe(bomb).height) == (64, 64)
    with pytest.raises(UnreadableImage, match="damaged"):
        decode.decode(bomb)
    assert decode.decode(honest).rgb.shape == (6000, 6000, 3)


def test_the_memory_of_an_avif_in_all_its_forms_is_enough() -> None:
    plain = np.full((1500, 2000, 4), 2048, np.uint16)
    of_12_bits = cv2.imencode(".avif", plain, [cv2.IMWRITE_AVIF_DEPTH, 12, cv2.IMWRITE_AVIF_SPEED, 10])[1].tobytes()
    assert decode.decode(of_12_bits).alpha is not None
    for size in ((1, 1), (1, 5000), (5000, 1)):
        assert decode.decode(encoded(Image.new("RGB", size), "AVIF", speed=10)).rgb.shape == (*size[::-1], 3)


def test_the_ten_bits_of_an_avif_become_eight() -> None:
    bgr = np.asarray(picture())[:, :, ::-1].astype(np.uint16) * 4
    data = cv2.imencode(".avif", bgr, [cv2.IMWRITE_AVIF_DEPTH, 10, cv2.IMWRITE_AVIF_QUALITY, 95])[1].tobytes()
    assert np.abs(decode.decode(data).rgb - np.asarray(picture()).astype(int)).mean() < 8


def test_a_grey_avif_is_grey() -> None:
    rgb = decode.decode(encoded(picture(mode="L"), "AVIF", quality=95)).rgb
    assert np.abs(rgb - np.asarray(picture(mode="L").convert("RGB")).astype(int)).mean() < 2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_avif_is_turned_once(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    expected = picture(64, 40)
    expected.getexif()[0x0112] = orientation
    rgb = decode.decode(encoded(picture(64, 40), "AVIF", exif=exif, quality=95, subsampling="4:4:4")).rgb
    assert np.abs(rgb - np.asarray(ImageOps.exif_transpose(expected)).astype(int)).mean() < 4


def ignored(status: str) -> int:
    """The signals that a process ignores, by what the system tells of it: a bit for each."""
    return next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigIgn:"))


def test_a_decoder_that_is_told_to_end_still_gives_the_pixels() -> None:
    command = [sys.executable, "-P", str(avif._SCRIPT), str(100_000_000)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as decoder:
        status = Path(f"/proc/{decoder.pid}/status")
        ends_s = time.monotonic() + 20
        while not ignored(status.read_text()) >> (signal.SIGTERM - 1) & 1:
            assert time.monotonic() < ends_s, "it does not ignore being told to end"
            time.sleep(0.01)
        decoder.terminate()
        pixels, _ = decoder.communicate(encoded(picture(40, 30), "AVIF"))
    assert decoder.returncode == 0
    assert len(pixels) == 40 * 30 * 3


def test_an_avif_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(avif, "_LIMIT_S", 0.001)
    with pytest.raises(UnreadableImage):
        decode.decode(encoded(picture(), "AVIF"))


def noise(width: int, height: int, mode: str) -> Image.Image:
    channels = {"L": (), "RGB": (3,), "RGBA": (4,)}[mode]
    return Image.fromarray(np.random.default_rng(width).integers(0, 256, (height, width, *channels), np.uint8))


def reduced_whole(image: Image.Image, shape: tuple[int, ...]) -> np.ndarray:
    """All of a picture reduced at once, by Pillow."""
    return np.asarray(image.resize(shape[1::-1], resample.FILTER)).astype(int)


@pytest.mark.parametrize("mode", ["RGB", "L", "P"])
@pytest.mark.parametrize("share", [0.9, 0.25, 0.01])
def test_a_photo_reduced_in_strips_is_the_whole_reduced(mode: str, share: float) -> None:
    image = noise(900, 700, "L" if mode == "P" else mode)  # several strips
    image = image.convert(mode)
    photo = decode.decode(encoded(image), most_px=900 * 700 * share)
    assert 0.95 < photo.rgb.shape[0] * photo.rgb.shape[1] / (900 * 700 * share) <= 1
    assert np.abs(photo.rgb - reduced_whole(image.convert("RGB"), photo.rgb.shape)).max() <= 1


def test_a_reduced_photo_has_the_alpha_and_the_visible_colours_of_the_whole_reduced() -> None:
    image = noise(900, 700, "RGBA")
    photo = decode.decode(encoded(image), most_px=100_000)
    assert photo.alpha is not None
    expected = reduced_whole(image, photo.rgb.shape)
    assert np.abs(photo.alpha - expected[:, :, 3]).max() <= 1
    shown, wanted = photo.rgb * (photo.alpha[:, :, None] / 255), expected[:, :, :3] * (expected[:, :, 3:] / 255)
    assert np.abs(shown - wanted).max() <= 2


def test_what_a_source_hides_lends_a_reduced_edge_none_of_its_colour() -> None:
    pixels = np.zeros((300, 400, 4), np.uint8)
    pixels[:, :] = (0, 255, 0, 0)
    pixels[90:211, 130:271] = (255, 0, 0, 255)
    photo = decode.decode(encoded(Image.fromarray(pixels)), most_px=9_000)
    assert photo.alpha is not None
    visible = photo.rgb[photo.alpha > 0]
    assert len(visible) > 500
    assert visible[:, 1].max() == 0


@pytest.mark.parametrize("shrink", decode.SHRINKS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_reduced_photo_is_turned_upright_like_the_whole(orientation: int, shrink: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(picture(640, 400), "JPEG", exif=exif, quality=95)
    photo = decode.decode(data, shrink=shrink, most_px=4000)
    whole = decode.decode(data).rgb
    assert photo.rgb.shape[0] * photo.rgb.shape[1] <= 4000
    assert (photo.rgb.shape[0] > photo.rgb.shape[1]) == (whole.shape[0] > whole.shape[1])
    expected = cv2.resize(whole, photo.rgb.shape[1::-1], interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(photo.rgb - expected).mean() < 5


@pytest.mark.parametrize("shrink", decode.SHRINKS)
@pytest.mark.parametrize("size", [(640, 480), (641, 479), (13, 9), (1, 1)])
def test_a_jpeg_is_decoded_as_many_times_smaller_as_asked_for(size: tuple[int, int], shrink: int) -> None:
    photo = decode.decode(encoded(picture(*size), "JPEG"), shrink=shrink)
    assert photo.rgb.shape[:2] == (-(-size[1] // shrink), -(-size[0] // shrink))


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "HEIF"])
def test_only_a_jpeg_can_be_decoded_smaller_and_no_other_minds_being_asked(file_format: str) -> None:
    data = encoded(picture(96, 64), file_format)
    assert not decode.probe(data).can_shrink
    assert decode.decode(data, shrink=8).rgb.shape == (64, 96, 3)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "HEIF"])
def test_every_format_is_reduced_to_what_fits(file_format: str) -> None:
    data = encoded(picture(320, 200), file_format)
    photo = decode.decode(data, most_px=4000)
    assert photo.rgb.shape == (50, 80, 3)
    expected = cv2.resize(decode.decode(data).rgb, (80, 50), interpolation=cv2.INTER_AREA)
    assert np.abs(photo.rgb.astype(int) - expected).mean() < 5


@bounded
@given(st.integers(1, 300), st.integers(1, 300), st.floats(1, 20_000))
def test_a_photo_of_any_shape_has_at_most_the_pixels_that_fit_and_its_aspect(
    width: int, height: int, most_px: float
) -> None:
    rows, columns = decode.decode(encoded(Image.new("L", (width, height))), most_px=most_px).rgb.shape[:2]
    assert rows * columns <= most_px
    if width * height <= most_px:
        assert (columns, rows) == (width, height)
    if min(rows, columns) > 1:
        scale = (most_px / (width * height)) ** 0.5
        assert columns == pytest.approx(min(1, scale) * width, abs=1)
        assert rows == pytest.approx(min(1, scale) * height, abs=1)


def test_the_colours_of_a_profile_are_converted_in_a_reduced_photo_as_in_the_whole() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    data = encoded(Image.new("LAB", (300, 200), (150, 180, 90)), "TIFF", icc_profile=profile)
    whole, photo = decode.decode(data).rgb, decode.decode(data, most_px=5000).rgb
    assert photo.shape[0] * photo.shape[1] <= 5000
    assert np.abs(photo.astype(int) - whole[0, 0]).max() <= 1
    assert np.ptp(whole[0, 0]) > 40  # a colour, and no grey


def test_a_grey_of_16_bits_is_scaled_in_a_reduced_photo_too() -> None:
    slope = np.linspace(0, 65535, 512).astype(np.uint16)[None].repeat(300, 0)
    photo = decode.decode(encoded(Image.fromarray(slope), "PNG"), most_px=10_000)
    columns = photo.rgb.shape[1]
    expected = (np.arange(columns) + 0.5) / columns * 255
    assert np.abs(photo.rgb[:, :, 1] - expected).max() <= 2


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_photo_with_a_profile_is_converted_and_then_reduced(mode: str) -> None:
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, blue = profile.index(b"rXYZ"), profile.index(b"bXYZ")
    profile[red : red + 4], profile[blue : blue + 4] = b"bXYZ", b"rXYZ"  # red and blue change places
    data = encoded(noise(600, 400, mode), icc_profile=bytes(profile))
    whole, photo = decode.decode(data), decode.decode(data, most_px=20_000)
    stacked = whole.rgb if whole.alpha is None else np.dstack([whole.rgb, whole.alpha])
    expected = reduced_whole(Image.fromarray(stacked), photo.rgb.shape)
    share = np.ones((1, 1, 1)) if photo.alpha is None else photo.alpha[:, :, None] / 255
    assert (photo.alpha is None) == (mode == "RGB")
    assert np.abs(photo.rgb * share - expected[:, :, :3] * share).max() <= 3
    untouched = decode.decode(data, most_px=20_000, keep_profile=True)
    assert untouched.icc_profile == bytes(profile)
    assert np.abs(untouched.rgb[:, :, ::-1].astype(int) - photo.rgb).mean() < 8


def test_colours_that_a_photo_hides_are_white() -> None:
    image = picture(40, 30, "RGBA")
    image.paste((0, 255, 0, 0), (0, 0, 10, 30))
    for most_px in (math.inf, 300):
        photo = decode.decode(encoded(image), most_px=most_px)
        assert photo.alpha is not None
        assert (photo.rgb[photo.alpha == 0] == 255).all()
        assert (photo.alpha == 0).any()


@pytest.mark.parametrize(("mode", "chroma", "least"), [("RGB", 420, 8), ("RGB", 444, 10), ("RGBA", 420, 10)])
def test_a_heic_is_known_to_take_what_its_planes_take(mode: str, chroma: int, least: float) -> None:
    probe = decode.probe(encoded(picture(64, 64, mode), "HEIF", chroma=chroma))
    assert probe.decoding_bytes(0) / 64**2 >= least


def test_a_heic_of_ten_bits_takes_more() -> None:
    deep = pillow_heif.from_bytes("RGBA;16", (64, 64), bytes(64 * 64 * 8))
    buffer = io.BytesIO()
    deep.save(buffer, chroma=444)
    assert decode.probe(buffer.getvalue()).decoding_bytes(0) / 64**2 >= 20


def test_a_tiff_of_sixteen_bits_and_alpha_takes_more() -> None:
    deep = cv2.imencode(".tiff", np.zeros((64, 64, 4), np.uint16))[1].tobytes()
    assert decode.probe(deep).decoding_bytes(0) / 64**2 >= 5 + 12
