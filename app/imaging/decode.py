"""Bytes of a photo → what its header says, then its pixels, upright.

Only formats on one allow-list ever reach a decoder, and the size is known before a pixel is decoded.
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.errors import UnreadableImage, UnsupportedFormat

# Pillow's own guard against bombs only warns up to 179 MP; ours is stricter and looks before the decoder runs.
Image.MAX_IMAGE_PIXELS = None

ACCEPTED_FORMATS = ("JPEG", "PNG", "WEBP")
ACCEPTED_NAMES = "JPEG, PNG or WebP"

_SIGNATURES = ((b"\xff\xd8\xff", "JPEG"), (b"\x89PNG\r\n\x1a\n", "PNG"), (b"RIFF", "WebP"))
# What Pillow's decoders raise on damaged bytes; none of it is ours to tell apart.
_DECODER_FAULTS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    OverflowError,
    struct.error,
    zlib.error,
)
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
    """What the header of a photo says: format, and stored width and height in pixels (before EXIF turns it)."""

    format: str
    width: int
    height: int


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
    except _DECODER_FAULTS as fault:
        for signature, name in _SIGNATURES:
            if data.startswith(signature):
                raise UnreadableImage(
                    f"The {name} file is damaged or cut short. Please save or send it again."
                ) from fault
        raise UnsupportedFormat(f"This is not a photo we can read. Please send {ACCEPTED_NAMES}.") from fault
    if width < 1 or height < 1:
        raise UnreadableImage("The image has no pixels: its width or height is 0.")
    return Probe(found, width, height)


def decode(data: bytes) -> Photo:
    """Decode the first frame to sRGB and turn it upright by its EXIF orientation.

    Raises:
        UnreadableImage: the pixels are damaged or cut short.
    """
    try:
        with Image.open(io.BytesIO(data), formats=ACCEPTED_FORMATS) as image:
            orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
            image.load()
            rgb, alpha = _to_arrays(image)
    except _DECODER_FAULTS as fault:
        raise UnreadableImage("The photo is damaged or cut short. Please save or send it again.") from fault
    return Photo(_upright(rgb, orientation), None if alpha is None else _upright(alpha, orientation))


def _to_arrays(image: Image.Image) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    if image.mode.startswith("I"):  # 16-bit grey, which Pillow would clip, not scale
        grey = (np.asarray(image, dtype=np.int32) >> 8).clip(0, 255).astype(np.uint8)
        return cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB).astype(np.uint8, copy=False), None
    if not image.has_transparency_data:
        return np.asarray(image if image.mode == "RGB" else image.convert("RGB")), None
    rgba = np.asarray(image if image.mode == "RGBA" else image.convert("RGBA"))
    alpha = np.ascontiguousarray(rgba[:, :, 3])
    opaque = bool(alpha.min() == 255)
    return np.ascontiguousarray(rgba[:, :, :3]), None if opaque else alpha


def _upright(pixels: NDArray[np.uint8], orientation: object) -> NDArray[np.uint8]:
    mirrored, turn = _UPRIGHT.get(orientation, (False, None)) if isinstance(orientation, int) else (False, None)
    if mirrored:
        pixels = np.ascontiguousarray(pixels[:, ::-1])
    if turn is not None:
        pixels = cv2.rotate(pixels, turn).astype(np.uint8, copy=False)
    return pixels
