"""What is known of a request's connection, below HTTP; only under gunicorn."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

# A client may be silent for so long in the middle of a body or an answer.
SILENCE_LIMIT_S = 20.0


def limit_silence(environ: dict[str, Any], limit_s: float = SILENCE_LIMIT_S) -> None:
    """Give up on a client that neither sends nor takes anything for so long; it would hold its thread for ever."""
    connection = environ.get("gunicorn.socket")
    if connection is not None:
        connection.settimeout(limit_s)


@contextmanager
def time_limit(environ: dict[str, Any], limit_s: float) -> Iterator[None]:
    """Let what is read of a client in this block end after so long, as if it had hung up: one that sends a byte now and
    then is never silent."""
    timer = threading.Timer(limit_s, stop_reading, [environ])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def stop_reading(environ: dict[str, Any]) -> None:
    """Take nothing more of a client, as if it had hung up; it can still be answered."""
    connection: socket.socket | None = environ.get("gunicorn.socket")
    if connection is not None:
        with suppress(OSError):  # it is closed already
            connection.shutdown(socket.SHUT_RD)


def is_gone(environ: dict[str, Any]) -> bool:
    """Whether the client has hung up; to be asked once the body is read. False where nothing can be known."""
    connection: socket.socket | None = environ.get("gunicorn.socket")
    if connection is None:
        return False
    poll = select.poll()
    try:
        poll.register(connection, select.POLLIN)
        return bool(poll.poll(0)) and not connection.recv(1, socket.MSG_PEEK)
    except (OSError, ValueError):  # reset, or closed on our side
        return True
