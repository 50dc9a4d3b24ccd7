"""A picture → the bytes of a file."""

from __future__ import annotations

import io
import struct
import zipfile
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.imaging.png import encode_png
from app.imaging.strips import strips

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class OutputFormat:
    """A format that answers come in.

    `bytes_per_pixel` is what its encoder takes (scripts/measure.py pixels), `longest_px` its own limit, `quality` its
    default (1..100; None: it loses nothing, or is a folder of files that have one).
    """

    name: str
    mimetype: str
    suffix: str
    has_alpha: bool
    bytes_per_pixel: int
    longest_px: int
    quality: int | None = None


FORMATS = {
    "png": OutputFormat("png", "image/png", ".png", True, bytes_per_pixel=10, longest_px=1_000_000),
    "jpeg": OutputFormat("jpeg", "image/jpeg", ".jpg", False, bytes_per_pixel=10, longest_px=65_500, quality=92),
    "webp": OutputFormat("webp", "image/webp", ".webp", True, bytes_per_pixel=26, longest_px=16_383, quality=90),
    "avif": OutputFormat("avif", "image/avif", ".avif", True, bytes_per_pixel=34, longest_px=65_536, quality=80),
    "zip": OutputFormat("zip", "application/zip", ".zip", True, bytes_per_pixel=10, longest_px=65_500, quality=92),
}
FORMAT_ALIASES = {"jpg": "jpeg"}
LOSSLESS = 101  # a quality of WebP and PNG

_QUALITY_OPTION = {"jpeg": cv2.IMWRITE_JPEG_QUALITY, "webp": cv2.IMWRITE_WEBP_QUALITY}
_AVIF_SPEED = 9  # of 10: half the time of 8 for a few more bytes


@dataclass(frozen=True)
class FileFacts:
    """What a file says beside its pixels: ICC profile of its colours, and resolution (dpi, across and down)."""

    icc_profile: bytes | None = None
    dpi: tuple[float, float] | None = None


def encode(
    pixels: Pixels, format_name: str, *, quality: int | None = None, facts: FileFacts = FileFacts()
) -> bytes:  # fmt: skip
    """Encode RGB uint8 [H, W, 3], RGBA [H, W, 4] or grey [H, W] in one of FORMATS but "zip"; JPEG takes no RGBA.

    `pixels` are used up: their channels may be swapped in place, for OpenCV writes BGR and a copy of a large photo is
    dear. PNG takes a third of the time of Pillow's default for 1.02 times the bytes in the middle, seldom more than 1.1
    (scripts/benchmark.py), since hidden pixels are zero.
    Only PNG and JPEG can tell the resolution.

    `quality` is 1..100, LOSSLESS, or None for the format's own; PNG loses nothing at any.
    """
    if format_name == "png":
        return encode_png(pixels, icc_profile=facts.icc_profile, dpi=facts.dpi)
    quality = quality or FORMATS[format_name].quality
    if format_name == "avif" or quality == LOSSLESS:
        return _encode_by_pillow(pixels, format_name, quality, facts)
    if pixels.ndim == 3:
        _swap_red_and_blue(pixels)
    options = [_QUALITY_OPTION[format_name], min(quality or 100, 100)]
    file_bytes = _encode_by_opencv(pixels, FORMATS[format_name].suffix, options, facts.icc_profile)
    if facts.dpi and format_name == "jpeg":
        _set_jpeg_dpi(file_bytes, facts.dpi)
    return file_bytes.tobytes()


def encode_zip(rgb: Pixels, alpha: Pixels, *, quality: int | None = None, facts: FileFacts = FileFacts()) -> bytes:
    """Colours uint8 [H, W, 3] as color.jpg and alpha uint8 [H, W] as alpha.png (8-bit grey), stored in a ZIP.

    `rgb` is used up, as by `encode`.
    """
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as members:
        # A fixed date: the same photo gives the same bytes.
        quality = None if quality == LOSSLESS else quality
        members.writestr(zipfile.ZipInfo("color.jpg"), encode(rgb, "jpeg", quality=quality, facts=facts))
        members.writestr(zipfile.ZipInfo("alpha.png"), encode(alpha, "png", facts=FileFacts(dpi=facts.dpi)))
    return archive.getvalue()


def _encode_by_opencv(pixels: Pixels, suffix: str, options: list[int], icc_profile: bytes | None) -> Pixels:
    written = False
    if icc_profile and pixels.ndim == 3:
        profile = np.frombuffer(icc_profile, np.uint8)
        written, file_bytes = cv2.imencodeWithMetadata(suffix, pixels, [cv2.IMAGE_METADATA_ICCP], [profile], options)
    if not written:  # or the encoder does not take the profile
        written, file_bytes = cv2.imencode(suffix, pixels, options)
    if not written:
        raise MemoryError(f"OpenCV could not write a {suffix}")
    return file_bytes.astype(np.uint8, copy=False)


def _encode_by_pillow(pixels: Pixels, format_name: str, quality: int | None, facts: FileFacts) -> bytes:
    buffer = io.BytesIO()
    options: dict[str, object] = {"icc_profile": facts.icc_profile} if facts.icc_profile and pixels.ndim == 3 else {}
    if format_name == "webp":
        options |= {"lossless": True, "quality": 0, "method": 0}  # here: the effort, and a tenth of OpenCV's time
    else:
        options |= {"quality": min(quality or 100, 100), "speed": _AVIF_SPEED}
    Image.fromarray(pixels).save(buffer, format_name, **options)
    return buffer.getvalue()


def _set_jpeg_dpi(file_bytes: Pixels, dpi: tuple[float, float]) -> None:
    """Write the resolution into the JFIF segment that libjpeg begins a file with; in place."""
    if bytes(file_bytes[6:11]) == b"JFIF\0":
        across, down = (round(value) for value in dpi)
        file_bytes[13:18] = np.frombuffer(struct.pack(">BHH", 1, across, down), np.uint8)


def _swap_red_and_blue(pixels: Pixels) -> None:
    code = cv2.COLOR_RGBA2BGRA if pixels.shape[2] == 4 else cv2.COLOR_RGB2BGR
    for rows in strips(*pixels.shape[:2]):
        pixels[rows] = cv2.cvtColor(pixels[rows], code)
