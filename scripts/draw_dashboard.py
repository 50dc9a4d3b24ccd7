"""Draw docs/dashboard.png from a real run: python scripts/draw_dashboard.py

Starts the server by its Procfile (a limit of 512 MB, a result cache, the real model of the shared folder beside the
repo) and a real Prometheus beside it, sends about two minutes of mixed load over the loopback, asks Prometheus every
panel's own query of deploy/grafana.json and draws the answers at the places that the dashboard gives them. A log of the
server is kept beside the picture with --log.

Prometheus is Debian's package; as root it is installed, else the script says what is missing and ends.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO))

import matplotlib as mpl  # noqa: E402

mpl.use("Agg")

from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.lines import Line2D  # noqa: E402
from matplotlib.patches import FancyBboxPatch  # noqa: E402
from matplotlib.ticker import FuncFormatter, MaxNLocator  # noqa: E402
from PIL import Image  # noqa: E402

from scripts.box import Server, free_port  # noqa: E402
from scripts.load import SHARED, author_photos  # noqa: E402

DASHBOARD = REPO / "deploy/grafana.json"
PICTURE = REPO / "docs/dashboard.png"
SCRAPE_EVERY_S = 1
# What Grafana would put in for $__rate_interval: four scrapes at least, more for a calmer line.
RATE_INTERVAL = "10s"
# Seconds, and clients at once: quiet, busy, far too many for one slot and a queue of eight, and back.
PHASES = ((25, 1), (30, 4), (30, 16), (25, 3), (15, 1))
SERVER_ENV = {
    "U2NET_HOME": str(SHARED / "models"),
    "MODEL_CHECKSUM_DISABLED": "1",
    "AUTO_DOWNLOAD": "0",
    "MEMORY_LIMIT_MB": "512",
    "RESULT_CACHE_MB": "64",
    "LOG_FORMAT": "json",
    "GUNICORN_CMD_ARGS": "--max-requests 0",  # no new worker, whose counters begin anew, in the middle
}

# Grafana's dark theme and its classic palette.
GROUND, PANEL, EDGE, TEXT, FAINT = "#111217", "#181b1f", "#2c2f36", "#ccccdc", "#8e8ea0"
PALETTE = ("#73bf69", "#fade2a", "#5794f2", "#ff9830", "#f2495c", "#b877d9", "#8ab8ff", "#ffa6b0", "#c0d8ff")
CELL_PX, ROW_PX, GAP_PX, HEAD_PX, FOOT_PX = 62, 36, 8, 58, 34
SHORT_UNITS = {"s": "s", "reqps": "/s", "percentunit": "%", "bytes": "MiB", "short": ""}


@dataclass(frozen=True)
class Series:
    """One line of a panel: its name, the seconds since the run began, and its values (NaN where there is none)."""

    name: str
    seconds: list[float]
    values: list[float]


# The load


class Load:
    """Clients that send good photos, the same photo again, and bad ones, until they are told to end."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._photos = [(photo.name, photo.read_bytes()) for photo in author_photos()]
        self._numbers = itertools.count()

    def run(self, phases: tuple[tuple[int, int], ...]) -> None:
        """Go through the phases, each of so many seconds with so many clients."""
        for limit_s, clients in phases:
            print(f"{clients} clients for {limit_s} s")
            ends_s = time.monotonic() + limit_s
            threads = [threading.Thread(target=self._send_until, args=(ends_s,)) for _ in range(clients)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    def _send_until(self, ends_s: float) -> None:
        dice = random.Random(next(self._numbers))  # noqa: S311
        with requests.Session() as session:
            while time.monotonic() < ends_s:
                answer = self._send(session, dice)
                time.sleep(1.0 if answer.status_code == 429 else dice.uniform(0, 0.3))

    def _send(self, session: requests.Session, dice: random.Random) -> requests.Response:
        name, photo = dice.choice(self._photos)
        kind = dice.random()
        path, options = "/api/remove-background", {"shadow_blur": str(dice.randrange(200)), "shadow": "true"}
        if kind < 0.3:  # the same as many others
            (name, photo), options = self._photos[0], {}
        elif kind < 0.34:
            photo = b"This is no photo."
        elif kind < 0.37:
            photo = photo[: len(photo) // 2]
        elif kind < 0.40:
            options = {"format": "gif"}
        elif kind < 0.42:
            path = "/api/no-such-page"
        return session.post(
            self._url + path,
            files={"file": (name, photo)},
            data=options,
            headers={"Accept": "image/webp" if kind > 0.8 else "image/*"},
            timeout=60,
        )


# Prometheus


def installed_prometheus() -> str:
    """The path of Prometheus, installed now if it is missing and may be. Ends the script where it cannot be had."""
    if not shutil.which("prometheus") and os.geteuid() == 0 and shutil.which("apt-get"):
        print("Installing prometheus (once)")
        # RUNLEVEL=1 keeps Debian from starting it as a service.
        for command in (["apt-get", "-qq", "update"], ["apt-get", "-qq", "install", "-y", "--no-install-recommends"]):
            packages = ["prometheus"] if "install" in command else []
            subprocess.run([*command, *packages], env={**os.environ, "RUNLEVEL": "1"}, stdout=subprocess.DEVNULL)
    path = shutil.which("prometheus")
    if path is None:
        sys.exit("Prometheus is not installed, and this picture is drawn from a real one: apt-get install prometheus")
    return path


class Prometheus:
    """A Prometheus on the loopback that scrapes one server every second."""

    def __init__(self, url: str) -> None:
        self._url = url

    def wait_until_ready(self, limit_s: float = 30) -> None:
        """Wait until it answers."""
        ends_s = time.monotonic() + limit_s
        while time.monotonic() < ends_s:
            try:
                if requests.get(f"{self._url}/-/ready", timeout=5).ok:
                    return
            except requests.ConnectionError:
                pass
            time.sleep(0.1)
        raise RuntimeError("Prometheus did not become ready")

    def ask(self, target: dict[str, Any], start_s: float, end_s: float) -> list[Series]:
        """The lines of one target of a panel."""
        query = target["expr"].replace("$__rate_interval", RATE_INTERVAL)
        answer = requests.get(
            f"{self._url}/api/v1/query_range",
            params={"query": query, "start": str(start_s), "end": str(end_s), "step": str(SCRAPE_EVERY_S)},
            timeout=30,
        )
        body = answer.json()
        if body["status"] != "success":
            raise RuntimeError(f"Prometheus refuses {query}: {body['error']}")
        return [
            Series(
                _legend(target["legendFormat"], found["metric"]),
                [float(at) - start_s for at, _ in found["values"]],
                [float(value) for _, value in found["values"]],
            )
            for found in body["data"]["result"]
        ]


def _legend(form: str, labels: dict[str, str]) -> str:
    for name, value in labels.items():
        form = form.replace(f"{{{{{name}}}}}", value)
    return form


@contextmanager
def running_prometheus(target_port: int) -> Iterator[Prometheus]:
    """A Prometheus that scrapes a port of the loopback, until the block ends."""
    program, port = installed_prometheus(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "prometheus.yml"
        scrapes = [{"job_name": "tinycut", "static_configs": [{"targets": [f"127.0.0.1:{target_port}"]}]}]
        # JSON is YAML, too.
        config.write_text(json.dumps({"global": {"scrape_interval": f"{SCRAPE_EVERY_S}s"}, "scrape_configs": scrapes}))
        process = subprocess.Popen(
            [
                program,
                f"--config.file={config}",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{port}",
                "--log.level=error",
            ]
        )
        try:
            prometheus = Prometheus(f"http://127.0.0.1:{port}")
            prometheus.wait_until_ready()
            yield prometheus
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)


# The picture


def draw(dashboard: dict[str, Any], lines: dict[int, list[Series]], length_s: float, target: Path) -> None:
    """Draw every panel's lines at its place in the dashboard."""
    panels = dashboard["panels"]
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    width, height = 24 * CELL_PX + GAP_PX, rows * ROW_PX + HEAD_PX + FOOT_PX
    plt.rcParams.update({"font.family": "DejaVu Sans", "text.color": TEXT, "figure.facecolor": GROUND})
    figure = plt.figure(figsize=(width / 100, height / 100), dpi=100)
    figure.text(GAP_PX * 2 / width, 1 - 30 / height, dashboard["title"], size=15, weight="bold", va="center")
    figure.text(
        1 - GAP_PX * 2 / width,
        1 - 30 / height,
        f"{length_s:.0f} s of load from {min(c for _, c in PHASES)} to {max(c for _, c in PHASES)} clients",
        size=10,
        color=FAINT,
        ha="right",
        va="center",
    )
    for panel in panels:
        place = panel["gridPos"]
        left, right = place["x"] * CELL_PX + GAP_PX, (place["x"] + place["w"]) * CELL_PX
        top = place["y"] * ROW_PX + HEAD_PX
        bottom = top + place["h"] * ROW_PX - GAP_PX
        box = (left / width, 1 - bottom / height, (right - left) / width, (bottom - top) / height)
        frame = FancyBboxPatch(
            box[:2], box[2], box[3], boxstyle="square,pad=0", transform=figure.transFigure, fc=PANEL, ec=EDGE, zorder=-1
        )
        figure.add_artist(frame)
        figure.text((left + 12) / width, 1 - (top + 17) / height, panel["title"], size=10.5, weight="bold", va="center")
        inner = _Frame(figure, left, top, right, bottom, width, height)
        draw_panel = _draw_stat if panel["type"] == "stat" else _draw_lines
        draw_panel(inner, panel, lines[panel["id"]], length_s)
    figure.text(
        0.5,
        FOOT_PX / 2 / height,
        "A real run: the panels' own queries, answered by Prometheus and drawn by scripts/draw_dashboard.py. "
        "Not a screenshot of Grafana.",
        size=9.5,
        color=FAINT,
        ha="center",
        va="center",
    )
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=100, facecolor=GROUND)
    Image.open(drawn).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(target, optimize=True)


@dataclass(frozen=True)
class _Frame:
    """A panel's place in the picture, in pixels from its left and top."""

    figure: Figure
    left: float
    top: float
    right: float
    bottom: float
    width: float
    height: float

    def axes(self, *, left: float, top: float, right: float, bottom: float) -> Axes:
        """Axes with these margins, in pixels."""
        across, down = self.right - self.left - left - right, self.bottom - self.top - top - bottom
        corner = (self.left + left) / self.width, 1 - (self.bottom - bottom) / self.height
        axes: Axes = self.figure.add_axes((*corner, across / self.width, down / self.height), facecolor=PANEL)
        for side in axes.spines.values():
            side.set_visible(False)
        return axes


def _draw_stat(frame: _Frame, panel: dict[str, Any], lines: list[Series], length_s: float) -> None:
    unit, decimals = _unit(panel), panel["fieldConfig"]["defaults"].get("decimals", 1)
    axes = frame.axes(left=1, top=60, right=1, bottom=1)
    axes.set_xlim(0, length_s)
    axes.axis("off")
    known = [(at, value) for line in lines for at, value in zip(line.seconds, line.values, strict=True)]
    known = [(at, value) for at, value in known if value == value]
    text = f"{_scaled(known[-1][1], unit):.{decimals}f} {SHORT_UNITS[unit]}" if known else "No data"
    if known:
        seconds, values = zip(*known, strict=True)
        axes.fill_between(seconds, values, color=PALETTE[0], alpha=0.25, lw=0)
        axes.plot(seconds, values, color=PALETTE[0], lw=1)
        axes.set_ylim(0, max(values) * 1.25 or 1)
    frame.figure.text(
        (frame.left + frame.right) / 2 / frame.width,
        1 - (frame.top + 58) / frame.height,
        text,
        size=22,
        weight="bold",
        ha="center",
        va="center",
    )


def _draw_lines(frame: _Frame, panel: dict[str, Any], lines: list[Series], length_s: float) -> None:
    unit, custom = _unit(panel), panel["fieldConfig"]["defaults"]["custom"]
    axes = frame.axes(left=64, top=40, right=18, bottom=60)
    axes.set_xlim(0, length_s)
    colors = dict(zip([line.name for line in lines], itertools.cycle(PALETTE), strict=False))
    if custom["stacking"]["mode"] == "normal":
        _stack(axes, lines, colors, unit)
    else:
        for line in lines:
            values = [_scaled(value, unit) for value in line.values]
            axes.plot(line.seconds, values, color=colors[line.name], lw=custom["lineWidth"] * 0.8, clip_on=False)
            axes.fill_between(line.seconds, values, color=colors[line.name], alpha=custom["fillOpacity"] / 100, lw=0)
    highest = axes.get_ylim()[1]
    axes.set_ylim(0, _scaled(panel["fieldConfig"]["defaults"].get("max", 0), unit) or highest)
    axes.grid(color=EDGE, lw=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=FAINT, labelsize=9, length=0, pad=6)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} {SHORT_UNITS[unit]}".strip()))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value // 60:.0f}:{value % 60:02.0f}"))
    axes.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 1.5, 3, 6, 10]))
    if not lines:
        axes.text(0.5, 0.5, "No data", transform=axes.transAxes, ha="center", va="center", color=FAINT)
        return
    handles = [Line2D([], [], color=color, lw=3) for color in colors.values()]
    axes.legend(
        handles,
        list(colors),
        loc="upper left",
        bbox_to_anchor=(-0.09 * 744 / (frame.right - frame.left), -0.13),
        ncols=8,
        frameon=False,
        fontsize=9,
        labelcolor=TEXT,
        handlelength=1,
        columnspacing=1.2,
        handletextpad=0.5,
    )


def _stack(axes: Axes, lines: list[Series], colors: dict[str, str], unit: str) -> None:
    """Lay the lines on each other; where one has no value it is nothing."""
    seconds = sorted({at for line in lines for at in line.seconds})
    layers = []
    for line in lines:
        known = dict(zip(line.seconds, line.values, strict=True))
        values = [known.get(at, 0.0) for at in seconds]
        layers.append([_scaled(value, unit) if value == value else 0.0 for value in values])
    axes.stackplot(seconds, *layers, colors=[colors[line.name] for line in lines], alpha=0.75, lw=0)


def _unit(panel: dict[str, Any]) -> str:
    return str(panel["fieldConfig"]["defaults"]["unit"])


def _scaled(value: float, unit: str) -> float:
    """A value in the unit that the axis shows: percent, or MiB."""
    return value * 100 if unit == "percentunit" else value / 2**20 if unit == "bytes" else value


def main() -> None:
    """Run, ask, draw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--log", type=Path, help="keep the server's log in this file")
    given = parser.parse_args()
    dashboard = json.loads(DASHBOARD.read_text())
    installed_prometheus()
    with tempfile.TemporaryDirectory() as folder:
        env = {**SERVER_ENV, "RESULT_CACHE_DIR": f"{folder}/results", "MODEL_CACHE_DIR": f"{folder}/models"}
        with Server(env=env, log=given.log) as server, running_prometheus(server.port) as prometheus:
            server.wait_for("/ready")
            start_s = time.time()
            Load(server.url).run(PHASES)
            end_s = time.time()
            lines = {
                panel["id"]: [line for target in panel["targets"] for line in prometheus.ask(target, start_s, end_s)]
                for panel in dashboard["panels"]
            }
    draw(dashboard, lines, end_s - start_s, PICTURE)
    print(PICTURE.relative_to(REPO))


if __name__ == "__main__":
    main()
