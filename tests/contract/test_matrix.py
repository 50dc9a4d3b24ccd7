"""Every kind of photo that comes in × every kind of file that goes out, through the API, read by other decoders.

What comes in is made here; what is expected is worked out here, from the same pixels read by OpenCV where it reads the
format (the product reads by Pillow) and by Pillow elsewhere. What goes out is read by one of the two that did not
write it. The network is the fake one: the subject is a disc in the middle.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable

import cv2
import numpy as np
import pillow_heif
import pytest
from flask.testing import FlaskClient
from PIL import Image, ImageChops

from tests.support import FakeModels, encoded, opened, picture

pillow_heif.register_heif_opener()

PATH = "/api/remove-background"
WIDTH, HEIGHT = 132, 96
PHOTO = picture(WIDTH, HEIGHT)


def veiled() -> Image.Image:
    """The photo with a see-through band across its middle."""
    image = PHOTO.convert("RGBA")
    image.paste((0, 200, 0, 0), (0, 44, WIDTH, 52))
    return image


def written_by_opencv(array: np.ndarray, suffix: str) -> bytes:
    return bytes(cv2.imencode(suffix, array)[1])


def by_opencv(data: bytes) -> np.ndarray:
    """The pixels of a file in RGB, RGBA or grey."""
    pixels: np.ndarray = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels.ndim == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB)
    return pixels


def plain_cmyk() -> bytes:
    """A CMYK JPEG as others than Adobe write it: not inverted, without Adobe's marker."""
    data = encoded(ImageChops.invert(PHOTO.convert("CMYK")), "JPEG", quality=95, subsampling=0)
    at = data.index(b"\xff\xee")
    return data[:at] + data[at + 2 + int.from_bytes(data[at + 2 : at + 4], "big") :]


def grey16() -> np.ndarray:
    return np.asarray(PHOTO.convert("L")).astype(np.uint16) * 257


def frames(file_format: str, **how: object) -> bytes:
    """An animation whose second picture is all white."""
    white = Image.new("RGB", PHOTO.size, "white")
    return encoded(PHOTO, file_format, save_all=True, append_images=[white], **how)


INPUTS: dict[str, Callable[[], bytes]] = {
    "JPEG": lambda: encoded(PHOTO, "JPEG", quality=95, subsampling=0),
    "JPEG, progressive": lambda: encoded(PHOTO, "JPEG", quality=95, subsampling=0, progressive=True),
    "JPEG, grey": lambda: encoded(PHOTO.convert("L"), "JPEG", quality=95),
    "JPEG, CMYK as Adobe inverts it": lambda: encoded(PHOTO.convert("CMYK"), "JPEG", quality=95, subsampling=0),
    "JPEG, CMYK": plain_cmyk,
    "PNG": lambda: encoded(PHOTO, "PNG"),
    "PNG, 16 bits": lambda: written_by_opencv(np.asarray(PHOTO)[:, :, ::-1].astype(np.uint16) * 257, ".png"),
    "PNG, grey": lambda: encoded(PHOTO.convert("L"), "PNG"),
    "PNG, grey, 16 bits": lambda: written_by_opencv(grey16(), ".png"),
    "PNG, palette": lambda: encoded(PHOTO.quantize(250), "PNG"),
    "PNG, palette with transparency": lambda: encoded(veiled().quantize(250), "PNG"),
    "PNG with alpha": lambda: encoded(veiled(), "PNG"),
    "PNG, grey with alpha": lambda: encoded(veiled().convert("LA"), "PNG"),
    "PNG, animated": lambda: frames("PNG"),
    "WebP": lambda: encoded(PHOTO, "WEBP", quality=95),
    "WebP, lossless with alpha": lambda: encoded(veiled(), "WEBP", lossless=True, exact=True),
    "WebP, animated": lambda: frames("WEBP", lossless=True),
    "AVIF": lambda: encoded(PHOTO, "AVIF", quality=95, subsampling="4:4:4"),
    "AVIF with alpha": lambda: encoded(veiled(), "AVIF", quality=95, subsampling="4:4:4"),
    "HEIC": lambda: encoded(PHOTO, "HEIF", quality=95, chroma=444),
    "TIFF": lambda: encoded(PHOTO, "TIFF", compression="tiff_lzw"),
    "TIFF, grey, 16 bits": lambda: written_by_opencv(grey16(), ".tiff"),
    "TIFF with alpha": lambda: encoded(veiled(), "TIFF"),
    "BMP": lambda: encoded(PHOTO, "BMP"),
    "GIF": lambda: encoded(PHOTO.quantize(250), "GIF"),
    "GIF, animated": lambda: frames("GIF"),
}
PILLOW_ONLY = ("HEIC", "JPEG, CMYK as Adobe inverts it", "PNG, grey with alpha", "PNG, palette with transparency")
LOSSY = ("JPEG", "WebP", "AVIF", "HEIC")

OUTPUTS: dict[str, dict[str, str]] = {
    "PNG": {"format": "png"},
    "PNG on a colour": {"format": "png", "background_color": "#2040a0"},
    "PNG, the mask": {"format": "png", "output": "mask"},
    "JPEG": {"format": "jpeg", "image_quality": "95"},
    "JPEG on a colour": {"format": "jpeg", "image_quality": "95", "background_color": "#2040a0"},
    "WebP": {"format": "webp", "image_quality": "95"},
    "WebP, lossless": {"format": "webp", "image_quality": "lossless"},
    "AVIF": {"format": "avif", "image_quality": "95"},
    "AVIF, the mask": {"format": "avif", "output": "mask", "image_quality": "95"},
    "ZIP": {"format": "zip", "image_quality": "95"},
}


def read_in(kind: str, data: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Colours and alpha of what is sent, by a decoder that the product does not use for it where there is one."""
    if kind == "JPEG, CMYK":  # which no decoder here reads right
        return np.asarray(PHOTO), np.full((HEIGHT, WIDTH), 255, np.uint8)
    if kind in PILLOW_ONLY:
        rgba = np.asarray(opened(data).convert("RGBA"))
        return rgba[:, :, :3], rgba[:, :, 3]
    pixels = by_opencv(data)
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    pixels = np.dstack([pixels] * 3) if pixels.ndim == 2 else pixels
    alpha = pixels[:, :, 3] if pixels.shape[2] == 4 else np.full(pixels.shape[:2], 255, np.uint8)
    return pixels[:, :, :3], alpha


def read_out(kind: str, data: bytes) -> tuple[np.ndarray, np.ndarray | None]:
    """Colours and alpha (None: it has none) of what came back; those of OpenCV are read by Pillow and the other way."""
    if kind == "ZIP":
        with zipfile.ZipFile(io.BytesIO(data)) as members:
            assert members.namelist() == ["color.jpg", "alpha.png"]
            colors, alpha = (by_opencv(members.read(name)) for name in members.namelist())
        assert (colors.shape[2], alpha.ndim) == (3, 2)
        return colors, alpha
    if kind.startswith("PNG"):
        image = opened(data)
        assert image.format == "PNG"
        pixels = np.asarray(image if image.mode == "RGBA" else image.convert("RGB"))
    else:
        assert opened(data).format == kind.split(",")[0].split(" ")[0].upper()
        pixels = by_opencv(data)
        pixels = np.dstack([pixels] * 3) if pixels.ndim == 2 else pixels
    return pixels[:, :, :3], pixels[:, :, 3] if pixels.shape[2] == 4 else None


def subject() -> tuple[np.ndarray, np.ndarray]:
    """Where the fake network surely sees the subject, and where surely nothing: its map is 64×64, its disc 20 of it."""
    rows, columns = np.indices((HEIGHT, WIDTH))
    distance = np.hypot((rows + 0.5) / HEIGHT * 64 - 32, (columns + 0.5) / WIDTH * 64 - 32)
    return distance < 17, distance > 23


@pytest.mark.parametrize("out_kind", list(OUTPUTS))
@pytest.mark.parametrize("in_kind", list(INPUTS))
def test_every_kind_of_photo_becomes_every_kind_of_file(client: FlaskClient, in_kind: str, out_kind: str) -> None:
    data = INPUTS[in_kind]()
    answer = client.post(PATH, data=data, query_string=OUTPUTS[out_kind], headers={"Accept": "image/*"})
    assert answer.status_code == 200, answer.get_json()
    assert answer.headers["X-Animated"] == str("animated" in in_kind).lower()
    colors, alpha = read_out(out_kind, answer.data)
    assert colors.shape == (HEIGHT, WIDTH, 3)
    own_colors, own_alpha = read_in(in_kind, data)
    inside, outside = subject()
    shown, hidden = inside & (own_alpha == 255), outside | (own_alpha == 0)
    assert shown.sum() > 1000
    assert hidden.sum() > 1000
    lossy_in, lossy_out = in_kind.startswith(LOSSY), out_kind.startswith(("JPEG", "WebP", "AVIF", "ZIP"))
    near = 3 + 4 * lossy_in + 5 * (lossy_out and "lossless" not in out_kind)

    def differ(found: np.ndarray, wanted: np.ndarray | int, where: np.ndarray) -> float:
        """The mean difference, edges of the square and the band left out where a file is lossy."""
        gap = np.abs(found.astype(np.int16) - wanted)
        return float(gap[where].mean())

    if "mask" in out_kind:
        assert differ(colors, 255, shown) <= near
        assert differ(colors, 0, hidden) <= near
        return
    assert differ(colors, own_colors, shown) <= near, "the subject keeps its colours"
    if alpha is not None:
        assert differ(alpha, 255, shown) <= near
        assert differ(alpha, 0, hidden) <= near
        return
    behind = np.array((32, 64, 160) if "colour" in out_kind else (255, 255, 255))
    assert differ(colors, np.broadcast_to(behind, colors.shape), hidden) <= near


@pytest.mark.parametrize("out_kind", ["PNG", "JPEG", "WebP, lossless", "ZIP"])
@pytest.mark.parametrize("in_kind", list(INPUTS))
def test_every_kind_of_photo_is_converted_to_a_file_of_the_whole_of_it(
    client: FlaskClient, models: FakeModels, in_kind: str, out_kind: str
) -> None:
    data = INPUTS[in_kind]()
    words = {**OUTPUTS[out_kind], "output": "photo"}
    answer = client.post(PATH, data=data, query_string=words, headers={"Accept": "image/*"})
    assert answer.status_code == 200, answer.get_json()
    assert (answer.headers["X-Method"], answer.headers["X-Model"], answer.headers["X-Confidence"]) == (
        "none",
        "",
        "0.0",
    )
    assert models.asked == [], "no network looks at it"
    colors, alpha = read_out(out_kind, answer.data)
    own_colors, own_alpha = read_in(in_kind, data)
    shown = own_alpha == 255
    near = 3 + 4 * in_kind.startswith(LOSSY) + 5 * (out_kind in ("JPEG", "ZIP"))
    assert np.abs(colors.astype(np.int16) - own_colors)[shown].mean() <= near
    if alpha is not None:
        assert np.abs(alpha.astype(np.int16) - own_alpha).mean() <= near
    elif not shown.all():
        assert np.abs(colors.astype(np.int16) - 255)[own_alpha == 0].mean() <= near, "what has no alpha stands on white"


@pytest.mark.parametrize("words", [*OUTPUTS.values(), {"format": "jpeg", "output": "photo"}], ids=str)
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "AVIF", "HEIF", "TIFF"])
def test_where_a_photo_was_taken_and_by_whom_is_never_passed_on(
    client: FlaskClient, file_format: str, words: dict[str, str]
) -> None:
    exif = Image.Exif()
    exif[0x013B] = "Jane Secret"
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.0), 29: "2026:11:21"})
    data = encoded(PHOTO, file_format, exif=exif)
    assert b"Jane Secret" in data
    assert b"2026:11:21" in data or file_format == "TIFF", "into which Pillow writes no place"
    answer = client.post(PATH, data=data, query_string=words, headers={"Accept": "image/*"})
    assert answer.status_code == 200
    for private in (b"Jane Secret", b"2026:11:21", b"Exif\0\0", b"eXIf"):
        assert private not in answer.data
