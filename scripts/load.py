"""Photos sent to a server, by several clients at once, and what came of it."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import requests

from scripts.box import REPO, Server

SHARED = REPO.parent / "shared"
AUTHOR_PHOTOS = SHARED / "data/u2net-author/images"
ANSWER_LIMIT_S = 60


@dataclass
class Tally:
    """What came of a run: how often each status, each method; seconds per answer, and per photo that was cut
    out; connections that broke."""

    statuses: Counter[int] = field(default_factory=Counter)
    methods: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    answered_s: list[float] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @property
    def server_errors(self) -> int:
        """Answers of 500 and above."""
        return sum(count for status, count in self.statuses.items() if status >= 500)


def author_photos() -> list[Path]:
    """The 18 photos of U²-Net's author, 290 px to 3000×2000, by name."""
    return sorted(AUTHOR_PHOTOS.iterdir())


def send(server: Server, photos: Sequence[Path], *, count: int, clients: int) -> Tally:
    """Send `count` photos, going round the given ones, from `clients` threads; each asks for the bytes."""
    return _send(server, itertools.islice(itertools.cycle(photos), count), clients=clients, comes_back=False)


@dataclass(frozen=True)
class Crowd:
    """What came of a crowd: the clients' tally, and how long each /health took meanwhile, in seconds."""

    tally: Tally
    health_s: list[float]


def crowd(server: Server, photos: Sequence[Path], *, clients: int, seconds: float, comes_back: bool) -> Crowd:
    """Send photos from `clients` threads for so many seconds; who is sent away `comes_back` when it was told to, or at
    once."""
    ends_s = time.monotonic() + seconds
    turns = itertools.takewhile(lambda _photo: time.monotonic() < ends_s, itertools.cycle(photos))
    watch = subprocess.Popen(
        [sys.executable, str(REPO / "scripts/watch_health.py"), str(server.port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        tally = _send(server, turns, clients=clients, comes_back=comes_back)
    finally:
        watched, _ = watch.communicate("end\n", timeout=60)
    return Crowd(tally, json.loads(watched))


def _send(server: Server, turns: Iterator[Path], *, clients: int, comes_back: bool) -> Tally:
    tally, lock = Tally(), threading.Lock()

    def next_photo() -> Path | None:
        with lock:
            return next(turns, None)

    def client() -> None:
        with requests.Session() as session:
            for photo in iter(next_photo, None):
                try:
                    answer = session.post(
                        f"{server.url}/api/remove-background",
                        files={"file": (photo.name, photo.read_bytes())},
                        headers={"Accept": "image/*"},
                        timeout=ANSWER_LIMIT_S,
                    )
                except requests.RequestException as fault:
                    with lock:
                        tally.broken.append(f"{photo.name}: {fault!r}")
                    continue
                with lock:
                    tally.statuses[answer.status_code] += 1
                    tally.methods[answer.headers.get("X-Method", "")] += 1
                    tally.seconds.append(answer.elapsed.total_seconds())
                    if answer.status_code == 200:
                        tally.answered_s.append(answer.elapsed.total_seconds())
                if comes_back and answer.status_code == 429:
                    time.sleep(int(answer.headers["Retry-After"]))

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return tally


def levels(server: Server, photos: list[Path], *, count: int, clients: int) -> Iterator[tuple[Tally, float]]:
    """Send ten photos, then the rest of `count`; yield the tally and the worker's resident MB after each part."""
    first = send(server, photos, count=10, clients=clients)
    yield first, server.rss_mb()
    rest = send(server, photos[10 % len(photos) :] + photos[: 10 % len(photos)], count=count - 10, clients=clients)
    yield rest, server.rss_mb()
