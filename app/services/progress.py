"""Where the requests that are under way are, for clients that ask by the id that they gave theirs."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from app.services.admission import Admission, Deadline

# Of the spans of metrics.StageTimings those in which a photo is worked on.
STAGES = ("decode", "infer", "refine", "composite", "encode")


@dataclass(frozen=True, eq=False)
class _UnderWay:
    request_id: str
    deadline: Deadline
    stages_ms: Mapping[str, float]


class Progress:
    """The requests that are under way in this process. Nothing is kept of one that is done."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: list[_UnderWay] = []

    @contextmanager
    def of(self, request_id: str, deadline: Deadline, stages_ms: Mapping[str, float]) -> Iterator[None]:
        """Let it be known in this block where a request is: by its deadline in the queue, and by the last of the stages
        that it has begun. Of two requests with one id the later is told."""
        request = _UnderWay(request_id, deadline, stages_ms)
        with self._lock:
            self._requests.append(request)
        try:
            yield
        finally:
            with self._lock:
                self._requests.remove(request)

    def where(self, request_id: str, admission: Admission) -> dict[str, str | int]:
        """The `state` of a request: "queued" with its `place`, 1 for the next; "working" with its `stage`, one of
        STAGES; or "unknown"."""
        with self._lock:
            request = next((found for found in reversed(self._requests) if found.request_id == request_id), None)
        if request is None:
            return {"state": "unknown"}
        if place := admission.place_of(request.deadline):
            return {"state": "queued", "place": place}
        stage = next(reversed([*request.stages_ms]), "")
        return {"state": "working", "stage": stage} if stage in STAGES else {"state": "unknown"}
