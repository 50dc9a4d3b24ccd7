"""Make the pictures of the page and the README from app/static/sample.jpg: python scripts/make_pictures.py

The sample is a photo by Rachel Michetti of Pikolo Espresso Bar, given to the public domain (CC0).
Needs the real model: U2NET_HOME, or the shared folder beside the repo.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO))

from app.imaging.backdrop import Plain  # noqa: E402
from app.services.options import CutoutOptions  # noqa: E402
from scripts.measure import real_service  # noqa: E402

SAMPLE = REPO / "app/static/sample.jpg"
SQUARE_PX = 12
GAP_PX = 16
ORANGE = (255, 200, 120)


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
    print(cutout_path, target, sep="\n")


if __name__ == "__main__":
    main()
