"""What a second look at the photo brings, mirrored and at another size: python -m training.looks --help

Mean IoU as in training.curve, of the mean of the looks' maps. The first way is one look.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

from tqdm import tqdm

from app.imaging import preprocess
from scripts.measure import table
from training.curve import MACRO, SETS, iou_of_map, pairs_of, raw_map
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
                found[way][name].append(iou_of_map(raw, mask))
    for way, by_set in found.items():
        means = {name: statistics.mean(values) for name, values in by_set.items()}
        macro = statistics.mean(means[name] for name in SETS)
        sides = " + ".join(f"{round((AREA_PX * share) ** 0.5)}²" for share in way)
        rows.append((sides, f"{sum(way):.2f}", *(f"{value:.3f}" for value in means.values()), f"{macro:.3f}"))
    table("One look and two (mean IoU)", ("areas of the looks", "cost", *sets, MACRO), rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
