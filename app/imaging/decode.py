"""Bytes of a photo → what its header says, then its pixels, upright.

Only formats on one allow-list ever reach a decoder, and the size is known before a pixel is decoded.
"""

from __future__ import annotations

import io
import math
import re
import struct
import zlib
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, PngImagePlugin

from app.errors import UnreadableImage, UnsupportedFormat
from app.imaging import avif, profiles
from app.imaging.resample import resized_part
from app.imaging.strips import strips

Pixels = NDArray[np.uint8]

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
    (re.compile(rb"BM.{4}\0{4}", re.DOTALL), "BMP"),  # two letters, the length, and four bytes that no text has
)
# What Pillow's decoders raise on damaged bytes; none of it is ours to tell apart.
_DECODER_FAULTS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    AssertionError,
    AttributeError,
    RuntimeError,  # libheif and libavif
    ArithmeticError,
    struct.error,
    zlib.error,
)
# How many times smaller a side a JPEG decoder can make a photo.
SHRINKS = (1, 2, 4, 8)
OWN_BYTES_PER_PIXEL = 4  # colours and alpha
LOADED_BYTES_PER_PIXEL = 5  # Pillow's four, and what is converted at a time
_HEIF_SAMPLES = {420: 1.5, 422: 2}  # colours' subsampling → samples of a pixel
_RGB_MODES = ("RGB", "RGBA", "RGBX", "P", "PA")
_STRIP_PX = 1 << 18  # Pillow makes its conversions anew for each strip
# What stands for colours that the photo itself hides: they are nobody's to see, and the network likes a plain ground.
_HIDDEN = 255
_EXIF_ORIENTATION = 0x0112
_TILE_WIDTH, _TILE_LENGTH, _BITS_PER_SAMPLE = 322, 323, 258
_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0
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
    """What the header of a photo says: format, stored width and height in pixels (before EXIF turns it), and what it
    takes, in bytes a pixel, to decode it (scripts/measure.py pixels).

    `codec_bytes_per_pixel` is what a codec holds of the whole photo before Pillow has it: its own planes, or the
    coefficients of a progressive JPEG. Of what is `animated`, or has several pages, the first is taken.
    """

    format: str
    width: int
    height: int
    codec_bytes_per_pixel: float = 0
    animated: bool = False

    @property
    def mimetype(self) -> str:
        """The media type of the file."""
        return f"image/{self.format.lower()}"

    @property
    def px(self) -> int:
        """Its pixels."""
        return self.width * self.height

    @property
    def can_shrink(self) -> bool:
        """Whether its decoder can leave out pixels."""
        return self.format == "JPEG"

    def loaded_bytes(self, shrink: int = 1) -> float:
        """What Pillow holds of it besides our own copy, decoded one of SHRINKS smaller."""
        return LOADED_BYTES_PER_PIXEL * self.px / shrink**2

    def decoding_bytes(self, most_px: float, shrink: int = 1) -> float:
        """What decoding takes at its peak, where our own copy is reduced to `most_px` pixels."""
        return self.loaded_bytes(shrink) + max(self.codec_bytes_per_pixel * self.px, OWN_BYTES_PER_PIXEL * most_px)


@dataclass(frozen=True)
class Photo:
    """Pixels of a photo, upright: `rgb` uint8 [H, W, 3]; `alpha` uint8 [H, W], or None when it is opaque.

    The colours are sRGB, or those of `icc_profile`, when it was to be kept. `dpi` is across and down, when it is told.
    """

    rgb: Pixels
    alpha: Pixels | None
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
            codec_bytes = _codec_bytes_per_pixel(image)
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
    return Probe(found, width, height, codec_bytes, animated)


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


def _codec_bytes_per_pixel(image: Image.Image) -> float:
    """What a codec holds of a whole photo at once, by its header; 0 for those that work row by row."""
    has_alpha = "A" in image.mode
    if image.info.get("progressive"):  # libjpeg keeps every coefficient, of two bytes, until the last scan is read
        return 2 * len(image.getbands())
    if image.format == "WEBP":
        return 13  # two canvases and a copy
    if image.format == "AVIF":
        return 13 if has_alpha else 10  # of up to twelve bits
    if image.format == "HEIF":
        samples = _HEIF_SAMPLES.get(image.info.get("chroma", 444), 3) + has_alpha
        return 2 * samples * (2 if image.info.get("bit_depth", 8) > 8 else 1)
    if image.format == "TIFF":  # at worst a strip that is the whole photo
        bits = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, (8,))
        return max(10, 4 + sum(bits if isinstance(bits, tuple) else (bits,)) / 8)
    return 0


def decode(data: bytes, *, keep_profile: bool = False, shrink: int = 1, most_px: float = math.inf) -> Photo:
    """Decode the first frame to RGB, upright by its EXIF orientation.

    Colours are converted to sRGB by the photo's ICC profile, or left as they are with `keep_profile`; a profile that
    is damaged, or of another kind of colours than the photo's, is passed over. A JPEG is decoded one of SHRINKS smaller
    a side; what then has more than `most_px` pixels is reduced to that, its aspect kept.

    Raises:
        UnreadableImage: the pixels are damaged or cut short.
    """
    try:
        photo, orientation = _decode_stored(data, keep_profile, shrink, most_px)
    except _DECODER_FAULTS as fault:
        raise UnreadableImage("The photo is damaged or cut short. Please save or send it again.") from fault
    alpha = None if photo.alpha is None else _upright(photo.alpha, orientation)
    return replace(photo, rgb=_upright(photo.rgb, orientation), alpha=alpha)


def _decode_stored(data: bytes, keep_profile: bool, shrink: int, most_px: float) -> tuple[Photo, int]:
    """Pixels as they are stored, and the orientation; Pillow's own four bytes a pixel are free on return."""
    with _open(data) as header:
        dpi = _dpi(header)  # first: a TIFF is turned as its pixels are read, and forgets it
        if shrink > 1:
            header.draft(None, (max(1, header.width // shrink), max(1, header.height // shrink)))
        image = _loaded(header, data)
        profile = image.info.get("icc_profile")
        kept = bool(keep_profile and profile and image.mode in _RGB_MODES and profiles.is_of_rgb(profile))
        to_eight_bits = _to_eight_bits(image)
        to_srgb = profiles.to_srgb(profile, image.mode) if profile and not kept else None
        # Pillow would clip 16-bit grey, not scale it, on the way to RGBA: its one transparent grey is left out.
        has_alpha = image.has_transparency_data and not to_eight_bits
        convert = to_eight_bits or to_srgb or _to_rgb
        if image.mode == "CMYK" and header.format == "JPEG" and "adobe" not in image.info:
            convert = _after_inverting(convert)
        rgb, alpha = _pixels(image, convert, has_alpha=has_alpha, most_px=most_px)
        orientation = _orientation(image)
    if alpha is not None and int(alpha.min()) == 255:
        alpha = None
    return Photo(rgb, alpha, profile if kept else None, dpi), orientation


def _loaded(header: Image.Image, data: bytes) -> Image.Image:
    if header.format == "AVIF":
        bytes_per_pixel = math.ceil(LOADED_BYTES_PER_PIXEL + _codec_bytes_per_pixel(header))
        return avif.load(header, data, bytes_per_pixel=bytes_per_pixel)
    header.load()
    return header


def _pixels(
    image: Image.Image, convert: profiles.Conversion, *, has_alpha: bool, most_px: float
) -> tuple[Pixels, Pixels | None]:
    """Colours uint8 [h, w, 3] and alpha uint8 [h, w] of a picture in any mode, reduced to `most_px`.

    By strips: Pillow would join a copy of everything first, and convert it to another.
    """
    scale = min(1.0, math.sqrt(most_px / (image.width * image.height)))
    width, height = (max(1, int(side * scale)) for side in image.size)
    if scale < 1:  # of a narrow photo one side was below a pixel: the other makes up for it
        width, height = min(width, max(1, int(most_px / height))), min(height, max(1, int(most_px / width)))

    def read(rows: slice, columns: slice) -> Image.Image:
        part = image.crop((columns.start, rows.start, columns.stop, rows.stop))
        if not has_alpha:
            return _to_rgb(convert(part))
        part = part if part.mode == "RGBA" else part.convert("RGBA")
        if convert is _to_rgb:
            return part
        colors = convert(part.convert("RGB"))
        colors.putalpha(part.getchannel("A"))
        return colors

    rgb = np.empty((height, width, 3), np.uint8)
    alpha = np.empty((height, width), np.uint8) if has_alpha else None
    for rows in strips(height, width, most_px=_STRIP_PX):
        if scale < 1:
            part = resized_part(read, image.size, (width, height), rows, slice(0, width))
        else:
            part = read(rows, slice(0, width))
        pixels = np.asarray(part)
        rgb[rows] = pixels[:, :, :3]
        if alpha is not None:
            alpha[rows] = pixels[:, :, 3]
            rgb[rows][alpha[rows] == 0] = _HIDDEN
    return rgb, alpha


def _orientation(image: Image.Image) -> int:
    orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
    return orientation if isinstance(orientation, int) else 1


def _dpi(image: Image.Image) -> tuple[float, float] | None:
    """Dots per inch across and down the upright picture."""
    try:
        across, down = (float(value) for value in image.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    if not (1 <= across <= 65535 and 1 <= down <= 65535):
        return None
    _mirrored, turn = _UPRIGHT.get(_orientation(image), (False, None))
    return (down, across) if turn in _QUARTER_TURNS else (across, down)


def _to_rgb(picture: Image.Image) -> Image.Image:
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _after_inverting(convert: profiles.Conversion) -> profiles.Conversion:
    """Adobe stores CMYK in JPEGs upside down, and Pillow takes every such file for Adobe's."""
    return lambda picture: convert(ImageChops.invert(picture))


def _to_eight_bits(image: Image.Image) -> profiles.Conversion | None:
    """Make the conversion of strips of a grey picture of more than 8 bits, which Pillow would clip; None for others.

    16 bits are scaled, and so are floats from 0 to 1; any other numbers are stretched from the picture's least to its
    largest. What is no number is 0.
    """
    if not image.mode.startswith(("I", "F")):
        return None
    least, span = _range(image)
    white_is_zero = getattr(image, "tag_v2", {}).get(_PHOTOMETRIC) == _WHITE_IS_ZERO

    def convert(strip: Image.Image) -> Image.Image:
        greys = (np.asarray(strip, np.float64) - least) * (256 / span)
        pixels = np.nan_to_num(greys).clip(0, 255).astype(np.uint8)
        return Image.fromarray(255 - pixels if white_is_zero else pixels)

    return convert


def _range(image: Image.Image) -> tuple[float, float]:
    """The number that is the least grey, and how much more the largest is."""
    if image.mode.startswith("I;16"):
        return 0, 65536
    every_row = strips(image.height, image.width, most_px=_STRIP_PX)
    numbers = (np.asarray(image.crop((0, rows.start, image.width, rows.stop))) for rows in every_row)
    extrema = [(np.fmin.reduce(some, None), np.fmax.reduce(some, None)) for some in numbers]
    least, largest = float(np.fmin.reduce(extrema, None)), float(np.fmax.reduce(extrema, None))
    usual = 1 if image.mode == "F" else 65536
    if least >= 0 and largest <= usual:
        return 0, usual
    if not np.isfinite(largest - least):
        raise UnreadableImage("The photo's greys are no numbers, or infinite. Please send it with 8 or 16 bits.")
    return least, largest - least or 1


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    mirrored, turn = _UPRIGHT.get(orientation, (False, None))
    if mirrored:
        pixels = np.ascontiguousarray(pixels[:, ::-1])
    if turn is not None:
        pixels = cv2.rotate(pixels, turn).astype(np.uint8, copy=False)
    return pixels
