"""What people send by mistake or malice, and the status that each must get; for tests and for measuring."""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image

MIB = 1024 * 1024


def _photo(file_format: str) -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((640, 480)).convert("RGB").save(buffer, file_format)
    return buffer.getvalue()


def png_with_size(width: int, height: int) -> bytes:
    """A PNG of about a hundred bytes whose header claims a size."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def png_with_text(chunks: int) -> bytes:
    """A sound PNG with compressed text of 1 MB in each of so many chunks: a thousandth of that on the wire."""
    body = b"Comment\0\0" + zlib.compress(bytes(MIB))
    text = struct.pack(">I", len(body)) + b"zTXt" + body + struct.pack(">I", zlib.crc32(b"zTXt" + body))
    png = _photo("PNG")
    return png[:33] + text * chunks + png[33:]  # after the header


JPEG = _photo("JPEG")
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'

BAD_UPLOADS: dict[str, tuple[bytes, int]] = {
    "an empty body": (b"", 400),
    "text named .jpg": (b"this is no photo", 415),
    "a JPEG cut short": (JPEG[: len(JPEG) // 2], 422),
    "an image of 0×0 pixels": (png_with_size(0, 0), 422),
    "a PNG bomb of 30,000×30,000": (png_with_size(30_000, 30_000), 422),
    "a PNG with 60 MB of text": (png_with_text(60), 422),
    "11 MB": (JPEG + bytes(11 * MIB), 413),
    "60 MB": (JPEG + bytes(60 * MIB), 413),
    "a PPM": (_photo("PPM"), 415),
    "an SVG": (SVG, 415),
}
