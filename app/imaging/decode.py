"""Bytes of a photo → what its header says, then its pixels, upright.

Only formats on one allow-list ever reach a decoder, and the size is known before a pixel is decoded.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from app.errors import UnreadableImage, UnsupportedFormat

# Pillow's own guard against bombs only warns up to 179 MP; ours is stricter and looks before the decoder runs.
Image.MAX_IMAGE_PIXELS = None
# Compressed text in a PNG is inflated while the header is read: 64 MB of it, were it left to Pillow.
PngImagePlugin.MAX_TEXT_MEMORY = 4 * 1024 * 1024

ACCEPTED_FORMATS = ("JPEG", "PNG", "WEBP")
ACCEPTED_NAMES = "JPEG, PNG or WebP"

_SIGNATURES = (
    (re.compile(rb"\xff\xd8\xff"), "JPEG"),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "PNG"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "WebP"),
)
# What Pillow's decoders raise on damaged bytes; none of it is ours to tell apart.
_DECODER_FAULTS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    OverflowError,
    AssertionError,
    AttributeError,
    struct.error,
    zlib.error,
)
_STRIP_ROWS = 64
_EXIF_ORIENTATION = 0x0112
# EXIF orientation → mirror left to right first?, then turn.
_UPRIGHT: dict[int, tuple[bool, int | None]] = {
    2: (True, None),
    3: (False, cv2.ROTATE_180),
    4: (True, cv2.ROTATE_180),
    5: (True, cv2.ROTATE_90_COUNTERCLOCKWISE),
    6: (False, cv2.ROTATE_90_CLOCKWISE),
    7: (True, cv2.ROTATE_90_CLOCKWISE),
    8: (False, cv2.ROTATE_90_COUNTERCLOCKWISE),
}


@dataclass(frozen=True)
class Probe:
    """What the header of a photo says: format, stored width and height in pixels (before EXIF turns it), and what
    a pixel takes, in bytes, while the photo is decoded and put together (scripts/measure.py pixels)."""

    format: str
    width: int
    height: int
    bytes_per_pixel: int


@dataclass(frozen=True)
class Photo:
    """Pixels of a photo, upright: `rgb` uint8 [H, W, 3]; `alpha` uint8 [H, W], or None when it is opaque."""

    rgb: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None


def probe(data: bytes) -> Probe:
    """Read the header only; no pixel is decoded.

    Raises:
        UnsupportedFormat: the bytes are no image of an accepted format.
        UnreadableImage: they begin like one, but the header is damaged or the image has no pixels.
    """
    try:
        with Image.open(io.BytesIO(data), formats=ACCEPTED_FORMATS) as image:
            width, height = image.size
            found = "JPEG" if image.format == "MPO" else str(image.format)
            bytes_per_pixel = _bytes_per_pixel(image)
    except _DECODER_FAULTS as fault:
        for signature, name in _SIGNATURES:
            if signature.match(data):
                raise UnreadableImage(
                    f"The {name} file is damaged or cut short. Please save or send it again."
                ) from fault
        raise UnsupportedFormat(f"This is not a photo we can read. Please send {ACCEPTED_NAMES}.") from fault
    if width < 1 or height < 1:
        raise UnreadableImage("The image has no pixels: its width or height is 0.")
    return Probe(found, width, height, bytes_per_pixel)


def _bytes_per_pixel(image: Image.Image) -> int:
    if image.format == "WEBP":
        return 18  # decoded whole by its library first
    if image.info.get("progressive"):
        # libjpeg keeps every coefficient, of two bytes, until the last scan is read.
        return 5 + 2 * len(image.getbands())
    return 10


def decode(data: bytes) -> Photo:
    """Decode the first frame to RGB and turn it upright by its EXIF orientation; colour profiles are not applied.

    Raises:
        UnreadableImage: the pixels are damaged or cut short.
    """
    try:
        rgb, alpha, orientation = _decode_stored(data)
    except _DECODER_FAULTS as fault:
        raise UnreadableImage("The photo is damaged or cut short. Please save or send it again.") from fault
    return Photo(_upright(rgb, orientation), None if alpha is None else _upright(alpha, orientation))


def _decode_stored(data: bytes) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None, object]:
    """Pixels as they are stored, and the orientation; Pillow's own four bytes a pixel are free on return."""
    with Image.open(io.BytesIO(data), formats=ACCEPTED_FORMATS) as image:
        orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
        image.load()
        width, height = image.size
        rgb = np.empty((height, width, 3), np.uint8)
        # Pillow would clip 16-bit grey, not scale it, on the way to RGBA: its one transparent grey is left out.
        has_alpha = image.has_transparency_data and not image.mode.startswith("I")
        alpha = np.empty((height, width), np.uint8) if has_alpha else None
        # By strips: Pillow would join a copy of everything first, and convert it to another.
        for top in range(0, height, _STRIP_ROWS):
            strip = image.crop((0, top, width, min(top + _STRIP_ROWS, height)))
            rows = slice(top, top + strip.height)
            if alpha is None:
                rgb[rows] = _opaque_pixels(strip)
            else:
                rgba = np.asarray(strip if strip.mode == "RGBA" else strip.convert("RGBA"))
                rgb[rows], alpha[rows] = rgba[:, :, :3], rgba[:, :, 3]
    return rgb, None if alpha is None or int(alpha.min()) == 255 else alpha, orientation


def _opaque_pixels(strip: Image.Image) -> NDArray[np.uint8]:
    """RGB uint8 [h, w, 3] of some rows in any mode."""
    if strip.mode.startswith("I"):  # 16-bit grey, which Pillow would clip, not scale
        grey = (np.asarray(strip) >> 8).clip(0, 255).astype(np.uint8)
        return cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB).astype(np.uint8, copy=False)
    return np.asarray(strip if strip.mode == "RGB" else strip.convert("RGB"))


def _upright(pixels: NDArray[np.uint8], orientation: object) -> NDArray[np.uint8]:
    mirrored, turn = _UPRIGHT.get(orientation, (False, None)) if isinstance(orientation, int) else (False, None)
    if mirrored:
        pixels = np.ascontiguousarray(pixels[:, ::-1])
    if turn is not None:
        pixels = cv2.rotate(pixels, turn).astype(np.uint8, copy=False)
    return pixels
