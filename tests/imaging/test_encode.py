"""Files that another decoder reads back."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from PIL import ImageCms

from app.imaging import encode
from tests.support import opened, picture


def test_a_png_comes_back_pixel_by_pixel() -> None:
    rgba = np.asarray(picture(61, 43, "RGBA")).copy()
    rgba[:, :, 3] = np.arange(61)
    image = opened(encode.encode(rgba.copy(), "png"))
    assert (image.format, image.mode) == ("PNG", "RGBA")
    assert np.array_equal(np.asarray(image), rgba)


def test_an_opaque_png_has_no_alpha() -> None:
    rgb = np.asarray(picture())
    image = opened(encode.encode(rgb.copy(), "png"))
    assert image.mode == "RGB"
    assert np.array_equal(np.asarray(image), rgb)


def test_a_jpeg_has_no_alpha_and_the_right_colours() -> None:
    rgb = np.asarray(picture(160, 120))
    image = opened(encode.encode(rgb.copy(), "jpeg"))
    assert (image.format, image.mode) == ("JPEG", "RGB")
    assert np.abs(np.asarray(image, np.int16) - rgb).mean() < 4


def test_a_webp_keeps_its_alpha() -> None:
    rgb = np.asarray(picture(160, 120))
    alpha = np.zeros((120, 160), np.uint8)
    alpha[20:100, 30:130] = 255
    image = opened(encode.encode(np.dstack([rgb, alpha]), "webp"))
    assert (image.format, image.mode) == ("WEBP", "RGBA")
    assert np.array_equal(np.asarray(image)[:, :, 3], alpha)


@pytest.mark.parametrize("format_name", [name for name in encode.FORMATS if name != "zip"])
def test_a_single_pixel_is_a_file_in_every_format(format_name: str) -> None:
    assert opened(encode.encode(np.full((1, 1, 3), 9, np.uint8), format_name)).size == (1, 1)


GREYS = np.random.default_rng(1).integers(0, 256, (43, 61), np.uint8)


def files_of(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as members:
        assert members.testzip() is None
        return {name: members.read(name) for name in members.namelist()}


@pytest.mark.parametrize(
    ("format_name", "quality"), [("png", None), ("png", 40), ("png", encode.LOSSLESS), ("webp", encode.LOSSLESS)]
)
def test_a_grey_picture_comes_back_pixel_by_pixel_where_nothing_is_lost(format_name: str, quality: int | None) -> None:
    image = opened(encode.encode(GREYS.copy(), format_name, quality=quality))
    assert image.format == format_name.upper()
    assert image.mode == ("L" if format_name == "png" else "RGB")  # WebP has no greys
    assert np.array_equal(np.asarray(image.convert("L")), GREYS)


@pytest.mark.parametrize("format_name", ["jpeg", "webp", "avif"])
def test_a_grey_picture_stays_grey_and_nearly_what_it_was_where_something_is_lost(format_name: str) -> None:
    slope = np.linspace(0, 255, 160).astype(np.uint8)[None].repeat(90, 0)
    image = opened(encode.encode(slope.copy(), format_name))
    assert image.size == (160, 90)
    rgb = np.asarray(image.convert("RGB")).astype(int)
    assert np.ptp(rgb, axis=2).max() <= 1
    assert np.abs(rgb[:, :, 1] - slope).mean() < 2


def test_white_and_black_of_a_matte_stay_white_and_black() -> None:
    matte = np.zeros((64, 64), np.uint8)
    matte[:, 32:] = 255
    for format_name in ("png", "jpeg", "webp", "avif"):
        row = np.asarray(opened(encode.encode(matte.copy(), format_name)).convert("L"))[32].astype(int)
        assert row[:24].max() <= 2
        assert row[40:].min() >= 253


def test_an_avif_keeps_colours_and_alpha() -> None:
    rgba = np.asarray(picture(160, 120, "RGBA")).copy()
    rgba[:, :, 3] = np.linspace(0, 255, 160)
    rgba[rgba[:, :, 3] == 0] = 0
    image = opened(encode.encode(rgba.copy(), "avif"))
    assert (image.format, image.mode, image.size) == ("AVIF", "RGBA", (160, 120))
    found = np.asarray(image).astype(int)
    assert np.abs(found[:, :, 3] - rgba[:, :, 3]).max() <= 6
    visible = rgba[:, :, 3] > 30
    assert np.abs(found - rgba)[visible][:, :3].mean() < 6


def test_an_opaque_avif_has_no_alpha() -> None:
    image = opened(encode.encode(np.asarray(picture(80, 60)).copy(), "avif"))
    assert image.mode == "RGB"
    assert np.abs(np.asarray(image).astype(int) - np.asarray(picture(80, 60))).mean() < 6


def test_a_lossless_webp_has_every_visible_pixel_and_every_alpha() -> None:
    rgba = np.random.default_rng(2).integers(0, 256, (71, 53, 4), np.uint8)
    rgba[:20, :, 3] = 0
    image = opened(encode.encode(rgba.copy(), "webp", quality=encode.LOSSLESS))
    assert (image.format, image.mode) == ("WEBP", "RGBA")
    found = np.asarray(image)
    assert np.array_equal(found[:, :, 3], rgba[:, :, 3])
    visible = rgba[:, :, 3] > 0
    assert np.array_equal(found[visible], rgba[visible])


def test_an_opaque_lossless_webp_comes_back_pixel_by_pixel() -> None:
    rgb = np.random.default_rng(3).integers(0, 256, (33, 44, 3), np.uint8)
    assert np.array_equal(np.asarray(opened(encode.encode(rgb.copy(), "webp", quality=encode.LOSSLESS))), rgb)


@pytest.mark.parametrize("format_name", ["jpeg", "webp", "avif"])
def test_a_higher_quality_is_a_larger_file_and_nearer_to_the_picture(format_name: str) -> None:
    rgb = np.asarray(picture(320, 240)).astype(int) + np.random.default_rng(4).integers(-20, 20, (240, 320, 3))
    rgb = rgb.clip(0, 255).astype(np.uint8)
    files = [encode.encode(rgb.copy(), format_name, quality=quality) for quality in (1, 30, 70, 100)]
    errors = [np.abs(np.asarray(opened(file)).astype(int) - rgb).mean() for file in files]
    assert sorted(files, key=len) == files
    assert sorted(errors, reverse=True) == errors


@pytest.mark.parametrize("format_name", ["jpeg", "webp", "avif"])
def test_without_a_quality_it_is_the_format_s_own(format_name: str) -> None:
    rgb = np.asarray(picture(160, 120))
    own = encode.FORMATS[format_name].quality
    assert encode.encode(rgb.copy(), format_name) == encode.encode(rgb.copy(), format_name, quality=own)


@pytest.mark.parametrize("quality", [None, 1, encode.LOSSLESS])
def test_a_png_loses_nothing_at_any_quality(quality: int | None) -> None:
    rgba = np.random.default_rng(2).integers(0, 256, (71, 53, 4), np.uint8)
    assert np.array_equal(np.asarray(opened(encode.encode(rgba.copy(), "png", quality=quality))), rgba)


@pytest.mark.parametrize("format_name", ["png", "jpeg", "webp", "avif"])
def test_the_profile_of_the_colours_goes_with_them_and_not_with_a_matte(format_name: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    facts = encode.FileFacts(icc_profile=profile)
    colors = opened(encode.encode(np.asarray(picture()).copy(), format_name, facts=facts))
    assert colors.info["icc_profile"] == profile
    assert not opened(encode.encode(GREYS.copy(), format_name, facts=facts)).info.get("icc_profile")


@pytest.mark.parametrize("format_name", ["png", "jpeg"])
@pytest.mark.parametrize("pixels", [GREYS, np.asarray(picture())])
def test_the_resolution_is_told(format_name: str, pixels: np.ndarray) -> None:
    image = opened(encode.encode(pixels.copy(), format_name, facts=encode.FileFacts(dpi=(300, 150))))
    assert image.info["dpi"] == pytest.approx((300, 150), abs=0.02)
    assert image.size == pixels.shape[1::-1]


def test_a_zip_holds_the_colours_and_then_the_matte_stored() -> None:
    rgb, alpha = np.asarray(picture(161, 121)), np.random.default_rng(7).integers(0, 256, (121, 161), np.uint8)
    archive = encode.encode_zip(rgb.copy(), alpha.copy(), facts=encode.FileFacts(dpi=(300, 300)))
    with zipfile.ZipFile(io.BytesIO(archive)) as members:
        assert members.namelist() == ["color.jpg", "alpha.png"]
        assert {member.compress_type for member in members.infolist()} == {zipfile.ZIP_STORED}
    files = files_of(archive)
    matte, colors = opened(files["alpha.png"]), opened(files["color.jpg"])
    assert (matte.format, matte.mode, matte.size) == ("PNG", "L", (161, 121))
    assert np.array_equal(np.asarray(matte), alpha)
    assert (colors.format, colors.mode, colors.size) == ("JPEG", "RGB", (161, 121))
    assert np.abs(np.asarray(colors).astype(int) - rgb).mean() < 4
    assert colors.info["dpi"] == (300, 300)
    assert matte.info["dpi"] == pytest.approx((300, 300), abs=0.02)


def test_the_same_photo_gives_the_same_zip() -> None:
    rgb = np.asarray(picture(61, 43))
    assert encode.encode_zip(rgb.copy(), GREYS.copy()) == encode.encode_zip(rgb.copy(), GREYS.copy())


def test_the_quality_of_a_zip_is_that_of_its_colours_alone() -> None:
    rgb = np.random.default_rng(8).integers(0, 256, (43, 61, 3), np.uint8)
    coarse, fine = (files_of(encode.encode_zip(rgb.copy(), GREYS.copy(), quality=quality)) for quality in (10, 95))
    assert len(coarse["color.jpg"]) < len(fine["color.jpg"])
    assert coarse["alpha.png"] == fine["alpha.png"]
