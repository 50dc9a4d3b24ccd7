"""What a client of scripts/load_test.py does, for locust: sends photo after photo, comes back when it is told to, and
writes down what came of each.

The environment tells what to send: LOAD_PLAN is the JSON of a `load_test.Plan` and its photos, LOAD_EVENTS the file for
what came of them, one JSON object a line: {"at_s" (of the system's monotonic clock), "seconds", "outcome", "detail"}.
In a process of its own, since locust turns Python's threads into greenlets.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from locust import HttpUser, task
from locust.exception import StopUser

PLAN = json.loads(os.environ["LOAD_PLAN"])
EVENTS = Path(os.environ["LOAD_EVENTS"])
# The longest that a person's browser or a host's router would wait; ours answers within its deadline of 25 s.
ANSWER_LIMIT_S = 60
PNG_HEAD = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"


def _turns() -> Iterator[dict[str, Any]]:
    """The photos in an order that looks mixed and is the same in every run."""
    rounds = (random.Random(number).sample(PLAN["photos"], len(PLAN["photos"])) for number in itertools.count())  # noqa: S311 (an order, no secret)
    return itertools.islice(itertools.chain.from_iterable(rounds), PLAN["count"] or None)


TURNS = _turns()


class Client(HttpUser):
    """Sends a photo, waits for its cut-out, sends the next."""

    @task
    def cut_out(self) -> None:
        photo = next(TURNS, None)
        if photo is None:
            # Not from here: it waits for this client as well.
            threading.Thread(target=self.environment.runner.quit).start()
            raise StopUser
        at_s = time.monotonic()
        outcome, detail, pause_s = self._send(photo)
        event = {"at_s": at_s, "seconds": time.monotonic() - at_s, "outcome": outcome, "detail": detail}
        with EVENTS.open("a") as lines:
            lines.write(json.dumps(event) + "\n")
        time.sleep(pause_s)  # of one client only

    def _send(self, photo: dict[str, Any]) -> tuple[str, str, float]:
        """What came of a photo, (answered, refused or failed), more about it, and how long to wait before the next."""
        answer = self.client.post(
            PLAN["path"],
            files={"file": (Path(photo["path"]).name, Path(photo["path"]).read_bytes())},
            data=PLAN["fields"],
            headers={"Accept": "image/*", "Accept-Encoding": "identity"},
            timeout=ANSWER_LIMIT_S,
        )
        if answer.status_code == 0:  # locust's own way to say that there was no answer
            return "failed", type(answer.error).__name__, 1
        if answer.status_code == 200:
            whole = _png_size(answer.content) == (photo["width"], photo["height"])
            return ("answered", answer.headers.get("X-Method", ""), 0) if whole else ("failed", "wrong picture", 0)
        if answer.status_code in (429, 503):
            return "refused", str(answer.status_code), float(answer.headers.get("Retry-After", 1))
        return "failed", str(answer.status_code), 1


def _png_size(data: bytes) -> tuple[int, int] | None:
    """Width and height that a PNG's header tells; None when it is no PNG, or cut off."""
    if not data.startswith(PNG_HEAD) or not data.endswith(b"IEND\xaeB`\x82"):
        return None
    width, height = struct.unpack(">II", data[16:24])
    return width, height
