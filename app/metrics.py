"""Every metric of /metrics, and the timing of the stages of a photo's way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from prometheus_client import (
    GC_COLLECTOR,
    PLATFORM_COLLECTOR,
    REGISTRY,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)

# What nobody would draw: Python's version and garbage, and a second number for every counter.
REGISTRY.unregister(GC_COLLECTOR)
REGISTRY.unregister(PLATFORM_COLLECTOR)
disable_created_metrics()  # type: ignore[no-untyped-call]

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

# Labels have few values, whatever clients send: a route is the rule of its address, never a path.
REQUESTS = Counter(
    "tinycut_requests", "Requests that were answered; route is unknown for no page.", ["route", "method", "status"]
)
REQUEST_SECONDS = Histogram(
    "tinycut_request_seconds",
    "Time from a request's head to the beginning of its answer.",
    ["route", "status"],
    buckets=_SECONDS,
)
STAGE_SECONDS = Histogram(
    "tinycut_stage_seconds", "Time that a photo took to pass a stage; queue is the wait.", ["stage"], buckets=_SECONDS
)
REJECTIONS = Counter("tinycut_rejections", "Errors that were answered, by their code.", ["reason"])
CUTOUTS = Counter(
    "tinycut_cutouts", "Cut-outs that were made, the warm-up's among them, by what made them.", ["method", "model"]
)
FALLBACKS = Counter("tinycut_fallbacks", "Photos that OpenCV got because no network could be had.")
RESULT_CACHE_REQUESTS = Counter(
    "tinycut_result_cache_requests", "Photos looked up in the result cache: hit or miss.", ["outcome"]
)
MODEL_LOAD_SECONDS = Gauge("tinycut_model_load_seconds", "How long the model took to load, the last time.", ["model"])

# States, brought up to date by each scrape (routes/ops.py).
QUEUE_DEPTH = Gauge("tinycut_queue_depth", "Photos that wait for a slot.")
BUSY_SLOTS = Gauge("tinycut_busy_slots", "Photos that are worked on.")
SLOTS = Gauge("tinycut_slots", "Photos that can be worked on at once.")
MEMORY_RESIDENT_BYTES = Gauge("tinycut_memory_resident_bytes", "Resident memory of this process.")
MEMORY_LIMIT_BYTES = Gauge("tinycut_memory_limit_bytes", "Memory that the host allows.")
MEMORY_HELD_BYTES = Gauge("tinycut_memory_held_bytes", "Memory that requests have reserved.")
RESULT_CACHE_BYTES = Gauge("tinycut_result_cache_bytes", "Size of the result cache on disk.")

_request_stages_ms: ContextVar[dict[str, float] | None] = ContextVar("request_stages_ms", default=None)


def begin_request() -> dict[str, float]:
    """Return a dict that fills with the stages of this thread's next photos, stage → ms, until the next request."""
    stages_ms: dict[str, float] = {}
    _request_stages_ms.set(stages_ms)
    return stages_ms


class StageTimings:
    """Milliseconds spent in each stage of one photo's way, in the order in which the stages ran."""

    def __init__(self) -> None:
        self._started_s = time.perf_counter()
        self._stage_ms: dict[str, float] = {}

    @contextmanager
    def span(self, stage: str) -> Iterator[None]:
        """Measure the block as one stage, for the answer, the log and /metrics; one that runs twice is added up."""
        kept = [stage_ms for stage_ms in (self._stage_ms, _request_stages_ms.get()) if stage_ms is not None]
        for stage_ms in kept:
            stage_ms.setdefault(stage, 0.0)  # the last is where the photo is (services/progress.py)
        started_s = time.perf_counter()
        try:
            yield
        finally:
            elapsed_s = time.perf_counter() - started_s
            for stage_ms in kept:
                stage_ms[stage] += elapsed_s * 1000
        # Only of who passed it: who is sent away at once would make the wait look short.
        STAGE_SECONDS.labels(stage=stage).observe(elapsed_s)

    def as_ms(self) -> dict[str, float]:
        """Return stage → milliseconds, with `total` since the timings began, rounded to 0.1."""
        total_ms = (time.perf_counter() - self._started_s) * 1000
        return {stage: round(ms, 1) for stage, ms in {**self._stage_ms, "total": total_ms}.items()}
