"""Timing of the stages of a photo's way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class StageTimings:
    """Milliseconds spent in each stage of one request, in the order in which the stages ran."""

    def __init__(self) -> None:
        self._started_s = time.perf_counter()
        self._stage_ms: dict[str, float] = {}

    @contextmanager
    def span(self, stage: str) -> Iterator[None]:
        """Measure the block as one stage; a stage that runs twice is added up."""
        started_s = time.perf_counter()
        try:
            yield
        finally:
            elapsed_ms = (time.perf_counter() - started_s) * 1000
            self._stage_ms[stage] = self._stage_ms.get(stage, 0.0) + elapsed_ms

    def as_ms(self) -> dict[str, float]:
        """Return stage → milliseconds, with `total` since the timings began, rounded to 0.1."""
        total_ms = (time.perf_counter() - self._started_s) * 1000
        return {stage: round(ms, 1) for stage, ms in {**self._stage_ms, "total": total_ms}.items()}
