"""What came of the runs of scripts/load_test.py: tables, a page, pictures."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, pairwise
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np

mpl.use("Agg")

from matplotlib import pyplot as plt

_PEER = (Path(__file__).resolve().parents[1] / "requirements-peer.txt").read_text()
NAMES = {"tinycut": "TinyCut", "rembg": f"rembg {_PEER.rpartition('==')[2].strip()}, `rembg s --no-ui`"}
OUTCOME_COLORS = {"answered": "#2a78d6", "refused": "#b8b6ae", "failed": "#d03b3b"}
COLUMNS = (
    "server", "hard limit", "clients", "minutes", "sent", "answered", "refused", "failed", "p50 s", "p95 s", "p99 s",
    "peak MB", "MB at the end", "kills",
)  # fmt: skip


class Event(NamedTuple):
    """What came of a photo: when it was sent (of the monotonic clock), how long it took, `answered`, `refused` or
    `failed`, and by which method, with which status or why."""

    at_s: float
    seconds: float
    outcome: str
    detail: str


class Sample(NamedTuple):
    """What was in use in the box at a time, and how many processes had been killed in it."""

    at_s: float
    in_use_mb: float
    kills: int


@dataclass
class Run:
    """A plan of load_test.py and what came of it; `starts_s`: when the server had to be started again."""

    name: str
    server: str
    limit_mb: int
    clients: int
    minutes: float
    count: int
    events: list[Event]
    samples: list[Sample]
    starts_s: list[float]
    final_mb: float
    peak_mb: float
    kills: int

    @classmethod
    def read(cls, file: Path) -> Run:
        """A run that was kept as JSON."""
        values = json.loads(file.read_text())
        values["events"] = [Event(*event) for event in values["events"]]
        values["samples"] = [Sample(*sample) for sample in values["samples"]]
        return cls(**values)

    @cached_property
    def counts(self) -> Counter[str]:
        """How many photos were answered, refused, failed."""
        return Counter(event.outcome for event in self.events)

    @property
    def why(self) -> Counter[str]:
        """How many photos had which method, status or fault."""
        return Counter(f"{event.outcome}: {event.detail}" for event in self.events if event.detail)

    @property
    def began_s(self) -> float:
        """When the first photo was sent."""
        return min(event.at_s for event in self.events)

    @property
    def lasted_minutes(self) -> float:
        """From the first photo sent to the last one done."""
        return max(event.at_s + event.seconds - self.began_s for event in self.events) / 60

    @property
    def lost_nothing(self) -> bool:
        """Whether every photo was answered or refused, as many as were wanted, and nothing was killed."""
        return self.kills == self.counts["failed"] == 0 and len(self.events) >= max(self.count, 1)


def table(runs: Sequence[Run]) -> list[str]:
    """The lines of a Markdown table, a row for each run; latency is that of the photos answered."""
    lines = [f"| {' | '.join(COLUMNS)} |", f"|{'---|' * len(COLUMNS)}"]
    for run in runs:
        seconds = [event.seconds for event in run.events if event.outcome == "answered"]
        shares = [f"{np.percentile(seconds, share):.2f}" if seconds else "–" for share in (50, 95, 99)]
        row = (
            NAMES[run.server], f"{run.limit_mb} MB", run.clients, f"{run.lasted_minutes:.1f}", len(run.events),
            *(run.counts[outcome] for outcome in OUTCOME_COLORS), *shares,
            f"{run.peak_mb:.0f}", f"{run.final_mb:.0f}", run.kills,
        )  # fmt: skip
        lines.append(f"| {' | '.join(map(str, row))} |")
    return lines


def draw(runs: Sequence[Run], file: Path) -> None:
    """Draw memory and latency over time into a PNG: a column for each run, on the same scales."""
    figure, axes = plt.subplots(2, len(runs), figsize=(6.5 * len(runs), 6), squeeze=False, sharex="all", sharey="row")
    for (above, below), run in zip(axes.T, runs, strict=True):
        above.set_title(f"{NAMES[run.server].replace('`', '')}: killed {run.kills} times", fontsize=11)
        above.plot(
            [(sample.at_s - run.began_s) / 60 for sample in run.samples],
            [sample.in_use_mb for sample in run.samples],
            color=OUTCOME_COLORS["answered"],
            linewidth=0.8,
        )
        above.axhline(run.limit_mb, color="#52514e", linestyle="--", linewidth=1)
        above.annotate(
            f"limit {run.limit_mb} MB",
            (0.01, run.limit_mb),
            xycoords=("axes fraction", "data"),
            va="bottom",
            fontsize=9,
        )
        killed = [after.at_s for before, after in pairwise(run.samples) if after.kills > before.kills]
        for at_s in killed:
            above.axvline((at_s - run.began_s) / 60, color=OUTCOME_COLORS["failed"], linewidth=1, alpha=0.6)
        for outcome, color in OUTCOME_COLORS.items():
            events = [event for event in run.events if event.outcome == outcome]
            below.plot(
                [(event.at_s - run.began_s) / 60 for event in events],
                [event.seconds for event in events],
                ".",
                markersize=3,
                color=color,
                label=f"{len(events)} {outcome}",
            )
        below.legend(loc="upper right", fontsize=9, markerscale=3)
        below.set_xlabel("minutes")
    axes[0][0].set_ylabel("memory in use, MB")
    axes[1][0].set_ylabel("seconds until the answer")
    axes[0][0].set_ylim(bottom=0)
    axes[1][0].set_yscale("symlog", linthresh=0.1)
    axes[1][0].set_yticks([0, 0.1, 1, 10, 60], ["0", "0.1", "1", "10", "60"])
    axes[1][0].set_ylim(0, 100)
    for axis in axes.flat:
        axis.grid(color="#e1e0d9", linewidth=0.6)
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(file, dpi=100)
    plt.close(figure)


HEADINGS = {
    "crowd": "A crowd: 16 clients at once",
    "small": "A very small host: 256 MB",
    "soak": "A soak: 5,000 photos",
    "one": "One client, who sends the next photo when the last is done",
}
HEAD = """# Reliability

Made by `scripts/load_test.py page`, which prints this page: each server in a cgroup with a hard memory limit and no
swap, on the same two cores as the clients, the same real photos in the same order (290 px to 3000×2000, JPEG and
PNG), the same network (u2netp). Clients are locust's. A photo is *answered* when a whole PNG of the photo's own size
came back, *refused* when the server told the client to come back later (429 or 503; it does, with its next photo),
and *failed* when neither: the connection broke, there was no server, nothing came in 60 s; after that a client waits
a second. Latency is that of the photos answered. A server that was killed is started again a second later, as a host
would. *Peak* is the most that the kernel counted, file cache included. The peer's soak ends after 12 minutes.
"""


def page(runs: Sequence[Run], folder: Path) -> str:
    """The text of docs/reliability.md; its pictures are drawn into the folder."""
    parts = [HEAD]
    for name, group in groupby(runs, key=lambda run: run.name):
        same = list(group)
        picture = f"reliability-{name}.png"
        draw(same, folder / picture)
        parts += [
            f"## {HEADINGS[name]}",
            "\n".join(table(same)),
            f"![Memory and latency over time]({picture})",
            _why(same),
        ]
    return "\n\n".join(parts) + "\n"


def _why(runs: Sequence[Run]) -> str:
    words = []
    for run in runs:
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(run.why.items()))
        words.append(f"{NAMES[run.server]}: {reasons}; started again {len(run.starts_s)} times.")
    return "\n\n".join(words)
