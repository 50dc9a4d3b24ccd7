"""Bytes of a photo → what its header says, then its pixels, upright.

Only formats on one allow-list ever reach a decoder, and the size is known before a pixel is decoded.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from app.errors import UnreadableImage, UnsupportedFormat
from app.imaging import avif, profiles

# Pillow's own guard against bombs only warns up to 179 MP; ours is stricter and looks before the decoder runs.
Image.MAX_IMAGE_PIXELS = None
# Compressed text in a PNG is inflated while the header is read: 64 MB of it, were it left to Pillow.
PngImagePlugin.MAX_TEXT_MEMORY = 4 * 1024 * 1024

ACCEPTED_FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "TIFF", "BMP", "GIF")
ACCEPTED_NAMES = "JPEG, PNG, WebP, AVIF, HEIC, TIFF, BMP or GIF"

_HEIF = re.compile(rb".{4}ftyp(hei[cxms]|hev[cxms]|mif1|msf1)", re.DOTALL)
_SIGNATURES = (
    (re.compile(rb"\xff\xd8\xff"), "JPEG"),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "PNG"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "WebP"),
    (re.compile(rb".{4}ftypavi[fs]", re.DOTALL), "AVIF"),
    (_HEIF, "HEIC"),
    (re.compile(rb"II\*\0|MM\0\*"), "TIFF"),
    (re.compile(rb"GIF8[79]a"), "GIF"),
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
    RuntimeError,  # libheif and libavif
    ArithmeticError,
    struct.error,
    zlib.error,
)
_STRIP_ROWS = 64
_EXIF_ORIENTATION = 0x0112
_TILE_WIDTH, _TILE_LENGTH = 322, 323
_QUARTER_TURNS = (cv2.ROTATE_90_CLOCKWISE, cv2.ROTATE_90_COUNTERCLOCKWISE)
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
    a pixel takes, in bytes, while the photo is decoded and put together (scripts/measure.py pixels). Of what is
    `animated`, or has several pages, the first is taken."""

    format: str
    width: int
    height: int
    bytes_per_pixel: int
    animated: bool = False


@dataclass(frozen=True)
class Photo:
    """Pixels of a photo, upright: `rgb` uint8 [H, W, 3]; `alpha` uint8 [H, W], or None when it is opaque.

    The colours are sRGB, or those of `icc_profile`, when it was to be kept. `dpi` is across and down, when it is told.
    """

    rgb: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None
    icc_profile: bytes | None = None
    dpi: tuple[float, float] | None = None


def probe(data: bytes) -> Probe:
    """Read the header only; no pixel is decoded.

    Raises:
        UnsupportedFormat: the bytes are no image of an accepted format.
        UnreadableImage: they begin like one, but the header is damaged or the image has no pixels.
    """
    try:
        with _open(data) as image:
            width, height = image.size
            if image.format == "TIFF" and _tile_px(image) > 4 * max(width * height, 1 << 20):
                raise UnreadableImage("The TIFF is damaged: its tiles are far larger than its picture.")
            found = "JPEG" if image.format == "MPO" else str(image.format)
            bytes_per_pixel = _bytes_per_pixel(image)
            # An MPO's further pictures are a phone's own: a depth map, a small copy.
            animated = image.format != "MPO" and bool(getattr(image, "is_animated", False))
    except _DECODER_FAULTS as fault:
        for signature, name in _SIGNATURES:
            if signature.match(data):
                raise UnreadableImage(
                    f"The {name} file is damaged or cut short. Please save or send it again."
                ) from fault
        raise UnsupportedFormat(f"This is not a photo we can read. Please send {ACCEPTED_NAMES}.") from fault
    if width < 1 or height < 1:
        raise UnreadableImage("The image has no pixels: its width or height is 0.")
    return Probe(found, width, height, bytes_per_pixel, animated)


def _open(data: bytes) -> Image.Image:
    formats = list(ACCEPTED_FORMATS)
    if _HEIF.match(data):
        # Imported for those who send one: it takes 6 MB.
        import pillow_heif

        pillow_heif.register_heif_opener(thumbnails=False)
        formats.append("HEIF")
    return Image.open(io.BytesIO(data), formats=formats)


def _tile_px(image: Image.Image) -> int:
    """Pixels of a tile, which libtiff unpacks whole however small the picture is; 0 where there are none."""
    tags = getattr(image, "tag_v2", {})
    return int(tags.get(_TILE_WIDTH, 0)) * int(tags.get(_TILE_LENGTH, 0))


def _bytes_per_pixel(image: Image.Image) -> int:
    if image.format == "WEBP" or (image.format == "AVIF" and image.mode == "RGBA"):
        return 18  # decoded whole by its library first
    if image.format in ("AVIF", "TIFF"):
        return 15  # of ten or sixteen bits, or with alpha
    if image.info.get("progressive"):
        # libjpeg keeps every coefficient, of two bytes, until the last scan is read.
        return 5 + 2 * len(image.getbands())
    return 10


def decode(data: bytes, *, keep_profile: bool = False) -> Photo:
    """Decode the first frame to RGB, upright by its EXIF orientation.

    Colours are converted to sRGB by the photo's ICC profile, or left as they are with `keep_profile`; a profile that
    is damaged, or of another kind of colours than the photo's, is passed over.

    Raises:
        UnreadableImage: the pixels are damaged or cut short.
    """
    try:
        photo, orientation = _decode_stored(data, keep_profile)
    except _DECODER_FAULTS as fault:
        raise UnreadableImage("The photo is damaged or cut short. Please save or send it again.") from fault
    alpha = None if photo.alpha is None else _upright(photo.alpha, orientation)
    dpi = photo.dpi[::-1] if photo.dpi and _UPRIGHT.get(orientation, (False, None))[1] in _QUARTER_TURNS else photo.dpi
    return replace(photo, rgb=_upright(photo.rgb, orientation), alpha=alpha, dpi=dpi)


def _decode_stored(data: bytes, keep_profile: bool) -> tuple[Photo, int]:
    """Pixels as they are stored, and the orientation; Pillow's own four bytes a pixel are free on return."""
    with _open(data) as header:
        orientation = header.getexif().get(_EXIF_ORIENTATION, 1)
        dpi = _dpi(header)
        image = _loaded(header, data)
        if image.format == "TIFF":  # Pillow has turned it by now
            orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
        width, height = image.size
        rgb = np.empty((height, width, 3), np.uint8)
        # Pillow would clip 16-bit grey, not scale it, on the way to RGBA: its one transparent grey is left out.
        has_alpha = image.has_transparency_data and not image.mode.startswith("I")
        alpha = np.empty((height, width), np.uint8) if has_alpha else None
        profile = image.info.get("icc_profile")
        kept = bool(keep_profile and profile and profiles.is_of_rgb(profile))
        to_srgb = profiles.to_srgb(profile, image.mode) if profile and not kept else None
        # By strips: Pillow would join a copy of everything first, and convert it to another.
        for top in range(0, height, _STRIP_ROWS):
            strip = image.crop((0, top, width, min(top + _STRIP_ROWS, height)))
            rows = slice(top, top + strip.height)
            if alpha is not None:
                strip = strip if strip.mode == "RGBA" else strip.convert("RGBA")
                alpha[rows] = np.asarray(strip)[:, :, 3]
                strip = strip.convert("RGB")
            rgb[rows] = np.asarray(to_srgb(strip)) if to_srgb else _opaque_pixels(strip)
    if alpha is not None and int(alpha.min()) == 255:
        alpha = None
    return Photo(rgb, alpha, profile if kept else None, dpi), orientation if isinstance(orientation, int) else 1


def _loaded(header: Image.Image, data: bytes) -> Image.Image:
    if header.format == "AVIF":
        return avif.load(header, data, bytes_per_pixel=_bytes_per_pixel(header))
    header.load()
    return header


def _dpi(image: Image.Image) -> tuple[float, float] | None:
    try:
        across, down = (float(value) for value in image.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if 1 <= across <= 65535 and 1 <= down <= 65535 else None


def _opaque_pixels(strip: Image.Image) -> NDArray[np.uint8]:
    """RGB uint8 [h, w, 3] of some rows in any mode."""
    if strip.mode.startswith("I"):  # 16-bit grey, which Pillow would clip, not scale
        grey = (np.asarray(strip) >> 8).clip(0, 255).astype(np.uint8)
        return cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB).astype(np.uint8, copy=False)
    return np.asarray(strip if strip.mode == "RGB" else strip.convert("RGB"))


def _upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    mirrored, turn = _UPRIGHT.get(orientation, (False, None))
    if mirrored:
        pixels = np.ascontiguousarray(pixels[:, ::-1])
    if turn is not None:
        pixels = cv2.rotate(pixels, turn).astype(np.uint8, copy=False)
    return pixels
