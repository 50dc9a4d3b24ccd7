"""What is known of a request's connection, below HTTP; only under gunicorn."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

# A client may be silent for so long in the middle of a body.
SILENCE_LIMIT_S = 20.0
# A phone on a weak network is faster than this.
SLOWEST_BYTES_PER_S = 50_000
_LOOK_S = 1.0


def limit_silence(environ: dict[str, Any], limit_s: float = SILENCE_LIMIT_S) -> None:
    """Give up on a client that neither sends nor takes anything for so long; it would hold its thread for ever."""
    connection = environ.get("gunicorn.socket")
    if connection is not None:
        connection.settimeout(limit_s)


def limit_answer(environ: dict[str, Any], size_bytes: int) -> None:
    """Give up on a client that has not taken an answer of so many bytes, or each of its pieces, in the time that a slow
    phone needs: sending has one limit for the whole."""
    limit_silence(environ, SILENCE_LIMIT_S + size_bytes / SLOWEST_BYTES_PER_S)


@contextmanager
def least_pace(environ: dict[str, Any], received_bytes: Callable[[], int], *, grace_s: float) -> Iterator[None]:
    """Let what is read of a client in this block end, as if it had hung up, once it is slower than a slow phone: who
    sends a byte now and then is never silent. The first `grace_s` seconds are its own."""
    ended, ending = threading.Event(), threading.Lock()
    begun_s = time.monotonic()

    def watch() -> None:
        wait_s = grace_s
        while not ended.wait(wait_s):
            if received_bytes() < (time.monotonic() - begun_s - grace_s) * SLOWEST_BYTES_PER_S:
                with ending:  # the next request of this connection is another's
                    if not ended.is_set():
                        stop_reading(environ)
                return
            wait_s = _LOOK_S

    threading.Thread(target=watch, name="pace", daemon=True).start()
    try:
        yield
    finally:
        with ending:
            ended.set()


class Answers:
    """The answers that clients are taking, up to `most`: of more, the one that began first is broken off, for who takes
    an answer slowly holds one of the server's threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._under_way: list[socket.socket] = []

    def begin(self, environ: dict[str, Any]) -> Callable[[], None]:
        """Count the answer of this request; what is returned must be called at its end."""
        connection: socket.socket | None = environ.get("gunicorn.socket")
        if connection is None:
            return lambda: None
        with self._lock:
            if len(self._under_way) >= self._most:
                with suppress(OSError):  # it is closed already
                    self._under_way.pop(0).shutdown(socket.SHUT_RDWR)
            self._under_way.append(connection)
        return lambda: self._end(connection)

    def _end(self, connection: socket.socket) -> None:
        with self._lock, suppress(ValueError):  # broken off
            self._under_way.remove(connection)


def stop_reading(environ: dict[str, Any]) -> None:
    """Take nothing more of a client, as if it had hung up; it can still be answered.

    What it sends all the same Linux hands out nevertheless: a body's rest, which must not be read as the next request.
    So gunicorn is told that the body failed, and closes the connection after the answer.
    """
    connection: socket.socket | None = environ.get("gunicorn.socket")
    if connection is not None:
        environ["wsgi.input"].failed = True
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
