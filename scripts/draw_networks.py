"""Draw what each network makes of the same photos, where they differ most first: python scripts/draw_networks.py PATH

All 18 photos of U²-Net's author (the shared folder beside the repo); the number is the IoU of the two alphas.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps
from tqdm import tqdm

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO))

from app.services.model_files import TINY_MODEL  # noqa: E402
from app.services.options import CutoutOptions  # noqa: E402
from app.services.shipped_model import SHIPPED_MODEL  # noqa: E402
from scripts.load import author_photos  # noqa: E402
from scripts.make_pictures import checkerboard  # noqa: E402
from scripts.measure import decode_alpha, iou, real_service  # noqa: E402
from scripts.quality_metrics import HALF  # noqa: E402

NETWORKS = (TINY_MODEL, SHIPPED_MODEL)
PANEL_PX, GAP_PX, CAPTION_PX, ACROSS = (220, 165), 6, 24, 2


def main(argv: list[str] | None = None) -> int:
    """Write the picture."""
    parser = argparse.ArgumentParser(description="Draw what each network makes of the same photos.")
    parser.add_argument("path", type=Path, help="the picture to write")
    target = parser.parse_args(argv).path
    service = real_service()
    found: list[tuple[float, str, Image.Image]] = []
    for photo in tqdm(author_photos(), desc="cutting out", unit="photo", disable=None):
        data = photo.read_bytes()
        alphas = []
        for name in NETWORKS:
            cutout = service.cut_out(data, CutoutOptions(model=name, on_unknown="pass"))
            assert cutout.model == name
            alphas.append(decode_alpha(cutout.image) if cutout.confidence else np.zeros((1, 1), np.uint8))
        with Image.open(photo) as opened:
            rgb = ImageOps.exif_transpose(opened).convert("RGB")
        same = iou(*(alpha > HALF for alpha in alphas)) if alphas[0].shape == alphas[1].shape else 0.0
        found.append((same, photo.name, strip(rgb, alphas)))
    sheet(sorted(found, key=lambda each: each[0])).save(target, quality=82)
    return 0


def strip(rgb: Image.Image, alphas: list[NDArray[np.uint8]]) -> Image.Image:
    """The photo and, for each alpha, what it leaves of it."""
    panels = [rgb]
    for alpha in alphas:
        left = checkerboard(*rgb.size)
        left.paste(rgb, mask=Image.fromarray(alpha).resize(rgb.size))
        panels.append(left)
    made = Image.new("RGB", (len(panels) * (PANEL_PX[0] + GAP_PX), PANEL_PX[1]), "white")
    for number, panel in enumerate(panels):
        fitted = ImageOps.pad(panel, PANEL_PX, Image.Resampling.LANCZOS, color=(235, 235, 235))
        made.paste(fitted, (number * (PANEL_PX[0] + GAP_PX), 0))
    return made


def sheet(strips: list[tuple[float, str, Image.Image]]) -> Image.Image:
    """All strips with their captions, from left to right and down."""
    width, height = strips[0][2].width + 3 * GAP_PX, PANEL_PX[1] + CAPTION_PX
    made = Image.new("RGB", (ACROSS * width, -(-len(strips) // ACROSS) * height + CAPTION_PX), "white")
    draw = ImageDraw.Draw(made)
    for column in range(ACROSS):
        for number, name in enumerate(("the photo", *NETWORKS)):
            middle = column * width + number * (PANEL_PX[0] + GAP_PX) + PANEL_PX[0] // 2
            draw.text((middle, 5), name, "black", ImageFont.load_default(14), anchor="ma")
    for number, (same, name, picture) in enumerate(strips):
        left, top = number % ACROSS * width, CAPTION_PX + number // ACROSS * height
        made.paste(picture, (left, top))
        draw.text((left, top + PANEL_PX[1] + 4), f"{name}: IoU {same:.2f}", "#555555", ImageFont.load_default(12))
    return made


if __name__ == "__main__":
    sys.exit(main())
