"""What the page paints from the cut-out it has is what the server's file has, within 2/255."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from PIL import Image
from playwright.sync_api import Page

from scripts.box import Server
from tests.support import encoded, opened

Look = dict[str, Any]
Pixels = np.ndarray[Any, Any]

MOST_OFF = 2  # of 255
# A photo's name → its file: soft hair, fur, a plain one, one that is turned, and one of 6 megapixels.
PHOTOS = {
    "hair": "matting-dev/images/01-GT03.png",
    "fur": "matting-lemur/lemur.png",
    "small": "u2net-author/images/girl.png",
    "large": "u2net-author/images/bike.jpg",
    "turned": "rembg-peer/car-1.jpg",
}
LAYOUT: Look = {"crop": False, "margin": [], "canvas": None, "scale": None, "position": None}
SHADOW: Look = {"offsetPx": [0, 16], "blurPx": 24, "opacity": 0.4, "color": "#000000"}

PAINT = """async ({ cutout, original, image, look }) => {
  const folder = document.querySelector('link[rel="stylesheet"]').href.replace(/style\\.css.*/, "js/");
  const { Scene } = await import(`${folder}scene.js`);
  const decode = async (bytes) => bytes && createImageBitmap(new Blob([Uint8Array.fromBase64(bytes)]));
  const scene = new Scene(await decode(cutout), await decode(original));
  if (image) look.background.bitmap = await decode(image);
  scene.look = look;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [scene.width, scene.height];
  const context = canvas.getContext("2d");
  await scene.settle?.();
  scene.paint(context);
  const { data, width, height } = context.getImageData(0, 0, scene.width, scene.height);
  return { pixels: new Uint8Array(data.buffer).toBase64(), width, height };
}"""


class Studio:
    """A photo, its cut-out by the server, and the page that paints with both."""

    def __init__(self, page: Page, server: Server, photo: bytes) -> None:
        self._page = page
        self._server = server
        self._photo = photo
        page.goto("/")

    def painted(self, look: Look, image: bytes | None = None) -> Pixels:
        """What the page paints, RGBA with straight alpha, uint8 [H, W, 4]."""
        files = {"cutout": self.served({}), "original": self._photo, "image": image}
        texts = {name: data and base64.b64encode(data).decode() for name, data in files.items()}
        result = self._page.evaluate(PAINT, {**texts, "look": {"shadow": None, "layout": LAYOUT, **look}})
        pixels = np.frombuffer(base64.b64decode(result["pixels"]), np.uint8)
        return pixels.reshape(result["height"], result["width"], 4)

    def served(self, words: dict[str, str], image: bytes | None = None) -> bytes:
        """The server's file for these options."""
        return served(self._server.url, self._photo, tuple(words.items()), image)


@cache
def served(url: str, photo: bytes, words: tuple[tuple[str, str], ...], image: bytes | None) -> bytes:
    files = {"file": ("photo", photo)} | ({"background_image": ("image", image)} if image else {})
    answer = requests.post(
        f"{url}/api/remove-background", files=files, data=dict(words), headers={"Accept": "image/*"}, timeout=60
    )
    assert answer.status_code == 200, answer.text
    return answer.content


@pytest.fixture
def studio(page: Page, server: Server, data_dir: Path) -> Callable[[str], Studio]:
    """Makes the studio of one of PHOTOS."""

    def make(name: str) -> Studio:
        photo = (data_dir / PHOTOS[name]).read_bytes()
        if name == "turned":
            exif = Image.Exif()
            exif[0x0112] = 6
            photo = encoded(Image.open(io.BytesIO(photo)), "JPEG", quality=95, exif=exif)
        return Studio(page, server, photo)

    return make


def words_of(look: Look) -> dict[str, str]:
    """The API's options for a look."""
    background, shadow = look["background"], look.get("shadow")
    words = {
        "transparent": dict,
        "color": lambda: {"background_color": background["color"]},
        "gradient": lambda: {"background_gradient": background["css"]},
        "image": lambda: {"background_fit": background["fit"]},
        "blur": lambda: {"background_blur": str(background["radiusPx"])},
    }[background["kind"]]()
    if shadow:
        words |= {
            "shadow": "true",
            "shadow_offset": "{} {}".format(*shadow["offsetPx"]),
            "shadow_blur": str(shadow["blurPx"]),
            "shadow_opacity": f"{shadow['opacity']:.0%}",
            "shadow_color": shadow["color"],
        }
    return words


def most_off(painted: Pixels, file: bytes) -> int:
    """The largest difference of a colour; where it is see-through, on black and of the alpha itself."""
    expected = np.asarray(opened(file).convert("RGBA"))
    assert painted.shape == expected.shape
    seen = [np.dstack([each[:, :, :3] * (each[:, :, 3:] / 255), each[:, :, 3]]) for each in (painted, expected)]
    return int(np.ceil(np.abs(seen[0] - seen[1]).max() - 0.5))


@pytest.mark.parametrize("name", PHOTOS)
@pytest.mark.parametrize("color", ["#ffffff", "#000000", "#00b140"])
def test_a_colour_is_the_files(studio: Callable[[str], Studio], name: str, color: str) -> None:
    check(studio(name), {"background": {"kind": "color", "color": color}})


def test_nothing_behind_is_the_file(studio: Callable[[str], Studio]) -> None:
    check(studio("hair"), {"background": {"kind": "transparent"}})


@pytest.mark.parametrize(
    "css",
    [
        "linear-gradient(135deg, #ffffff, #a9d8ff)",
        "linear-gradient(#102030, #ff8800)",
        "linear-gradient(to right, #000000, #ff0000 20%, #ffffff)",
        "linear-gradient(-30.5deg, #000000 10%, #ff0000, #00ff00, #ffffff 130%)",
        "linear-gradient(to left, #000000 37%, #ffffff 37%)",
        "radial-gradient(#ffffff, #808080)",
        "radial-gradient(#ff0000 0%, #ffffff 30%, #0000ff 150%)",
    ],
)
@pytest.mark.parametrize("name", ["fur", "large"])
def test_a_gradient_is_the_files(studio: Callable[[str], Studio], name: str, css: str) -> None:
    check(studio(name), {"background": {"kind": "gradient", "css": css}})


def check(studio: Studio, look: Look, image: bytes | None = None) -> None:
    off = most_off(studio.painted(look, image), studio.served(words_of(look), image))
    assert off <= MOST_OFF


@pytest.mark.parametrize("radius_px", [4, 20, 100])
@pytest.mark.parametrize("name", ["hair", "fur", "turned"])
def test_the_blurred_original_is_the_files(studio: Callable[[str], Studio], name: str, radius_px: float) -> None:
    check(studio(name), {"background": {"kind": "blur", "radiusPx": radius_px}})


@pytest.mark.parametrize("size", ["same", "larger", "huge", "smaller"])
def test_an_image_of_ones_own_is_the_files(studio: Callable[[str], Studio], size: str) -> None:
    sizes = {"same": (680, 440), "larger": (800, 600), "huge": (1600, 1300), "smaller": (300, 299)}
    noise = np.random.default_rng(7).integers(0, 256, (*sizes[size][::-1], 3), np.uint8)
    check(studio("fur"), {"background": {"kind": "image", "fit": "cover"}}, encoded(Image.fromarray(noise)))


@pytest.mark.parametrize(
    "shadow",
    [{}, {"blurPx": 0, "opacity": 1}, {"offsetPx": [-50, 33.5], "blurPx": 100, "color": "#ff8000", "opacity": 0.9}],
)
@pytest.mark.parametrize(
    "background",
    [
        {"kind": "transparent"},
        {"kind": "color", "color": "#ffffff"},
        {"kind": "gradient", "css": "radial-gradient(#ffffff, #00b140)"},
        {"kind": "blur", "radiusPx": 8},
    ],
)
def test_a_shadow_is_the_files(studio: Callable[[str], Studio], background: Look, shadow: Look) -> None:
    check(studio("fur"), {"background": background, "shadow": SHADOW | shadow})
