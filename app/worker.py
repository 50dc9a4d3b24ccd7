"""gunicorn's worker of threads, in which no client holds a thread before all of its request's head is there.

gunicorn's own gives each connection a thread at once, and waits in its main loop for clients to hang up. Here what
waits for a client waits beside the loop, for a time, and gives way to newcomers where there are too many.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ
from typing import Any

from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, TConn, ThreadWorker

HEAD_LIMIT_S = 10.0
MOST_HEAD_BYTES = 64 * 1024
_HEAD_LIMIT = struct.pack("ll", int(HEAD_LIMIT_S), 0)
# A worker that is told to end has 25 seconds (gunicorn.conf.py), in which the answers must be sent as well.
BATCHES_GO_ON_S, PHOTOS_GO_ON_S = 12.0, 22.0
# For so long a client may still send after its last answer: it would lose the answer if the connection were reset.
_LINGER_S = 2.0


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """See above; whom a thread serves is in gunicorn's hands again."""

    def __init__(self, *words: Any, **how: Any) -> None:
        super().__init__(*words, **how)
        self._waiting: dict[TConn, float] = {}  # → when it is given up; the one that came first is the first

    def set_accept_enabled(self, enabled: bool) -> None:
        """Also close the port once the worker is to end: whoever connects is then refused, not left waiting."""
        super().set_accept_enabled(enabled)
        if not enabled and not self.alive:
            service = self.wsgi.extensions["tinycut"]
            service.end(batches_go_on_s=BATCHES_GO_ON_S, photos_go_on_s=PHOTOS_GO_ON_S)
            for listener in self.sockets:
                self._accept_all(listener)
                listener.close()

    def is_parent_alive(self) -> bool:
        """Whether gunicorn's master still runs; without it this worker is to end, and says so to all who ask it."""
        if super().is_parent_alive():
            return True
        self.alive = False
        return False

    def _accept_all(self, listener: Any) -> None:
        """Take the connections that the system has made already, as far as there is room: closing the port would break
        them."""
        before = -1
        while listener.sock is not None and before < self.nr_conns < self.worker_connections:
            before = self.nr_conns
            self.accept(listener)

    def enqueue_req(self, conn: TConn) -> None:
        """Hand a connection to a thread, now or when the head of its request is whole."""
        if self.cfg.is_ssl or self._is_head_whole(conn):
            self._hand_over(conn)
        else:
            self._wait(conn, self._on_head, HEAD_LIMIT_S)

    def finish_request(self, conn: TConn, done: Future[Any]) -> None:
        """Keep a connection for its next request, or let its client close it first."""
        if done.cancelled() or done.exception() or done.result() is not False:
            super().finish_request(conn, done)
            return
        self._let_client_close(conn)

    def murder_pending(self) -> None:
        """Give up those who waited too long, and the first of those who wait where nobody else could come in."""
        super().murder_pending()
        now_s = time.monotonic()
        for conn in [conn for conn, ends_s in self._waiting.items() if ends_s <= now_s]:
            self._give_up(conn)
        while self._waiting and self.nr_conns >= self.worker_connections:
            self._close(next(iter(self._waiting)))

    def _cap_keepalive(self, deadline: float) -> None:
        super()._cap_keepalive(deadline)
        self._waiting = {conn: min(ends_s, deadline) for conn, ends_s in self._waiting.items()}

    def _wait(self, conn: TConn, on_readable: Callable[..., None], limit_s: float) -> None:
        conn.sock.setblocking(False)
        limit_s = limit_s if self.alive else min(limit_s, STOP_KEEPALIVE_LINGER)
        self._waiting[conn] = time.monotonic() + limit_s
        self.poller.register(conn.sock, EVENT_READ, partial(on_readable, conn))

    def _wait_no_longer(self, conn: TConn) -> None:
        del self._waiting[conn]
        self.poller.unregister(conn.sock)

    def _is_head_whole(self, conn: TConn) -> bool:
        """Whether a thread can read the head of the next request without waiting, or find that there is none."""
        conn.sock.setblocking(False)
        # gunicorn may have read it already, with the request before it.
        buffered = conn.parser.unreader.buf.getvalue() if conn.parser else b""
        if b"\r\n\r\n" in buffered:
            return True
        try:
            come = conn.sock.recv(MOST_HEAD_BYTES, socket.MSG_PEEK)
            wanted = conn.sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT)
            if len(come) < wanted or b"\r\n\r\n" in buffered + come:  # fewer: the client has hung up
                return True
            # What was looked at is still there: be woken up by more only.
            conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, len(come) + 1)
        except BlockingIOError:
            return False
        except OSError:  # reset
            return True
        return False

    def _on_head(self, conn: TConn, _socket: socket.socket) -> None:
        if conn.sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) > MOST_HEAD_BYTES:
            self._refuse(conn, b"431 Request Header Fields Too Large")
        elif self._is_head_whole(conn):
            self._wait_no_longer(conn)
            self._hand_over(conn)

    def _hand_over(self, conn: TConn) -> None:
        with suppress(OSError):
            conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
            # For TLS, and systems that do not know of the other: no read of gunicorn's own waits for ever.
            conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _HEAD_LIMIT)
        conn.data_ready = True
        super().enqueue_req(conn)

    def _on_rest(self, conn: TConn, _socket: socket.socket) -> None:
        try:
            size_bytes = len(conn.sock.recv(MOST_HEAD_BYTES))
        except BlockingIOError:
            return
        except OSError:
            size_bytes = 0
        # Who sends on and on is reset by what is left unread; emptied buffers would leave it waiting (Linux).
        if not 0 < size_bytes < MOST_HEAD_BYTES:
            self._close(conn)

    def _give_up(self, conn: TConn) -> None:
        if conn.sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) > 1:  # a part of a head came
            self._refuse(conn, b"408 Request Timeout")
        else:
            self._close(conn)

    def _refuse(self, conn: TConn, status: bytes) -> None:
        self._wait_no_longer(conn)
        with suppress(OSError):
            conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
            conn.sock.recv(2 * MOST_HEAD_BYTES)  # what is left unread resets the connection when it is closed
            conn.sock.send(b"HTTP/1.1 " + status + b"\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        self._let_client_close(conn)

    def _let_client_close(self, conn: TConn) -> None:
        try:
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:  # the client has closed it already
            self._drop(conn)
        else:
            self._wait(conn, self._on_rest, _LINGER_S)

    def _close(self, conn: TConn) -> None:
        self._wait_no_longer(conn)
        self._drop(conn)

    def _drop(self, conn: TConn) -> None:
        self.nr_conns -= 1
        conn.close()
