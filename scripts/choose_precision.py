"""Measure which form of the network this machine should serve, float or 8 bits, and print it as a line of JSON.

    python scripts/choose_precision.py FLOAT INT8 [--threads N]

8 bits are served where they take clearly less time and find the same: without VNNI onnxruntime's sums of 8-bit
products can overflow, and then the map is another one.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnxruntime as ort

_ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(_ROOT))  # a script is started with its own folder there

from app.imaging import decode, preprocess  # noqa: E402
from app.services import memory  # noqa: E402
from app.services.model_manager import session_options  # noqa: E402

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PHOTO = _ROOT / "app" / "static" / "sample.jpg"
# A quarter of the area that is served: the ratio is the same, and it fits in a small host beside the server.
SIDE_PX = 160
ROUNDS = 7
# On 210 photos the maps differ by 0.004 on average (docs/models.md); sums that overflow make it 0.1.
MOST_DIFFERENCE = 0.02
# Less than this is not worth another rounding.
MOST_TIME = 0.9


def compare(float_path: Path, int8_path: Path, *, threads: int) -> dict[str, Any]:
    """Run both on one photo, turn about.

    Returns `precision` ("float" or "int8"), the medians `float_ms` and `int8_ms`, and the `mean_difference` of
    their saliency maps in 0..1.
    """
    memory.tune_allocator()
    rgb = decode.decode(PHOTO.read_bytes()).rgb
    planes = preprocess.to_network_input(rgb, SIDE_PX, SIDE_PX)
    options = session_options(ort, threads, keeps_memory=False)
    sessions = [
        ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"]) for path in (float_path, int8_path)
    ]
    seconds: list[list[float]] = [[], []]
    maps = [_saliency(session, planes) for session in sessions]  # the first run warms up
    for _ in range(ROUNDS):
        for session, took in zip(sessions, seconds, strict=True):
            started_s = time.perf_counter()
            _saliency(session, planes)
            took.append(time.perf_counter() - started_s)
    float_ms, int8_ms = (round(1000 * statistics.median(took), 2) for took in seconds)
    difference = float(abs(maps[0] - maps[1]).mean())
    wins = int8_ms < MOST_TIME * float_ms and difference <= MOST_DIFFERENCE
    return {
        "precision": "int8" if wins else "float",
        "float_ms": float_ms,
        "int8_ms": int8_ms,
        "mean_difference": round(difference, 5),
    }


def _saliency(session: ort.InferenceSession, planes: NDArray[np.float32]) -> NDArray[np.float32]:
    (raw,) = session.run(None, {session.get_inputs()[0].name: planes})
    return preprocess.to_saliency(raw[0, 0])


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks; answer the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("float_path", type=Path, metavar="FLOAT", help="the rewritten model in float")
    parser.add_argument("int8_path", type=Path, metavar="INT8", help="the rewritten model in 8 bits")
    parser.add_argument("--threads", type=int, default=0, help="of one inference; 0: as many as there are processors")
    options = parser.parse_args(arguments)
    print(json.dumps(compare(options.float_path, options.int8_path, threads=options.threads)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
