"""A picture → the bytes of a file."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from app.imaging.strips import strips


@dataclass(frozen=True)
class OutputFormat:
    """A format that answers come in; `bytes_per_pixel` is what its encoder takes (scripts/measure.py pixels)."""

    name: str
    mimetype: str
    suffix: str
    has_alpha: bool
    bytes_per_pixel: int


FORMATS = {
    "png": OutputFormat("png", "image/png", ".png", has_alpha=True, bytes_per_pixel=10),
    "jpeg": OutputFormat("jpeg", "image/jpeg", ".jpg", has_alpha=False, bytes_per_pixel=10),
    "webp": OutputFormat("webp", "image/webp", ".webp", has_alpha=True, bytes_per_pixel=26),
}
FORMAT_ALIASES = {"jpg": "jpeg"}

JPEG_QUALITY = 92
WEBP_QUALITY = 90
WEBP_LONGEST_PX = 16383  # the format's own limit
JPEG_LONGEST_PX = 65500  # libjpeg's limit
PNG_LONGEST_PX = 1_000_000  # libpng's
LONGEST_PX = {"jpeg": JPEG_LONGEST_PX, "webp": WEBP_LONGEST_PX, "png": PNG_LONGEST_PX}


# Options of OpenCV's encoders. PNG: in this order, for the level resets the strategy.
_OPTIONS = {
    "png": [
        *(cv2.IMWRITE_PNG_COMPRESSION, 1),
        *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE),
        *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_PAETH),
    ],
    "jpeg": [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY],
    "webp": [cv2.IMWRITE_WEBP_QUALITY, WEBP_QUALITY],
}
_IHDR_END = 33  # PNG's signature and first chunk
_METRES_PER_INCH = 0.0254


def encode(
    pixels: NDArray[np.uint8],
    format_name: str,
    *,
    icc_profile: bytes | None = None,
    dpi: tuple[float, float] | None = None,
) -> bytes:
    """Encode RGB uint8 [H, W, 3] or RGBA [H, W, 4] as "png", "jpeg" (RGB only) or "webp".

    `pixels` are used up: their channels are swapped in place, for OpenCV writes BGR and a copy of a large photo is
    dear. PNG is written at level 1 with run-length matching and one filter: four times faster than Pillow's default
    at 1.02 times the bytes in the middle, seldom more than 1.1 (scripts/benchmark.py), since hidden pixels are zero.
    The file carries the ICC profile of its colours, when one is given, and PNG and JPEG the resolution, `dpi` across
    and down.
    """
    _swap_red_and_blue(pixels)
    suffix, options = FORMATS[format_name].suffix, _OPTIONS[format_name]
    written = False
    if icc_profile:
        profile = np.frombuffer(icc_profile, np.uint8)
        written, file_bytes = cv2.imencodeWithMetadata(suffix, pixels, [cv2.IMAGE_METADATA_ICCP], [profile], options)
    if not written:  # or the encoder does not take the profile
        written, file_bytes = cv2.imencode(suffix, pixels, options)
    if not written:
        raise MemoryError(f"OpenCV could not write a {format_name}")
    if dpi and format_name == "jpeg":
        _set_jpeg_dpi(file_bytes, dpi)
    if dpi and format_name == "png":
        return b"".join((file_bytes[:_IHDR_END].data, _png_dpi(dpi), file_bytes[_IHDR_END:].data))
    return file_bytes.tobytes()


def _png_dpi(dpi: tuple[float, float]) -> bytes:
    """The chunk that tells a PNG's resolution, in pixels a metre (PNG specification, 11.3.4.3)."""
    across, down = (round(value / _METRES_PER_INCH) for value in dpi)
    body = b"pHYs" + struct.pack(">IIB", across, down, 1)
    return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))


def _set_jpeg_dpi(file_bytes: NDArray[np.uint8], dpi: tuple[float, float]) -> None:
    """Write the resolution into the JFIF segment that libjpeg begins a file with; in place."""
    if bytes(file_bytes[6:11]) == b"JFIF\0":
        across, down = (round(value) for value in dpi)
        file_bytes[13:18] = np.frombuffer(struct.pack(">BHH", 1, across, down), np.uint8)


def _swap_red_and_blue(pixels: NDArray[np.uint8]) -> None:
    code = cv2.COLOR_RGBA2BGRA if pixels.shape[2] == 4 else cv2.COLOR_RGB2BGR
    for rows in strips(*pixels.shape[:2]):
        pixels[rows] = cv2.cvtColor(pixels[rows], code)
