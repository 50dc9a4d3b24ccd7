"""How many photos a client may send in a time, by Flask-Limiter. Imported only where RATE_LIMIT is set: it is 4 MB."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, g
from flask_limiter import Limiter
from limits.errors import StorageError

# A store that is away holds a request up for no longer than this, twice.
_STORE_TIMEOUT_S = 1


def register(app: Flask, rate: str, *, storage: str) -> Callable[[], None]:
    """Return what counts photos of the client `g.client`, one or as many as `g.photos` says, and raises Werkzeug's
    TooManyRequests over the rate.

    Every answer to a counted request tells the rate. While the store is away, each worker counts by itself.
    """
    # It would log each refusal with its client.
    logging.getLogger("flask-limiter").setLevel(logging.WARNING)
    limiter = Limiter(
        lambda: str(g.client),
        app=app,
        storage_uri=storage,
        storage_options=_redis_options() if storage.startswith("redis") else {},
        in_memory_fallback_enabled=True,
    )

    def tell(response: Response) -> Response:
        limit = limiter.current_limit
        if limit is None:
            return response
        try:
            reset_at_s, remaining = limit.reset_at, limit.remaining
        except StorageError:  # away since the count; the next request finds out and says so in the log
            return response
        response.headers["X-RateLimit-Limit"] = str(limit.limit.amount)
        response.headers["X-RateLimit-Remaining"] = str(remaining)
        response.headers["X-RateLimit-Reset"] = str(reset_at_s)
        if limit.breached:
            wait_s = min(reset_at_s - int(time.time()), limit.limit.get_expiry())  # a clock may be set back
            response.headers["Retry-After"] = str(max(1, wait_s))
        return response

    app.after_request(tell)

    @limiter.shared_limit(
        rate,
        scope="photos",
        cost=lambda: int(g.get("photos", 1)),
        error_message=f"You have sent as many photos as one client may ({rate}). Please wait before you send more.",
    )
    def count_photo() -> None:
        """Flask-Limiter counts before it calls this."""

    return count_photo


def _redis_options() -> dict[str, Any]:
    from redis.backoff import NoBackoff  # 5 MB more: only where Redis is used
    from redis.retry import Retry

    return {
        "socket_timeout": _STORE_TIMEOUT_S,
        "socket_connect_timeout": _STORE_TIMEOUT_S,
        # Once, for a connection that went stale; redis-py's own ten retries would hold a request up for seconds.
        "retry": Retry(NoBackoff(), 1),
        "wrap_exceptions": True,
    }
