"""Photos in other colours than sRGB: converted by their profile, or carried on with it."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
import pytest
from flask.testing import FlaskClient
from PIL import Image, ImageCms

from app.imaging import decode, encode, profiles
from tests.support import encoded, picture


@cache
def adobe_like() -> bytes:
    """An RGB profile that is not sRGB: its red and its blue have changed places, and nothing else."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, blue = profile.index(b"rXYZ"), profile.index(b"bXYZ")
    profile[red : red + 4], profile[blue : blue + 4] = b"bXYZ", b"rXYZ"
    return bytes(profile)  # its description is "sRGB" still


@cache
def linear() -> bytes:
    """A profile with the primaries of sRGB whose numbers are in proportion to light; its description is "sRGB"."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    curve = profile.index(b"para", 132 + 12 * 11)  # after the table of eleven tags
    profile[curve : curve + 16] = b"para" + bytes(8) + (1 << 16).to_bytes(4, "big")  # the power of 1
    return bytes(profile)


def by_littlecms(image: Image.Image, profile: bytes) -> np.ndarray:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    return np.asarray(ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"))


def test_colours_are_converted_to_srgb_by_the_photos_profile() -> None:
    data = encoded(picture(), "PNG", icc_profile=adobe_like())
    photo = decode.decode(data)
    plain = np.asarray(picture()).astype(int)
    assert np.abs(photo.rgb - plain[:, :, ::-1]).max() <= 2, "red and blue have changed places"
    assert photo.icc_profile is None


def test_the_colours_of_an_avif_are_converted_too() -> None:
    data = encoded(picture(), "AVIF", icc_profile=adobe_like(), quality=95, subsampling="4:4:4")
    plain = np.asarray(picture()).astype(int)
    assert np.abs(decode.decode(data).rgb - plain[:, :, ::-1]).mean() < 4
    assert decode.decode(data, keep_profile=True).icc_profile == adobe_like()


def test_colours_are_left_alone_and_the_profile_kept_on_request() -> None:
    photo = decode.decode(encoded(picture(), "PNG", icc_profile=adobe_like()), keep_profile=True)
    assert np.array_equal(photo.rgb, np.asarray(picture()))
    assert photo.icc_profile == adobe_like()


def test_an_alpha_is_not_touched_by_the_conversion() -> None:
    veiled = picture()
    veiled.putalpha(Image.linear_gradient("L").resize(veiled.size))
    photo = decode.decode(encoded(veiled, "PNG", icc_profile=adobe_like()))
    assert photo.alpha is not None
    assert np.array_equal(photo.alpha, np.asarray(veiled)[:, :, 3])
    assert np.abs(photo.rgb - np.asarray(picture()).astype(int)[:, :, ::-1]).max() <= 2


def test_an_srgb_profile_changes_nothing() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photo = decode.decode(encoded(picture(), "PNG", icc_profile=srgb))
    assert np.array_equal(photo.rgb, np.asarray(picture()))


def test_a_profile_is_known_by_its_colours_not_by_its_name() -> None:
    assert "srgb" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(linear()))).lower()
    photo = decode.decode(encoded(picture(), "PNG", icc_profile=linear()))
    assert np.abs(photo.rgb.astype(int) - by_littlecms(picture(), linear())).max() <= 1
    assert photo.rgb[0, 0, 1] > 180, "half of the light is a lighter grey than 128"


@pytest.mark.parametrize(
    ("device_class", "kept"), [(b"mntr", True), (b"spac", True), (b"link", False), (b"abst", False)]
)
def test_only_a_profile_of_a_picture_is_kept(device_class: bytes, kept: bool) -> None:
    profile = adobe_like()[:12] + device_class + adobe_like()[16:]
    photo = decode.decode(encoded(picture(), "PNG", icc_profile=profile), keep_profile=True)
    assert photo.icc_profile == (profile if kept else None)


@pytest.mark.parametrize(
    "profile", [b"no profile", b"\0" * 200, adobe_like()[:100]], ids=["no profile", "zeros", "cut short"]
)
def test_a_damaged_profile_is_passed_over(profile: bytes) -> None:
    for keep in (False, True):
        photo = decode.decode(encoded(picture(), "PNG", icc_profile=profile), keep_profile=keep)
        assert np.array_equal(photo.rgb, np.asarray(picture()))
        assert photo.icc_profile is None


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_a_profile_of_another_kind_of_colours_is_passed_over(mode: str) -> None:
    with_profile = encoded(picture(mode=mode), "JPEG", icc_profile=adobe_like())
    without = encoded(picture(mode=mode), "JPEG")
    assert np.array_equal(decode.decode(with_profile).rgb, decode.decode(without).rgb)


@pytest.mark.parametrize("format_name", ["png", "jpeg", "webp", "avif"])
def test_a_file_carries_the_profile_of_its_colours(format_name: str) -> None:
    pixels = np.asarray(picture()).copy()
    with Image.open(io.BytesIO(encode.encode(pixels, format_name, facts=encode.FileFacts(adobe_like())))) as written:
        assert written.info["icc_profile"] == adobe_like()


@pytest.mark.parametrize("format_name", ["png", "jpeg"])
def test_a_file_tells_its_resolution(format_name: str) -> None:
    pixels = np.asarray(picture()).copy()
    with Image.open(io.BytesIO(encode.encode(pixels, format_name, facts=encode.FileFacts(dpi=(300, 150))))) as written:
        written.load()
        assert written.info["dpi"] == pytest.approx((300, 150), abs=0.02)
        assert np.abs(np.asarray(written).astype(int) - np.asarray(picture())).mean() < 6


@pytest.mark.parametrize("tail", [b"\0" * 4, b"abc"])
def test_a_profile_of_the_wrong_length_is_not_passed_on(tail: bytes) -> None:
    photo = decode.decode(encoded(picture(), "JPEG", icc_profile=adobe_like() + tail), keep_profile=True)
    assert photo.icc_profile is None


def test_a_profile_that_an_encoder_refuses_costs_no_picture() -> None:
    pixels = np.asarray(picture()).copy()
    assert encode.encode(pixels, "png", facts=encode.FileFacts(adobe_like() + b"abc"))


def test_16_bit_grey_with_a_profile_of_rgb_keeps_its_greys() -> None:
    slope = Image.fromarray(np.linspace(0, 65535, 4096).astype(np.uint16).reshape(64, 64))
    photo = decode.decode(encoded(slope, "PNG", icc_profile=adobe_like()))
    assert np.array_equal(photo.rgb[:, :, 0], np.asarray(slope) >> 8)


def test_what_is_painted_behind_a_photo_that_keeps_its_colours_looks_as_asked_for() -> None:
    to_profile = profiles.from_srgb(adobe_like())
    orange = np.array((255, 136, 0), np.uint8)
    kept = to_profile(orange)
    assert np.abs(kept.astype(int) - orange).max() > 5, "other numbers"
    shown = by_littlecms(Image.fromarray(kept.reshape(1, 1, 3)), adobe_like())
    assert np.abs(shown.reshape(3).astype(int) - orange).max() <= 2, "for the same colour"


def test_a_profile_as_long_as_several_markers_of_a_jpeg_is_carried() -> None:
    long_profile = adobe_like() + b"\0" * 500_000
    data = encode.encode(np.asarray(picture()).copy(), "jpeg", facts=encode.FileFacts(long_profile))
    with Image.open(io.BytesIO(data)) as written:
        assert written.info["icc_profile"] == long_profile


def test_a_colour_behind_a_kept_photo_is_that_colour_by_its_profile(client: FlaskClient) -> None:
    data = encoded(picture(), "PNG", icc_profile=adobe_like())
    words = {"color_profile": "keep", "background_color": "#ff8800", "shadow": "true", "shadow_offset": "200 200"}
    answer = client.post("/api/remove-background", data=data, query_string=words, headers={"Accept": "image/*"})
    with Image.open(io.BytesIO(answer.data)) as image:
        profile = image.info["icc_profile"]
        corner = by_littlecms(image.convert("RGB"), profile)[0, 0]
    assert profile == adobe_like()
    assert np.abs(corner.astype(int) - (255, 136, 0)).max() <= 2


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_a_profile_of_rgb_is_not_kept_for_a_photo_of_another_kind(mode: str) -> None:
    photo = decode.decode(encoded(picture(mode=mode), "JPEG", icc_profile=adobe_like()), keep_profile=True)
    assert photo.icc_profile is None
