"""Our own PNG encoder, read back by two others."""

from __future__ import annotations

import zlib

import cv2
import numpy as np
import pytest

from app.imaging.png import encode_png
from tests.support import opened

RNG = np.random.default_rng(5)


def by_opencv(data: bytes) -> np.ndarray:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels.ndim == 2:
        return pixels
    swapped: np.ndarray = cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB)
    return swapped


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (3, 2), (64, 65), (333, 777), (9, 40_000)])
@pytest.mark.parametrize("kind", ["noise", "slope", "flat"])
def test_every_pixel_comes_back(size: tuple[int, int], channels: int, kind: str) -> None:
    shape = size if channels == 1 else (*size, channels)
    if kind == "noise":
        pixels = RNG.integers(0, 256, shape, np.uint8)
    elif kind == "flat":
        pixels = np.full(shape, 255, np.uint8)
    else:
        pixels = (np.arange(np.prod(shape)).reshape(shape) // 3).astype(np.uint8)
    data = encode_png(pixels)
    assert np.array_equal(np.asarray(opened(data)), pixels)
    assert np.array_equal(by_opencv(data), pixels)


def test_all_neighbours_of_a_byte_are_predicted_as_the_format_says() -> None:
    """Every combination of left, upper and corner in steps: one wrong choice would shift all that follows."""
    steps = np.arange(0, 256, 15, dtype=np.uint8)
    corners, uppers, lefts = np.meshgrid(steps, steps, steps)
    pairs = np.stack([corners.ravel(), uppers.ravel(), lefts.ravel(), RNG.integers(0, 256, corners.size)], axis=1)
    top, below = pairs[:, :2].reshape(1, -1), pairs[:, 2:].reshape(1, -1)
    pixels = np.concatenate([top, below]).astype(np.uint8)
    assert np.array_equal(by_opencv(encode_png(pixels)), pixels)


def test_every_checksum_of_the_file_is_right() -> None:
    data = encode_png(RNG.integers(0, 200, (501, 203, 3), np.uint8))
    at, deflated = 8, b""
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        kind, body, checksum = data[at + 4 : at + 8], data[at + 8 : at + 8 + size], data[at + 8 + size : at + 12 + size]
        assert zlib.crc32(kind + body) == int.from_bytes(checksum, "big")
        deflated += body if kind == b"IDAT" else b""
        at += 12 + size
    assert len(zlib.decompress(deflated)) == 501 * (203 * 3 + 1), "which checks the Adler-32 of all strips together"


def test_the_file_tells_its_resolution_and_its_colours() -> None:
    image = opened(encode_png(np.zeros((4, 4, 3), np.uint8), icc_profile=b"a profile", dpi=(300, 150)))
    assert image.info["icc_profile"] == b"a profile"
    assert [round(value) for value in image.info["dpi"]] == [300, 150]
