"""An internet on loopback: a resolver and a connector that know a few hosts, and a server that answers any bytes.

Nothing here sends a packet off the machine, whether what is tested has a guard or not: names are looked up in a dict,
numbers as the system reads them, and an address that is not one of the fakes is an AssertionError, never a connection.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PUBLIC = "93.184.216.34"
PUBLIC_V6 = "2606:2800:220:1:248:1893:25c8:1946"


class FakeServer(ThreadingHTTPServer):
    """A server that answers each path with the bytes of an iterator, status line and all; 404 for other paths."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.answers: dict[str, Callable[[], Iterable[bytes]]] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.sent_bytes = 0
        self.stopped = threading.Event()

    def answer(self, path: str, *pieces: bytes) -> None:
        """Answer a path with these bytes."""
        self.answers[path] = lambda: pieces

    def trickle(self, piece: bytes) -> Iterator[bytes]:
        """The same few bytes again and again, slowly, until the client or the test has enough."""
        for _ in range(1000):
            if self.stopped.wait(0.01):
                return
            yield piece


class _Handler(BaseHTTPRequestHandler):
    server: FakeServer
    timeout = 10

    def do_GET(self) -> None:
        self.server.requests.append((self.path, dict(self.headers)))
        self.close_connection = True
        try:
            for piece in self.server.answers.get(self.path, lambda: [page(b"", "404 Not Found")])():
                self.wfile.write(piece)
                self.server.sent_bytes += len(piece)
        except OSError:
            pass  # the client hung up, as it may

    def log_message(self, *_message: object) -> None:
        pass


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[FakeServer]:
    """A server on loopback that runs until the block ends."""
    with FakeServer(tls) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.stopped.set()
            server.shutdown()
            thread.join()


class FakeInternet:
    """What is known of hosts, and what was asked: `names` → addresses, `doors` (address, port) → a port of loopback."""

    def __init__(self) -> None:
        self.names: dict[str, list[str]] = {"photos.example": [PUBLIC]}
        self.doors: dict[tuple[str, int], int] = {}
        self.faults: dict[str, OSError] = {}
        self.looked_up: list[str] = []
        self.dialled: list[tuple[str, int]] = []
        self.limits_s: list[float] = []

    def resolve(self, host: str, port: int) -> list[str]:
        """Addresses of a name that is known, or of a number in any of the system's spellings."""
        self.looked_up.append(host)
        if host in self.names:
            return self.names[host]
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        return [str(address[0]) for *_, address in found]

    def connect(self, address: tuple[str, int], timeout_s: float) -> socket.socket:
        """Connect to the server on loopback that stands for this address."""
        self.dialled.append(address)
        self.limits_s.append(timeout_s)
        if address[0] in self.faults:
            raise self.faults[address[0]]
        assert address in self.doors, f"a packet would have gone to {address}"
        return socket.create_connection(("127.0.0.1", self.doors[address]), timeout_s)


def page(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """A whole answer of HTTP/1.1 with its Content-Length."""
    return head(status, f"Content-Length: {len(body)}", *headers) + body


def redirect(location: str, status: str = "302 Found") -> bytes:
    """An answer that leads elsewhere; the location goes out as UTF-8."""
    return head(status, f"Location: {location}", "Content-Length: 0")


def head(status: str = "200 OK", *headers: str) -> bytes:
    """The status line and the headers of an answer."""
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode()
