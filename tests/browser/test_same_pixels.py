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

from app.services.option_words import read_options
from app.services.presets import PRESETS
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
BLUE: Look = {"kind": "color", "color": "#3366cc"}

# Paints a look; `how` it is settled: "now" before it is painted, "later" while another look is set, or not at all.
PAINT = """async ({ cutout, original, image, look, how }) => {
  const { Scene } = await load("scene.js");
  const decode = async (bytes) => bytes && createImageBitmap(new Blob([Uint8Array.fromBase64(bytes)]));
  const scene = new Scene(await decode(cutout), await decode(original));
  if (image) look.background.bitmap = await decode(image);
  if (how === "later") {
    scene.look = { ...look, background: { kind: "blur", radiusPx: 50 } };
    scene.settle();
  }
  scene.look = look;
  if (how !== "at once") await scene.settle();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [scene.width, scene.height];
  const context = canvas.getContext("2d");
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

    def painted(self, look: Look, image: bytes | None = None, *, how: str = "now") -> Pixels:
        """What the page paints, RGBA with straight alpha, uint8 [H, W, 4]."""
        files = {"cutout": self.served({}), "original": self._photo, "image": image}
        texts = {name: data and base64.b64encode(data).decode() for name, data in files.items()}
        result = self._page.evaluate(PAINT, {**texts, "look": {"shadow": None, "layout": LAYOUT} | look, "how": how})
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
def studio(blank: Page, server: Server, data_dir: Path) -> Callable[[str], Studio]:
    """Makes the studio of one of PHOTOS."""

    def make(name: str) -> Studio:
        photo = (data_dir / PHOTOS[name]).read_bytes()
        if name == "turned":
            exif = Image.Exif()
            exif[0x0112] = 6
            photo = encoded(Image.open(io.BytesIO(photo)), "JPEG", quality=95, exif=exif)
        return Studio(blank, server, photo)

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


def layout_of(words: dict[str, str]) -> Look:
    """The layout of a look for the API's options."""
    layout = read_options(words).layout
    canvas = layout.canvas
    return {
        "crop": layout.crop,
        "margin": [{"value": length.value, "isPercent": length.is_percent} for length in layout.margin],
        "canvas": canvas and {"width": canvas.width, "height": canvas.height, "isShape": canvas.is_shape},
        "scale": layout.scale,
        "position": layout.position,
    }


def differences(painted: Pixels, file: bytes) -> Pixels:
    """How far each pixel is off in its worst channel; of what is see-through, on black and by the alpha itself."""
    expected = np.asarray(opened(file).convert("RGBA"))
    assert painted.shape == expected.shape
    seen = [each.astype(np.float32) for each in (painted, expected)]
    for each in seen:
        each[:, :, :3] *= each[:, :, 3:] / 255
    return np.asarray(np.rint(np.abs(seen[0] - seen[1]).max(axis=2)))


def check(studio: Studio, look: Look, words: dict[str, str], image: bytes | None = None, *, how: str = "now") -> None:
    off = differences(studio.painted(look, image, how=how), studio.served(words, image))
    assert off.max() <= MOST_OFF, f"{(off > MOST_OFF).mean():.3%} of all pixels are off by more than {MOST_OFF}"


@pytest.mark.parametrize("name", PHOTOS)
def test_a_colour_is_the_files(studio: Callable[[str], Studio], name: str) -> None:
    look = {"background": {"kind": "color", "color": "#00b140"}}
    check(studio(name), look, words_of(look))


@pytest.mark.parametrize("name", ["hair", "fur"])
def test_nothing_behind_is_the_file(studio: Callable[[str], Studio], name: str) -> None:
    check(studio(name), {"background": {"kind": "transparent"}}, {})


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
def test_a_gradient_is_the_files(studio: Callable[[str], Studio], css: str) -> None:
    look = {"background": {"kind": "gradient", "css": css}}
    check(studio("fur"), look, words_of(look))


@pytest.mark.parametrize(
    ("name", "radius_px"), [("hair", 4), ("hair", 20), ("fur", 4), ("fur", 100), ("turned", 8), ("large", 30)]
)
def test_the_blurred_original_is_the_files(studio: Callable[[str], Studio], name: str, radius_px: float) -> None:
    look = {"background": {"kind": "blur", "radiusPx": radius_px}}
    check(studio(name), look, words_of(look))


@pytest.mark.parametrize("fit", ["cover", "contain", "tile"])
@pytest.mark.parametrize("size", [(680, 440), (800, 600), (1600, 1300), (300, 299)])
def test_an_image_of_ones_own_is_the_files(studio: Callable[[str], Studio], size: tuple[int, int], fit: str) -> None:
    noise = np.random.default_rng(7).integers(0, 256, (*size[::-1], 3), np.uint8)
    look = {"background": {"kind": "image", "fit": fit}}
    check(studio("fur"), look, words_of(look), encoded(Image.fromarray(noise)))


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
    look = {"background": background, "shadow": SHADOW | shadow}
    check(studio("fur"), look, words_of(look))


def test_a_shadow_of_a_large_photo_is_the_files(studio: Callable[[str], Studio]) -> None:
    look = {"background": BLUE, "shadow": SHADOW}
    check(studio("large"), look, words_of(look))


@pytest.mark.parametrize(
    "words",
    [
        *({"preset": name} for name in PRESETS),
        {"crop": "true", "crop_margin": "10px 20px 5% 0"},
        {"size": "1:1", "crop": "true"},
        {"scale": "50%", "position": "0% 100%"},
        {"scale": "100%", "position": "original"},
        {"size": "301x500", "scale": "80%"},
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["hair", "fur"])
def test_a_placed_subject_with_its_shadow_is_the_files(
    studio: Callable[[str], Studio], name: str, words: dict[str, str]
) -> None:
    look = {"background": BLUE, "shadow": SHADOW, "layout": layout_of(words)}
    check(studio(name), look, words_of(look) | words)


def test_the_look_that_was_set_last_is_settled(studio: Callable[[str], Studio]) -> None:
    look = {"background": {"kind": "blur", "radiusPx": 10}, "shadow": SHADOW, "layout": layout_of({"preset": "avatar"})}
    check(studio("fur"), look, words_of(look) | {"preset": "avatar"}, how="later")


@pytest.mark.parametrize(
    ("background", "words"),
    [(BLUE, {}), ({"kind": "blur", "radiusPx": 20}, {}), (BLUE, {"preset": "shop"}), (BLUE, {"preset": "passport"})],
)
def test_what_is_painted_at_once_is_close(
    studio: Callable[[str], Studio], background: Look, words: dict[str, str]
) -> None:
    look = {"background": background, "shadow": SHADOW, "layout": layout_of(words)}
    made = studio("hair")
    assert differences(made.painted(look, how="at once"), made.served(words_of(look) | words)).mean() < 1
