"""A picture → the bytes of a file."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.imaging.png import encode_png

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
    bytes_per_pixel: float
    longest_px: int
    quality: int | None = None


FORMATS = {
    "png": OutputFormat("png", "image/png", ".png", True, bytes_per_pixel=10.5, longest_px=1_000_000),
    "jpeg": OutputFormat("jpeg", "image/jpeg", ".jpg", False, bytes_per_pixel=10, longest_px=65_500, quality=92),
    "webp": OutputFormat("webp", "image/webp", ".webp", True, bytes_per_pixel=30, longest_px=16_383, quality=90),
    "avif": OutputFormat("avif", "image/avif", ".avif", True, bytes_per_pixel=34, longest_px=65_536, quality=80),
    "zip": OutputFormat("zip", "application/zip", ".zip", True, bytes_per_pixel=10.5, longest_px=65_500, quality=92),
}
FORMAT_ALIASES = {"jpg": "jpeg"}
LOSSLESS = 101  # a quality of WebP and PNG

# Effort of WebP: 2 of 6 takes two thirds of the time of the usual 4 for 2 % more bytes; lossless, 0 a tenth of it.
_WEBP_EFFORT, _LOSSLESS_EFFORT = 2, 0
_AVIF_SPEED = 9  # of 10: half the time of 8 for 4 % more bytes


@dataclass(frozen=True)
class FileFacts:
    """What a file says beside its pixels: ICC profile of its colours, and resolution (dpi, across and down)."""

    icc_profile: bytes | None = None
    dpi: tuple[float, float] | None = None


def encode(
    pixels: Pixels,
    format_name: str,
    *,
    quality: int | None = None,
    facts: FileFacts = FileFacts(),
    subsampling: int | None = None,
) -> bytes:
    """Encode RGB uint8 [H, W, 3], RGBA [H, W, 4] or grey [H, W] in one of FORMATS but "zip"; JPEG takes no RGBA.

    PNG takes a fifth of the time of Pillow's default for 1.02 times the bytes in the middle, seldom more than 1.1
    (scripts/benchmark.py), since hidden pixels are zero. Only PNG and JPEG can tell the resolution.

    `quality` is 1..100, LOSSLESS, or None for the format's own; PNG loses nothing at any. `subsampling` is Pillow's, of
    JPEGs: 0 keeps all of the colours' resolution, None half of it.
    """
    if format_name == "png":
        return encode_png(pixels, icc_profile=facts.icc_profile, dpi=facts.dpi)
    quality = quality or FORMATS[format_name].quality or LOSSLESS
    options: dict[str, object] = {"quality": min(quality, 100)}
    if subsampling is not None:
        options["subsampling"] = subsampling
    if format_name == "jpeg" and facts.dpi:
        options["dpi"] = facts.dpi
    elif format_name == "webp" and quality == LOSSLESS:
        options = {"lossless": True, "quality": 0, "method": _LOSSLESS_EFFORT}  # 0: no effort beyond the method's
    elif format_name == "webp":
        options["method"] = _WEBP_EFFORT
    elif format_name == "avif":
        options["speed"] = _AVIF_SPEED
    if facts.icc_profile and pixels.ndim == 3:
        options["icc_profile"] = facts.icc_profile
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format_name, **options)
    return buffer.getvalue()


def encode_zip(rgb: Pixels, alpha: Pixels, *, quality: int | None = None, facts: FileFacts = FileFacts()) -> bytes:
    """Colours uint8 [H, W, 3] as color.jpg and alpha uint8 [H, W] as alpha.png (8-bit grey), stored in a ZIP."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as members:
        # A fixed date: the same photo gives the same bytes.
        quality = None if quality == LOSSLESS else quality
        # With all of the colours' resolution: at half of it those behind the subject would bleed into its edge.
        colors = encode(rgb, "jpeg", quality=quality, facts=facts, subsampling=0)
        members.writestr(zipfile.ZipInfo("color.jpg"), colors)
        members.writestr(zipfile.ZipInfo("alpha.png"), encode(alpha, "png", facts=FileFacts(dpi=facts.dpi)))
    return archive.getvalue()
