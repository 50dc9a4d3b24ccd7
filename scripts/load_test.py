"""Send mixed real photos to a server in a hard memory limit, by locust, and tell what came of every one:

python scripts/load_test.py run --limit-mb 512 --clients 16 --minutes 10
python scripts/load_test.py run --server rembg --limit-mb 512 --clients 16 --minutes 10
python scripts/load_test.py page        every run of docs/reliability.md, about an hour, and the page itself

Prints what was answered, refused and failed, the latency, the memory and the kernel's kills; `--picture FILE.png` draws
memory and latency over time. A server that the kernel ended is started again a second later, as a host would.
Needs the right to make a cgroup, and the photos and the model of the shared folder beside the repo. rembg's own
server is installed on first use, into a virtual environment of its own. All traffic stays on the loopback.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import requests
from PIL import Image, ImageOps
from tqdm import tqdm

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO))

from scripts.box import Box, Server  # noqa: E402
from scripts.load import SHARED, author_photos  # noqa: E402
from scripts.load_report import Event, Run, Sample, draw, page, table  # noqa: E402
from scripts.measure import MODEL_ENV  # noqa: E402

PEER = REPO / ".venv-peer"
PAGE = REPO / "docs/reliability.md"
SAMPLE_EVERY_S = 0.25
# How long the last photos under way may take, once the time is up.
STOP_LIMIT_S = 90
RESTART_AFTER_S = 1
START_LIMIT_S = 60


@dataclass(frozen=True)
class Plan:
    """One run: of which server, in how many MB, with how many clients; it ends after so many minutes or photos (0: any
    number)."""

    name: str
    server: str
    limit_mb: int
    clients: int
    minutes: float
    count: int = 0


@dataclass(frozen=True)
class Target:
    """How a server is started (None: by the Procfile), what answers 200 once it is up, and where photos are posted."""

    command: str | None
    ready_path: str
    path: str
    fields: dict[str, str]


TARGETS = {
    "tinycut": Target(None, "/ready", "/api/remove-background", {}),
    "rembg": Target(
        f"{PEER}/bin/rembg s --no-ui --host 127.0.0.1 --port $PORT --log_level warning",
        "/api",
        "/api/remove",
        {"model": "u2netp"},
    ),
}
# name, MB, clients, most minutes of ours and of the peer's, photos
RUNS = (
    ("crowd", 512, 16, (10, 10), 0),
    ("soak", 512, 4, (40, 12), 5000),
    ("small", 256, 2, (3, 3), 0),
    ("one", 512, 1, (2, 2), 0),
)
PLANS = [
    Plan(name, server, limit_mb, clients, most, count)
    for name, limit_mb, clients, minutes, count in RUNS
    for server, most in zip(("tinycut", "rembg"), minutes, strict=True)
]


def photos() -> list[dict[str, object]]:
    """The photos of a run: 290 px to 3000×2000, JPEG and PNG, with the size that a cut-out must have."""
    data = SHARED / "data"
    paths = author_photos()
    paths += sorted((data / "davis-dev/images").iterdir())[::2]
    paths += sorted((data / "sod-dev/images").iterdir())[::4]
    paths += sorted((data / "matting-dev/images").iterdir())[::2]
    paths += sorted((data / "rembg-peer").glob("*.jpg"))
    found = []
    for path in paths:
        with Image.open(path) as image:
            width, height = ImageOps.exif_transpose(image).size
        found.append({"path": str(path), "width": width, "height": height})
    return found


def prepare_peer() -> None:
    """Install rembg's server; takes no time when it is there."""
    subprocess.run(["scripts/setup", "requirements-peer.txt", PEER.name], check=True, cwd=REPO)
    # Both take half a minute the first time, and are not what is measured: what its server compiles, and what rembg's
    # packages compile for themselves when they are imported.
    subprocess.run([PEER / "bin/python", "-m", "compileall", "-q", PEER / "lib"], check=False)
    subprocess.run([PEER / "bin/python", "-c", "import rembg"], check=True)


@contextmanager
def kept_up(server: Server) -> Iterator[list[float]]:
    """Run a server, and start it again when it ended, as a host does; yields the times of that."""
    over, starts = threading.Event(), list[float]()

    def watch() -> None:
        while not over.wait(RESTART_AFTER_S):
            if not server.running:
                starts.append(time.monotonic())
                server.start()

    server.start()
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield starts
    finally:
        over.set()
        watcher.join()
        server.stop()


def await_start(server: Server, path: str) -> None:
    """Wait until a path answers 200, as a host does before it sends anybody; in too small a box it never will."""
    ends_s = time.monotonic() + START_LIMIT_S
    while time.monotonic() < ends_s:
        with suppress(requests.RequestException):
            if requests.get(server.url + path, timeout=5).ok:
                return
        time.sleep(0.1)


@contextmanager
def sampled(box: Box) -> Iterator[list[Sample]]:
    """What is in use in the box, and how many were killed in it, four times a second until the block ends."""
    over, samples = threading.Event(), list[Sample]()

    def watch() -> None:
        while not over.wait(SAMPLE_EVERY_S):
            samples.append(Sample(time.monotonic(), box.in_use_mb, box.kills))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield samples
    finally:
        over.set()
        watcher.join()


def send(plan: Plan, url: str, target: Target) -> list[Event]:
    """Have locust send photos as the plan says; what came of each.

    Raises:
        RuntimeError: locust itself failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder) / "events"
        events.touch()
        told = {"photos": photos(), "path": target.path, "fields": target.fields, "count": plan.count}
        locust = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "locust",
                *(
                    "--locustfile",
                    REPO / "scripts/locustfile.py",
                    "--headless",
                    "--only-summary",
                    "--loglevel",
                    "ERROR",
                ),
                *("--host", url, "--users", str(plan.clients), "--spawn-rate", str(plan.clients)),
                *("--run-time", f"{plan.minutes * 60:.0f}s", "--stop-timeout", str(STOP_LIMIT_S)),
                *("--exit-code-on-error", "0"),
            ],
            env={**os.environ, "LOAD_PLAN": json.dumps(told), "LOAD_EVENTS": str(events)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            _show_progress(locust, events, plan)
        except BaseException:
            locust.send_signal(signal.SIGTERM)
            locust.wait()
            raise
        _, words = locust.communicate()
        if locust.returncode:
            raise RuntimeError(f"locust ended with {locust.returncode}:\n{words}")
        return [Event(**json.loads(line)) for line in events.read_text().splitlines()]


def _show_progress(locust: subprocess.Popen[str], events: Path, plan: Plan) -> None:
    with (
        events.open() as lines,
        tqdm(desc=f"{plan.name}, {plan.server}", total=plan.count or None, unit=" photos", disable=None) as bar,
    ):
        while locust.poll() is None:
            time.sleep(1)
            bar.update(len(lines.readlines()))
        bar.update(len(lines.readlines()))


def run(plan: Plan, *, log: Path | None = None) -> Run:
    """Carry a plan out, from the start of its server to its end."""
    target = TARGETS[plan.server]
    if plan.server == "rembg":
        prepare_peer()
    with Box(plan.limit_mb) as box:
        server = Server(env=MODEL_ENV, box=box, log=log, command=target.command)
        with kept_up(server) as starts, sampled(box) as samples:
            await_start(server, target.ready_path)
            events = send(plan, server.url, target)
            final_mb, peak_mb, kills = box.in_use_mb, box.peak_mb, box.kills
    return Run(
        **asdict(plan),
        events=events,
        samples=samples,
        starts_s=starts,
        final_mb=final_mb,
        peak_mb=peak_mb,
        kills=kills,
    )


def kept(plan: Plan, folder: Path) -> Run:
    """The run of a plan that a folder holds; else it is carried out and kept there: so an hour may be broken off."""
    file = folder / f"{plan.name}-{plan.server}.json"
    if not file.exists():
        file.write_text(json.dumps(asdict(run(plan))))
    return Run.read(file)


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("run", help="one run, printed as a table")
    one.add_argument("--server", choices=("tinycut", "rembg"), default="tinycut")
    one.add_argument("--limit-mb", type=int, default=512)
    one.add_argument("--clients", type=int, default=4)
    one.add_argument("--minutes", type=float, default=1)
    one.add_argument("--photos", type=int, default=0, help="end after so many, if that is sooner")
    one.add_argument("--picture", type=Path, help="draw memory and latency over time into this PNG")
    one.add_argument("--log", type=Path, help="keep what the server says")
    whole = commands.add_parser("page", help="make docs/reliability.md and its pictures")
    whole.add_argument(
        "--keep", type=Path, default=REPO / "build/load", help="folder of the runs; those there are not run again"
    )
    given = parser.parse_args()
    if given.command == "run":
        plan = Plan("run", given.server, given.limit_mb, given.clients, given.minutes, given.photos)
        found = run(plan, log=given.log)
        print("\n".join(table([found])))
        if given.picture:
            draw([found], given.picture)
        sys.exit(0 if found.lost_nothing else 1)
    given.keep.mkdir(parents=True, exist_ok=True)
    runs = [kept(plan, given.keep) for plan in PLANS]
    PAGE.write_text(page(runs, PAGE.parent))
    print(PAGE.read_text())
    sys.exit(0 if all(run.lost_nothing for run in runs if run.server == "tinycut") else 1)


if __name__ == "__main__":
    main()
