"""Print what each stage of a large photo's way takes: python scripts/stages.py [--megapixels 24] [name=value …]

Milliseconds, and the memory on top of what is resident between photos, in the serving process' own way of having it
(malloc tuned, huge pages asked for), with the options given as the API takes them. Needs the shared folder of real
photos and the real model.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO))

from app.metrics import StageTimings  # noqa: E402
from app.services import memory, tiny_u2net_service  # noqa: E402
from app.services.option_words import read_options  # noqa: E402
from scripts.load import AUTHOR_PHOTOS  # noqa: E402
from scripts.measure import HUGE_PAGES, real_service, table  # noqa: E402

ASPECT = 1.5
RUNS = 3


class WatchedStages(StageTimings):
    """Timings that also note the resident memory at the start, the peak and the end of each stage, in MB."""

    runs: list[dict[str, tuple[float, float, float]]] = []

    def __init__(self) -> None:
        super().__init__()
        self.runs.append({})

    @contextmanager
    def span(self, stage: str) -> Iterator[None]:
        """Measure the block as one stage."""
        Path("/proc/self/clear_refs").write_text("5")  # the kernel forgets the peak so far
        before_mb = memory.rss_mb()
        with super().span(stage):
            yield
        self.runs[-1][stage] = before_mb, memory.peak_rss_mb(), memory.rss_mb()


def photo_of(megapixels: float) -> bytes:
    """A JPEG of a real photo in so many megapixels."""
    height = round((megapixels * 1e6 / ASPECT) ** 0.5)
    buffer = io.BytesIO()
    with Image.open(AUTHOR_PHOTOS / "bike.jpg") as original:
        original.convert("RGB").resize((round(height * ASPECT), height)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def main() -> None:
    """Cut the photo out a few times; print the middle of each figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megapixels", type=float, default=24)
    parser.add_argument("options", nargs="*", metavar="name=value")
    arguments = parser.parse_args()
    if os.environ.get("GLIBC_TUNABLES") is None:  # it is read when a process starts
        os.execvpe(sys.executable, [sys.executable, *sys.argv], {**os.environ, **HUGE_PAGES})  # noqa: S606
    options = read_options(dict(word.partition("=")[::2] for word in arguments.options))
    data = photo_of(arguments.megapixels)
    service = real_service()
    service.warm_up()
    tiny_u2net_service.StageTimings = WatchedStages  # type: ignore[attr-defined]
    done = [service.cut_out(data, options) for _ in range(RUNS)]
    rows = []
    for stage in WatchedStages.runs[0]:
        figures_mb = [
            [figure - next(iter(run.values()))[0] for figure in run[stage]] for run in WatchedStages.runs
        ]  # on top of what was resident before the photo
        middle_mb = (statistics.median(figures) for figures in zip(*figures_mb, strict=True))
        middle_ms = statistics.median(cutout.timings_ms[stage] for cutout in done)
        rows.append((stage, f"{middle_ms:.0f}", *(f"{figure:.0f}" for figure in middle_mb)))
    cutout = done[-1]
    asked = " ".join(arguments.options) or "no options"
    made = f"{cutout.width}×{cutout.height} {cutout.format}, by {cutout.method}"
    columns = ("stage", "ms", "MB more before", "at the peak", "after")
    table(f"{arguments.megapixels:g} megapixels, {asked}: {made}{', reduced' if cutout.resized else ''}", columns, rows)


if __name__ == "__main__":
    main()
