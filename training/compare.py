"""Show every network the same photos on a short schedule and print which found most: python -m training.compare --help

They are built for about the same time of an inference; what a photo costs while training is in the table too.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort

from scripts.measure import table
from training.export import to_onnx
from training.loop import AREA_PX, Plan, Training, held_out_iou, prepare
from training.networks import NETWORKS

EPOCHS, BATCH_SIZE, SEED, RUNS = 5, 32, 1, 20
COLUMNS = (
    "network",
    "thousand weights",
    "ms an inference",
    "of u2netp's",
    "photos",
    "ms a photo",
    "IoU by set",
    "mean IoU",
)


def inference_ms(networks: list[str], teacher: Path) -> dict[str, float]:
    """Median milliseconds of an inference, turn about: of each network at its area, and of u2netp at its own."""
    sessions = {name: ort.InferenceSession(to_onnx(NETWORKS[name]().eval()).SerializeToString()) for name in networks}
    sessions["u2netp"] = ort.InferenceSession(str(teacher))
    times: dict[str, list[float]] = {name: [] for name in sessions}
    for _ in range(RUNS):
        for name, session in sessions.items():
            side = 320 if name == "u2netp" else round(AREA_PX**0.5)
            planes = np.zeros((1, 3, side, side), np.float32)
            started_s = time.perf_counter()
            session.run(None, {session.get_inputs()[0].name: planes})
            times[name].append(1000 * (time.perf_counter() - started_s))
    return {name: statistics.median(found) for name, found in times.items()}


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks; answer the exit status."""
    parser = argparse.ArgumentParser(description="Train every network on the same photos and compare them.")
    parser.add_argument("--data", type=Path, required=True, help="the folder with train/ and the evaluated sets")
    parser.add_argument("--labels", type=Path, required=True, help="what training.label wrote")
    parser.add_argument(
        "--teacher", type=Path, required=True, help="u2netp, rewritten in float, to compare the time with"
    )
    parser.add_argument("--output", type=Path, required=True, help="a folder for this comparison")
    parser.add_argument("--batches", type=int, default=50, help=f"of each of {EPOCHS} epochs")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    options = parser.parse_args(arguments)
    data, held_out, sets = prepare(options.data, options.labels)
    times = inference_ms(options.networks, options.teacher)
    rows = []
    for name in options.networks:
        folder = options.output / name
        folder.mkdir(parents=True, exist_ok=True)
        training = Training(Plan(name, EPOCHS, options.batches, BATCH_SIZE, SEED), folder)
        while training.epoch < EPOCHS:
            training.run_epoch(data, options.workers)
        training.save()
        ious = held_out_iou(training.average, held_out, sets, training.device)
        size = sum(weights.numel() for weights in training.network.parameters()) / 1000
        mean = statistics.mean(ious.values())
        by_set = ", ".join(f"{set_name} {iou:.3f}" for set_name, iou in ious.items())
        photos = training.step * BATCH_SIZE
        rows.append((
            name, f"{size:.0f}", f"{times[name]:.1f}", f"{times[name] / times['u2netp']:.2f}", photos,
            f"{1000 * training.seconds / photos:.1f}", by_set, f"{mean:.3f}",
        ))  # fmt: skip
        print(json.dumps(dict(zip(COLUMNS, rows[-1], strict=True))), flush=True)
    table("Networks at equal cost", COLUMNS, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
