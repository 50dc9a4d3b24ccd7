"""TinyCut beside rembg: the same network, the same photos, each in a process of its own, turn about.

    python scripts/benchmark.py [--rounds N] [--json PATH] [--plot PATH]

Prints Markdown: seconds from a JPEG's bytes to a PNG's at five sizes, start to first cut-out in a fresh process,
peak and resident memory, and the PNG encoder beside Pillow's. Ratios are of medians: ours over rembg's. TinyCut runs
with the Procfile's setting of malloc, once in 8 bits and once in float.
Needs the shared folder of real photos and the real model beside the repo.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from PIL import Image
from tqdm import tqdm

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO))

from scripts.load import AUTHOR_PHOTOS  # noqa: E402
from scripts.measure import HUGE_PAGES, MODEL_ENV, table  # noqa: E402

SIZES = ((640, 480), (1280, 720), (3000, 2000), (4243, 2828), (6000, 4000))
COMMON, LARGE = (1280, 720), (3000, 2000)
COLD_STARTS = 5

# Each engine's side: it announces itself, then answers a photo's path with seconds and memory, a line each.
PREAMBLE = """
import json, sys, time
from pathlib import Path
def memory(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field + ":"))
def answer(line):
    data = Path(line.strip()).read_bytes()
    started = time.perf_counter()
    png = cut_out(data)
    print(json.dumps({"seconds": time.perf_counter() - started, "bytes": len(png),
                      "rss_mb": memory("VmRSS"), "peak_mb": memory("VmHWM")}), flush=True)
"""
OURS = """
from app.services.tiny_u2net_service import tiny_u2net_service
def cut_out(data):
    cutout = tiny_u2net_service.cut_out(data)
    assert cutout.method == "tiny_u2net"
    return cutout.image
"""
THEIRS = """
import rembg
session = rembg.new_session("u2netp")
def cut_out(data):
    return rembg.remove(data, session=session)
"""
PEER = "rembg"
# Name → code and environment.
ENGINES: dict[str, tuple[str, dict[str, str]]] = {
    "TinyCut, 8 bits": (OURS, {**HUGE_PAGES, "PRECISION": "int8"}),
    "TinyCut, float": (OURS, {**HUGE_PAGES, "PRECISION": "float"}),
    PEER: (THEIRS, {}),
}
OWN_ENGINES = tuple(name for name in ENGINES if name != PEER)
LOOP = "\nfor line in sys.stdin: answer(line)\n"


class Engine:
    """One engine in its process; ends with the block."""

    def __init__(self, name: str) -> None:
        own_code, env = ENGINES[name]
        code = PREAMBLE + own_code + LOOP
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", code],
            cwd=REPO,
            env={**os.environ, **MODEL_ENV, **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_error: object) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait(timeout=60)
        self._process.stdout.close()

    def cut_out(self, photo: Path) -> dict[str, float]:
        """Cut a photo out; returns seconds, bytes, rss_mb and peak_mb."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(f"{photo}\n")
        self._process.stdin.flush()
        answer: dict[str, float] = json.loads(self._process.stdout.readline())
        return answer


def make_photos(folder: Path) -> dict[tuple[int, int], Path]:
    """One real photo of 3000×2000 at each size, as JPEG."""
    photos = {}
    with Image.open(AUTHOR_PHOTOS / "bike.jpg") as original:
        for width, height in SIZES:
            path = folder / f"{width}x{height}.jpg"
            cropped = original.crop(_middle(original.width, original.height, width / height))
            cropped.resize((width, height), Image.Resampling.LANCZOS).save(path, quality=90)
            photos[width, height] = path
    return photos


def _middle(width: int, height: int, aspect: float) -> tuple[int, int, int, int]:
    """The box of an aspect in the middle of a picture."""
    box_width, box_height = min(width, round(height * aspect)), min(height, round(width / aspect))
    left, top = (width - box_width) // 2, (height - box_height) // 2
    return left, top, left + box_width, top + box_height


def latency(photos: dict[tuple[int, int], Path], rounds: int) -> list[dict[str, Any]]:
    """Median seconds of each engine at each size, turn about."""
    rows = []
    with ExitStack() as stack:
        engines = {name: stack.enter_context(Engine(name)) for name in ENGINES}
        for size, photo in tqdm(photos.items(), desc="latency", disable=None):
            seconds: dict[str, list[float]] = {name: [] for name in ENGINES}
            for number in range(rounds + 1):
                for name, engine in engines.items():
                    took = engine.cut_out(photo)["seconds"]
                    if number:  # the first warms caches
                        seconds[name].append(took)
            rows.append({"size": size, **{name: statistics.median(values) for name, values in seconds.items()}})
    return rows


def memory_use(photo: Path, count: int) -> dict[str, dict[str, float]]:
    """Peak, and resident memory between photos, of each engine after `count` photos of one size, in MB."""
    results = {}
    for name in ENGINES:
        with Engine(name) as engine:
            answers = [engine.cut_out(photo) for _ in range(count)]
        results[name] = {
            "peak_mb": answers[-1]["peak_mb"],
            "rss_mb": statistics.median(answer["rss_mb"] for answer in answers[count // 2 :]),
        }
    return results


def cold_start(photo: Path) -> dict[str, float]:
    """Median seconds from starting a process to its first cut-out, warm disk, turn about."""
    seconds: dict[str, list[float]] = {name: [] for name in ENGINES}
    for number in tqdm(range(COLD_STARTS + 1), desc="cold start", disable=None):
        for name in ENGINES:
            started_s = time.perf_counter()
            with Engine(name) as engine:
                engine.cut_out(photo)
                if number:
                    seconds[name].append(time.perf_counter() - started_s)
    return {name: statistics.median(values) for name, values in seconds.items()}


def encoders(photos: Sequence[Path], rounds: int) -> list[dict[str, Any]]:
    """The PNG of each photo's cut-out: ours over Pillow's default, in time and in bytes."""
    import numpy as np

    from app.imaging import encode
    from scripts.measure import real_service

    service, rows = real_service(), []
    for photo in photos:
        with Image.open(io.BytesIO(service.cut_out(photo.read_bytes()).image)) as picture:
            pixels = np.asarray(picture)
        ours_s, theirs_s = [], []
        for _ in range(rounds):
            own = pixels.copy()  # encoding uses it up
            started_s = time.perf_counter()
            ours = encode.encode(own, "png")
            ours_s.append(time.perf_counter() - started_s)
            started_s = time.perf_counter()
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, "PNG")
            theirs_s.append(time.perf_counter() - started_s)
        time_ratio = statistics.median(ours_s) / statistics.median(theirs_s)
        rows.append({"photo": photo.name, "time": time_ratio, "bytes": len(ours) / buffer.tell()})
    return rows


def plot(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw seconds against megapixels for both engines."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4))
    megapixels = [row["size"][0] * row["size"][1] / 1e6 for row in rows]
    for name in ENGINES:
        axes.plot(megapixels, [row[name] for row in rows], marker="o", label=name)
    axes.set(xlabel="megapixels", ylabel="seconds, JPEG bytes to PNG bytes", ylim=(0, None), xlim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def report(figures: dict[str, Any]) -> None:
    """Print everything as Markdown."""
    columns = (*ENGINES, *(f"ratio, {name.removeprefix('TinyCut, ')}" for name in OWN_ENGINES))
    rows: list[Sequence[object]] = [
        (f"{width}×{height}", f"{width * height / 1e6:.1f}", *_compared(row, 3))
        for row in figures["latency"]
        for width, height in [row["size"]]
    ]
    table("Seconds, JPEG bytes to PNG bytes, warm", ("photo", "MP", *columns), rows)
    memory, cold = figures["memory"], figures["cold_start"]
    rows = [
        ("peak of the process, 3000×2000, MB", *_compared({name: memory[name]["peak_mb"] for name in ENGINES}, 0)),
        ("resident between photos, MB", *_compared({name: memory[name]["rss_mb"] for name in ENGINES}, 0)),
        ("fresh process to first cut-out, 1280×720, s", *_compared(cold, 2)),
    ]
    table("Memory and start", ("", *columns), rows)
    rows = [(row["photo"], f"{row['time']:.2f}", f"{row['bytes']:.2f}") for row in figures["encoders"]]
    table("The PNG encoder against Pillow's default", ("cut-out of", "time", "bytes"), rows)


def _compared(values: dict[str, float], digits: int) -> list[str]:
    """Each engine's value, then each of our own over the peer's."""
    ratios = [f"**{values[name] / values[PEER]:.2f}**" for name in OWN_ENGINES]
    return [*(f"{values[name]:.{digits}f}" for name in ENGINES), *ratios]


def main() -> None:
    """Measure, print, and write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="photos of each size and engine (default 7)")
    parser.add_argument("--json", type=Path, help="write every figure here")
    parser.add_argument("--plot", type=Path, help="draw seconds against megapixels here (PNG)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        photos = make_photos(Path(folder))
        figures: dict[str, Any] = {
            "latency": latency(photos, options.rounds),
            "memory": memory_use(photos[LARGE], 2 * options.rounds),
            "cold_start": cold_start(photos[COMMON]),
            "encoders": encoders([*photos.values()][:3], options.rounds),
        }
    report(figures)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))
    if options.plot:
        plot(figures["latency"], options.plot)


if __name__ == "__main__":
    main()
