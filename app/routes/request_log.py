"""What is told of every request: its counters in /metrics, and one line of the log once its answer is sent."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import quote

from flask import Flask, Response, g, request

from app import metrics
from app.errors import ClientGone
from app.logs import Fields
from app.services import memory

log = logging.getLogger(__name__)

# Asked for every few seconds or oftener, by programs.
QUIET_ENDPOINTS = ("static", "docs.static", "ops.health", "ops.ready", "ops.show_metrics", "api.show_progress")
NO_ROUTE = "unknown"
# A client may make up any method; a label may not.
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclass
class RequestRecord:
    """What is known of one request when it comes, and what comes to be known on its way."""

    method: str
    path: str
    route: str
    stages_ms: dict[str, float]
    started_s: float = field(default_factory=time.perf_counter)
    request_id: str = ""
    status: int = 0
    error_code: str = ""
    sent_bytes: int = 0

    def elapsed_s(self) -> float:
        """Seconds since the request came."""
        return time.perf_counter() - self.started_s

    def counted(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Pass on the pieces of the answer; one counts as sent once the server asks for the next.

        A client that hangs up meanwhile is the error of this request, though its status is sent already.
        """
        try:
            for piece in pieces:
                yield piece
                self.sent_bytes += len(piece)
        except (GeneratorExit, ClientGone):
            self.error_code = self.error_code or ClientGone.code

    def write(self) -> None:
        """Write the line: an error of ours as a warning, all else as information."""
        fields = Fields(
            message="answered",
            request_id=self.request_id,
            method=self.method,
            path=self.path,
            route=self.route,
            status=self.status,
            bytes=self.sent_bytes,
            ms=round(self.elapsed_s() * 1000, 1),
            stages_ms={stage: round(ms, 1) for stage, ms in self.stages_ms.items()},
            rss_mb=round(memory.rss_mb(), 1),
            error=self.error_code or None,
        )
        log.log(logging.WARNING if self.status >= 500 and self.error_code else logging.INFO, fields)


def register(app: Flask) -> None:
    """Keep the records of an application; registered first, it sees a request before and an answer after all others."""
    app.before_request(_begin)
    app.after_request(_finish)


def note_error(code: str) -> None:
    """Note the code of the error that this request is answered with."""
    g.record.error_code = code


def _begin() -> None:
    g.record = RequestRecord(
        method=request.method if request.method in _METHODS else "other",
        path=quote(request.path, errors="replace"),  # never the query string
        route=request.url_rule.rule if request.url_rule else NO_ROUTE,
        stages_ms=metrics.begin_request(),
    )


def _finish(response: Response) -> Response:
    record: RequestRecord = g.record
    record.request_id = response.headers.get("X-Request-ID", "")
    record.status = response.status_code
    metrics.REQUESTS.labels(route=record.route, method=record.method, status=record.status).inc()
    metrics.REQUEST_SECONDS.labels(route=record.route, status=record.status).observe(record.elapsed_s())
    if record.error_code:
        metrics.REJECTIONS.labels(reason=record.error_code).inc()
    if request.endpoint in QUIET_ENDPOINTS and record.status < 400:
        return response
    pieces = response.response
    response.response = record.counted(response.iter_encoded())
    if hasattr(pieces, "close"):
        response.call_on_close(pieces.close)
    response.call_on_close(record.write)
    return response
