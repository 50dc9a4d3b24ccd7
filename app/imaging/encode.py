"""A picture → the bytes of a file."""

from __future__ import annotations

import io
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image


@dataclass(frozen=True)
class OutputFormat:
    """A format that answers come in."""

    name: str
    mimetype: str
    suffix: str
    has_alpha: bool


FORMATS = {
    "png": OutputFormat("png", "image/png", ".png", has_alpha=True),
    "jpeg": OutputFormat("jpeg", "image/jpeg", ".jpg", has_alpha=False),
    "webp": OutputFormat("webp", "image/webp", ".webp", has_alpha=True),
}
FORMAT_ALIASES = {"jpg": "jpeg"}

JPEG_QUALITY = 92
WEBP_QUALITY = 90
WEBP_LONGEST_PX = 16383  # the format's own limit
JPEG_LONGEST_PX = 65500  # libjpeg's limit
LONGEST_PX = {"jpeg": JPEG_LONGEST_PX, "webp": WEBP_LONGEST_PX}


def encode(pixels: NDArray[np.uint8], format_name: str) -> bytes:
    """Encode RGB uint8 [H, W, 3] or RGBA [H, W, 4] as "png", "jpeg" (RGB only) or "webp".

    PNG is written by OpenCV at level 1 with run-length matching and one filter: four times faster than Pillow's
    default at no more than 1.1 times the bytes (scripts/benchmark.py encoders), since hidden pixels are zero.
    """
    if format_name == "png":
        return _encode_png(pixels)
    buffer = io.BytesIO()
    if format_name == "jpeg":
        Image.fromarray(pixels).save(buffer, "JPEG", quality=JPEG_QUALITY)
    else:
        Image.fromarray(pixels).save(buffer, "WEBP", quality=WEBP_QUALITY, method=2)
    return buffer.getvalue()


def _encode_png(pixels: NDArray[np.uint8]) -> bytes:
    to_opencv = cv2.COLOR_RGBA2BGRA if pixels.shape[2] == 4 else cv2.COLOR_RGB2BGR
    # In this order: the level resets the strategy.
    options = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
    options += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_PAETH]
    written, file_bytes = cv2.imencode(".png", cv2.cvtColor(pixels, to_opencv), options)
    if not written:
        raise MemoryError("OpenCV could not write the PNG")
    return file_bytes.tobytes()
