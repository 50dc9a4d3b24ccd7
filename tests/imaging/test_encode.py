"""Files that another decoder reads back."""

from __future__ import annotations

import numpy as np
import pytest

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
