"""Print how near the edges are to the truth, and draw them: python scripts/edges.py [--picture PATH]

Each set's saliency maps are lifted to the photos' size twice: plainly (bicubic, as rembg does) and by the photo's edges
(app/imaging/refine.py). Then the matte of one photo with hair, beside rembg's own ways; the colours at its soft edges;
and what the two steps take on 12 megapixels. Needs the shared folder of real photos and the real model.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO))

from app.imaging import composite, decode, foreground, preprocess, refine  # noqa: E402
from app.services import memory  # noqa: E402
from scripts.evaluate import find_pairs, read_mask  # noqa: E402
from scripts.load import AUTHOR_PHOTOS, SHARED  # noqa: E402
from scripts.measure import real_service, table  # noqa: E402
from scripts.quality_metrics import SetScores, mean_absolute_error  # noqa: E402

Pixels = NDArray[np.uint8]
SETS = ("matting-dev", "sod-dev", "davis-dev")
LEMUR = SHARED / "data/matting-lemur"
LARGE = (4032, 3024)
NEW_COLOR = (40, 180, 90)
# Name, photo, and the part that is shown: left, top, width, height.
SHOWN = (
    ("fur", LEMUR / "lemur.png", (340, 60, 300, 225)),
    ("hair", AUTHOR_PHOTOS / "horse.jpg", (60, 20, 400, 300)),
    ("a hard edge", AUTHOR_PHOTOS / "bike.jpg", (1000, 250, 640, 480)),
    ("wires and holes", AUTHOR_PHOTOS / "bike.jpg", (1150, 700, 800, 600)),
)
PANEL_PX = (400, 300)


def plainly(saliency: NDArray[np.float32], rgb: Pixels) -> Pixels:
    """Lift a map as rembg does: by size alone."""
    small = np.rint(saliency * 255).clip(0, 255).astype(np.uint8)
    return cv2.resize(small, rgb.shape[1::-1], interpolation=cv2.INTER_CUBIC).astype(np.uint8, copy=False)


def by_edges(saliency: NDArray[np.float32], rgb: Pixels) -> Pixels:
    """Lift a map as the product does."""
    return refine.lift_alpha(saliency, rgb, guide_of(rgb))


def guide_of(rgb: Pixels) -> Pixels:
    """The small copy of a photo that both steps work with."""
    return preprocess.reduce_to(preprocess.reduce_to(rgb, 1024), refine.GUIDE_PX)


LIFTS: dict[str, Callable[[NDArray[np.float32], Pixels], Pixels]] = {
    "bicubic": plainly,
    "by the photo's edges": by_edges,
}


def gradient_error(alpha: Pixels, true: Pixels) -> float:
    """Mean absolute difference of the strengths of two mattes' gradients, Gaussian of σ 1.4 (Rhemann et al., 2009)."""

    def strength(matte: Pixels) -> NDArray[np.float32]:
        smooth = cv2.GaussianBlur(matte.astype(np.float32) / 255, (0, 0), 1.4)
        return np.hypot(
            cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=1 / 8)
        )

    return float(np.abs(strength(alpha) - strength(true)).mean())


def infer(rgb: Pixels) -> NDArray[np.float32]:
    """The network's map of a photo."""
    return SERVICE.models.load(SERVICE.models.served_name()).infer(preprocess.reduce_to(rgb, 1024))


def of_sets() -> None:
    """Both lifts on every set."""
    rows = []
    for name in SETS:
        scores = {lift: SetScores() for lift in LIFTS}
        gradients: dict[str, list[float]] = {lift: [] for lift in LIFTS}
        for pair in tqdm(find_pairs(SHARED / "data" / name, None), desc=name, disable=None):
            rgb, true = decode.decode(pair.photo.read_bytes()).rgb, read_mask(pair.mask)
            saliency = infer(rgb)
            for lift, do in LIFTS.items():
                alpha = do(saliency, rgb)
                scores[lift].add(alpha, true)
                gradients[lift].append(gradient_error(alpha, true))
        for lift in LIFTS:
            means = scores[lift].means()
            figures = (means.iou, means.mae, means.boundary_f)
            rows.append((name, lift, *(f"{value:.4f}" for value in figures), f"{statistics.mean(gradients[lift]):.5f}"))
    table("The same maps, lifted", ("set", "lifted", "IoU", "MAE", "boundary F", "gradient error"), rows)


def of_the_lemur() -> None:
    """The matte of one photo with hair, ours and rembg's; then its colours."""
    rgb = decode.decode((LEMUR / "lemur.png").read_bytes()).rgb
    true = np.asarray(Image.open(LEMUR / "lemur_alpha.png").convert("L"))
    own = np.asarray(Image.open(LEMUR / "lemur_foreground.png").convert("RGB"))
    saliency = infer(rgb)
    mattes = {f"TinyCut, {lift}": do(saliency, rgb) for lift, do in LIFTS.items()}
    for name, options in {
        "": {},
        ", post_process_mask": {"post_process_mask": True},
        ", alpha_matting": {"alpha_matting": True},
    }.items():
        mattes[f"rembg{name}"] = rembg_matte(Image.fromarray(rgb), **options)
    rows = [
        (name, f"{mean_absolute_error(matte, true):.4f}", f"{gradient_error(matte, true):.5f}")
        for name, matte in mattes.items()
    ]
    table("A lemur's matte", ("", "MAE", "gradient error"), rows)

    def color_error(colors: Pixels) -> str:
        soft = (true > 0) & (true < 255)
        return f"{(np.abs(colors.astype(np.int16) - own).mean(axis=2) * true / 255)[soft].mean():.2f}"

    columns = []
    for matte in (true, mattes["TinyCut, by the photo's edges"]):
        restored = rgb.copy()
        foreground.restore_colors(restored, matte, guide_of(rgb))
        columns.append(color_error(restored))
    row = (color_error(rgb), *columns)
    heads = ("as in the photo", "restored by the true matte", "restored by our matte")
    table("Its colours at soft edges: mean error of 255, by opacity", heads, [row])


def rembg_matte(photo: Image.Image, **options: bool) -> Pixels:
    """rembg's alpha of a photo, with the same network."""
    import rembg

    session = rembg.new_session("u2netp")
    return np.asarray(rembg.remove(photo, session=session, **options))[:, :, 3]


def of_large() -> None:
    """What the two steps take on a large photo."""
    with Image.open(AUTHOR_PHOTOS / "bike.jpg") as original:
        rgb = np.asarray(original.convert("RGB").resize(LARGE)).copy()
    saliency, guide = infer(rgb), guide_of(rgb)
    lift_s, restore_s = [], []
    memory.give_back()
    Path("/proc/self/clear_refs").write_text("5")  # the kernel forgets the peak so far
    before_mb = memory.peak_rss_mb()
    for _ in range(5):
        started_s = time.perf_counter()
        alpha = refine.lift_alpha(saliency, rgb, guide)
        lift_s.append(time.perf_counter() - started_s)
        started_s = time.perf_counter()
        foreground.restore_colors(rgb, alpha, guide)
        restore_s.append(time.perf_counter() - started_s)
        if len(lift_s) == 1:
            more_mb = memory.peak_rss_mb() - before_mb - alpha.nbytes / 2**20
    row = (
        f"{LARGE[0]}×{LARGE[1]}",
        f"{statistics.median(lift_s):.3f}",
        f"{statistics.median(restore_s):.3f}",
        f"{more_mb:.0f}",
    )
    table(
        "On a large photo", ("photo", "lifting, s", "restoring colours, s", "peak MB on top of photo and alpha"), [row]
    )


def draw(path: Path) -> None:
    """The parts of SHOWN, each as photo, as a plain cut-out on a new colour, and as ours."""
    sheet = Image.new("RGB", (3 * PANEL_PX[0], len(SHOWN) * PANEL_PX[1]))
    for row, (_name, photo, (left, top, width, height)) in enumerate(SHOWN):
        rgb = decode.decode(photo.read_bytes()).rgb
        saliency = infer(rgb)
        plain = composite.over(rgb, plainly(saliency, rgb), np.array(NEW_COLOR))
        alpha, restored = by_edges(saliency, rgb), rgb.copy()
        foreground.restore_colors(restored, alpha, guide_of(rgb))
        for column, picture in enumerate((rgb, plain, composite.over(restored, alpha, np.array(NEW_COLOR)))):
            part = Image.fromarray(picture).crop((left, top, left + width, top + height))
            sheet.paste(part.resize(PANEL_PX), (column * PANEL_PX[0], row * PANEL_PX[1]))
    sheet.save(path, quality=88)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", type=Path, help="draw fur, hair, a hard edge, wires and holes here")
    arguments = parser.parse_args()
    SERVICE = real_service()
    of_sets()
    of_the_lemur()
    of_large()
    if arguments.picture:
        draw(arguments.picture)
