"""Make the pictures of the page, the README and docs/quality.md: python scripts/make_pictures.py

The sample (app/static/sample.jpg) is a photo by Rachel Michetti of Pikolo Espresso Bar, given to the public domain
(CC0). The horse and the lemur are of the shared folder beside the repo, and so is the real model.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageOps

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO))

from app.imaging.backdrop import Plain  # noqa: E402
from app.services.option_words import read_options  # noqa: E402
from app.services.options import CutoutOptions  # noqa: E402
from app.services.tiny_u2net_service import TinyU2NetService  # noqa: E402
from scripts.load import AUTHOR_PHOTOS, SHARED  # noqa: E402
from scripts.measure import real_service  # noqa: E402

SAMPLE = REPO / "app/static/sample.jpg"
SQUARE_PX = 12
GAP_PX = 16
ORANGE = (255, 200, 120)

HORSE, LEMUR = AUTHOR_PHOTOS / "horse.jpg", SHARED / "data/matting-lemur/lemur.png"
PANEL_PX, CAPTION_PX, COLUMNS = (320, 240), 36, 4
BEHIND = "the sample behind it"
# What docs/options.jpg shows: a photo, and the words of the API.
EXAMPLES: tuple[tuple[Path, dict[str, str]], ...] = (
    (HORSE, {"background_gradient": "linear-gradient(white, #a9d8ff)"}),
    (HORSE, {"background_gradient": "radial-gradient(white, silver)", "shadow": "true"}),
    (LEMUR, {"background_blur": "20"}),
    (HORSE, {"background_image": BEHIND}),
    (HORSE, {"preset": "banner", "background_blur": "30"}),
    (SAMPLE, {"preset": "shop", "background_color": "white", "shadow": "true"}),
    (HORSE, {"size": "1:1", "background_color": "gold"}),
    (LEMUR, {"preset": "avatar", "background_color": "#a9d8ff"}),
    (LEMUR, {"scale": "50%", "position": "100% 100%", "background_color": "gold"}),
    (LEMUR, {"feather": "12", "background_color": "gold"}),
    (LEMUR, {"threshold": "128", "background_color": "gold"}),
    (HORSE, {"output": "mask", "mask_dilation": "8"}),
)


def checkerboard(width: int, height: int) -> Image.Image:
    """The pattern that stands for transparency."""
    rows, columns = np.indices((height, width)) // SQUARE_PX
    shades = np.where((rows + columns) % 2, 255, 225).astype(np.uint8)
    return Image.fromarray(shades).convert("RGB")


def main() -> None:
    """Cut the sample out and write both pictures."""
    service = real_service()
    data = SAMPLE.read_bytes()
    cutout = service.cut_out(data)
    assert cutout.method == "tiny_u2net"
    cutout_path = SAMPLE.with_name("sample-cutout.png")
    cutout_path.write_bytes(cutout.image)
    with Image.open(SAMPLE) as photo, Image.open(cutout_path) as cut:
        on_checks = checkerboard(*photo.size)
        on_checks.paste(cut, mask=cut)
        on_color = Image.open(io.BytesIO(service.cut_out(data, CutoutOptions(background=Plain(ORANGE))).image))
        pictures = (photo.convert("RGB"), on_checks, on_color)
        width, height = photo.size
        strip = Image.new("RGB", (3 * width + 2 * GAP_PX, height), "white")
        for number, picture in enumerate(pictures):
            strip.paste(picture, (number * (width + GAP_PX), 0))
    target = REPO / "docs/before-after.jpg"
    target.parent.mkdir(exist_ok=True)
    strip.resize((strip.width // 2, strip.height // 2), Image.Resampling.LANCZOS).save(target, quality=90)
    draw_examples(service, REPO / "docs/options.jpg")
    print(cutout_path, target, REPO / "docs/options.jpg", sep="\n")


def draw_examples(service: TinyU2NetService, target: Path) -> None:
    """Each of EXAMPLES over the words that made it."""
    width, height = PANEL_PX[0] + GAP_PX, PANEL_PX[1] + CAPTION_PX + GAP_PX
    sheet = Image.new("RGB", (COLUMNS * width, -(-len(EXAMPLES) // COLUMNS) * height), "white")
    draw = ImageDraw.Draw(sheet)
    for number, (photo, words) in enumerate(EXAMPLES):
        left, top = number % COLUMNS * width, number // COLUMNS * height
        image = SAMPLE.read_bytes() if words.get("background_image") else None
        options = read_options({name: word for name, word in words.items() if word != BEHIND}, background_image=image)
        with Image.open(io.BytesIO(service.cut_out(photo.read_bytes(), options).image)) as picture:
            panel = ImageOps.pad(picture.convert("RGB"), PANEL_PX, color=(235, 235, 235))
        sheet.paste(panel, (left, top))
        for line, (name, word) in enumerate(words.items()):
            draw.text((left, top + PANEL_PX[1] + 2 + 11 * line), f"{name}={word}", fill="black", font_size=11)
    sheet.save(target, quality=85)


if __name__ == "__main__":
    main()
