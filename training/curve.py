"""Quality over training time: python -m training.curve --help

Every checkpoint's mean IoU on the evaluated sets and on the people held out, as a table and a picture. What is compared
is the network's map, enlarged to the photo and cut at a half: the product's refining is left out (scripts/evaluate.py
has it).
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import nn
from tqdm import tqdm

from app.imaging import preprocess
from scripts.evaluate import find_pairs, read_mask, upright
from scripts.measure import iou, table
from scripts.quality_metrics import HALF
from training.export import load
from training.loop import AREA_PX
from training.photos import PEOPLE, read

SETS = ("sod-dev", "davis-dev", "matting-dev")
MACRO = "macro average of the three dev sets"

Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]


def pairs_of(data: Path) -> Iterator[tuple[str, list[Pair]]]:
    """Photos, uint8 [H, W, 3], and true masks, uint8 [H, W], of every set."""
    for name in SETS:
        pairs = find_pairs(data / name, None)
        yield name, [(np.asarray(upright(pair.photo).convert("RGB")), read_mask(pair.mask)) for pair in pairs]
    people = [photo for photo in read(data / "train", [PEOPLE]) if photo.held_out]
    yield "people held out", [(photo.rgb, photo.mask) for photo in people if photo.mask is not None]


@torch.no_grad()
def raw_map(network: nn.Module, rgb: NDArray[np.uint8], area_px: int, *, mirrored: bool = False) -> NDArray[np.float32]:
    """The network's map of a photo, or of the mirrored photo, float32 [h, w], lying as the photo does."""
    size = preprocess.network_size(*rgb.shape[:2], mode="dynamic", area_px=area_px)
    planes = preprocess.to_network_input(rgb, *size)
    if mirrored:
        planes = np.ascontiguousarray(planes[..., ::-1])
    raw: NDArray[np.float32] = network(torch.from_numpy(planes))[0].sigmoid()[0, 0].numpy()
    return raw[:, ::-1] if mirrored else raw


def iou_of_map(raw: NDArray[np.float32], mask: NDArray[np.uint8]) -> float:
    """IoU of a raw map, enlarged and cut at a half, with a true mask."""
    height, width = mask.shape
    saliency = cv2.resize(preprocess.to_saliency(raw), (width, height), interpolation=cv2.INTER_LINEAR)
    return iou(saliency > 0.5, mask > HALF)


def mean_iou(network: nn.Module, pairs: list[Pair], area_px: int) -> float:
    """Of the network's maps alone."""
    return statistics.mean(iou_of_map(raw_map(network, rgb, area_px), mask) for rgb, mask in pairs)


def draw(minutes: list[float], figures: dict[str, list[float]], path: Path) -> None:
    """Draw the curves as PNG."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for name, values in figures.items():
        axes.plot(minutes, values, label=name, marker="o", markersize=3, linewidth=2.5 if name == MACRO else 1.2)
    axes.set(title="Quality over training time", xlabel="minutes of training", ylabel="mean IoU")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=110)


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks; answer the exit status."""
    parser = argparse.ArgumentParser(description="Print and draw the quality of every checkpoint.")
    parser.add_argument("training", type=Path, help="the folder of a training.loop")
    parser.add_argument("--data", type=Path, required=True, help="the folder with train/ and the evaluated sets")
    parser.add_argument("--every", type=int, default=1, help="take each so-manieth checkpoint, and the last")
    parser.add_argument("--area-px", type=int, default=AREA_PX)
    parser.add_argument("--picture", type=Path, help="default: curve.png in the folder")
    options = parser.parse_args(arguments)
    paths = sorted(options.training.glob("epoch-*.pt"))
    paths = [path for number, path in enumerate(reversed(paths)) if number % options.every == 0][::-1]
    sets = dict(pairs_of(options.data))
    minutes: list[float] = []
    figures: dict[str, list[float]] = {name: [] for name in (*sets, MACRO)}
    for path in tqdm(paths, desc="checkpoints"):
        minutes.append(torch.load(path, weights_only=True)["seconds"] / 60)
        network = load(path)
        for name, pairs in sets.items():
            figures[name].append(mean_iou(network, pairs, options.area_px))
        figures[MACRO].append(statistics.mean(figures[name][-1] for name in SETS))
    rows = [
        (path.stem, f"{minute:.0f}", *(f"{values[number]:.3f}" for values in figures.values()))
        for number, (path, minute) in enumerate(zip(paths, minutes, strict=True))
    ]
    table("Quality over training time (mean IoU)", ("checkpoint", "minutes", *figures), rows)
    draw(minutes, figures, options.picture or options.training / "curve.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
