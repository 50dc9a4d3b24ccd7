"""What a second look at the photo brings, mirrored and at another size: python -m training.looks --help

Mean IoU as in training.curve, of the mean of the looks' maps. The first way is one look.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from tqdm import tqdm

from app.imaging import preprocess
from scripts.measure import iou, table
from scripts.quality_metrics import HALF
from training.curve import MACRO, SETS, pairs_of
from training.export import load
from training.loop import AREA_PX

# Areas of the looks over that of the first, the second mirrored; the cost grows with their sum.
WAYS: tuple[tuple[float, ...], ...] = (
    (1.0,),
    (1.0, 1.0),
    (1.0, 0.5625),
    (1.0, 0.39),
    (1.5625, 0.5625),
    (0.5625,),
    (1.5625,),
)


@torch.no_grad()
def raw_map(network: nn.Module, rgb: NDArray[np.uint8], area_px: int, *, mirrored: bool) -> NDArray[np.float32]:
    """The network's map of a photo, float32 [h, w], lying as the photo does."""
    size = preprocess.network_size(*rgb.shape[:2], mode="dynamic", area_px=area_px)
    planes = preprocess.to_network_input(rgb, *size)
    if mirrored:
        planes = np.ascontiguousarray(planes[..., ::-1])
    raw: NDArray[np.float32] = network(torch.from_numpy(planes))[0].sigmoid()[0, 0].numpy()
    return raw[:, ::-1] if mirrored else raw


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks; answer the exit status."""
    parser = argparse.ArgumentParser(description="Compare one look at a photo with two.")
    parser.add_argument("checkpoint", type=Path, help="an epoch-NNN.pt of training.loop")
    parser.add_argument("--data", type=Path, required=True, help="the folder with train/ and the evaluated sets")
    options = parser.parse_args(arguments)
    network, rows = load(options.checkpoint), []
    sets = dict(pairs_of(options.data))
    found: dict[tuple[float, ...], dict[str, list[float]]] = {way: {name: [] for name in sets} for way in WAYS}
    for name, pairs in sets.items():
        for rgb, mask in tqdm(pairs, desc=name, unit="photo", disable=None):
            for way in WAYS:
                raw, *others = (
                    raw_map(network, rgb, round(AREA_PX * share), mirrored=number == 1)
                    for number, share in enumerate(way)
                )
                for other in others:
                    raw = preprocess.mean_of_looks(raw, other)
                saliency = preprocess.to_saliency(raw)
                enlarged = preprocess.resize((saliency * 255).astype(np.uint8), *mask.shape)
                found[way][name].append(iou(enlarged > HALF, mask > HALF))
    for way, by_set in found.items():
        means = {name: statistics.mean(values) for name, values in by_set.items()}
        macro = statistics.mean(means[name] for name in SETS)
        sides = " + ".join(f"{round((AREA_PX * share) ** 0.5)}²" for share in way)
        rows.append((sides, f"{sum(way):.2f}", *(f"{value:.3f}" for value in means.values()), f"{macro:.3f}"))
    table("One look and two (mean IoU)", ("areas of the looks", "cost", *sets, MACRO), rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
