"""Train every network for the same number of minutes and print which found most: python -m training.compare --help

The time of a batch is measured first, and each network gets as many as fit into its minutes.
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
from training.batches import Examples
from training.export import to_onnx
from training.loop import AREA_PX, SMALL_SHARE, Plan, Training, held_out_iou, prepare
from training.networks import NETWORKS

EPOCHS, BATCH_SIZE, SEED = 5, 32, 1
TRIED_BATCHES, RUNS = 8, 20
COLUMNS = (
    "network",
    "thousand weights",
    "ms an inference",
    "of u2netp's",
    "batches",
    "minutes",
    "loss",
    "IoU by set",
    "mean IoU",
)


def batch_seconds(data: Examples, network: str, folder: Path, workers: int) -> float:
    """What a batch of the schedule takes on the average, small and full-sized ones in their shares."""
    seconds = []
    for share, epoch in ((SMALL_SHARE, 0), (1 - SMALL_SHARE, EPOCHS - 1)):
        training = Training(Plan(network, EPOCHS, TRIED_BATCHES, BATCH_SIZE, SEED), folder)
        training.epoch = epoch
        started_s = time.monotonic()
        training.run_epoch(data, workers)
        seconds.append(share * (time.monotonic() - started_s) / TRIED_BATCHES)
    return sum(seconds)


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
    parser = argparse.ArgumentParser(description="Train every network for the same time and compare them.")
    parser.add_argument("--data", type=Path, required=True, help="the folder with train/ and the evaluated sets")
    parser.add_argument("--labels", type=Path, required=True, help="what training.label wrote")
    parser.add_argument(
        "--teacher", type=Path, required=True, help="u2netp, rewritten in float, to compare the time with"
    )
    parser.add_argument("--output", type=Path, required=True, help="a folder for this comparison")
    parser.add_argument("--minutes", type=float, default=6.0, help="of each network's training")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args(arguments)
    data, held_out, sets = prepare(options.data, options.labels)
    times = inference_ms(list(NETWORKS), options.teacher)
    rows = []
    for name in NETWORKS:
        folder = options.output / name
        folder.mkdir(parents=True, exist_ok=True)
        count = int(options.minutes * 60 / batch_seconds(data, name, folder, options.workers) / EPOCHS)
        training = Training(Plan(name, EPOCHS, count, BATCH_SIZE, SEED), folder)
        while training.epoch < EPOCHS:
            facts = training.run_epoch(data, options.workers)
        training.save()
        ious = held_out_iou(training.average, held_out, sets, training.device)
        size = sum(weights.numel() for weights in training.network.parameters()) / 1000
        mean = statistics.mean(ious.values())
        by_set = ", ".join(f"{set_name} {iou:.3f}" for set_name, iou in ious.items())
        rows.append((
            name, f"{size:.0f}", f"{times[name]:.1f}", f"{times[name] / times['u2netp']:.2f}", EPOCHS * count,
            f"{training.seconds / 60:.1f}", f"{facts['loss']:.3f}", by_set, f"{mean:.3f}",
        ))  # fmt: skip
        print(json.dumps(dict(zip(COLUMNS, rows[-1], strict=True))), flush=True)
    table("Networks at equal cost", COLUMNS, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
