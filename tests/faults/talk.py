"""What the tests of faults say to a server, and what they wait for."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import requests

from scripts.box import Server
from tests.support import encoded, picture

PATH = "/api/remove-background"
SMALL = encoded(picture(320, 240), "JPEG")
NETWORK, SHIPPED, OPENCV = "tiny_u2net", "tinycut", "opencv"


def cut_out(server: Server, photo: bytes = SMALL, **how: object) -> requests.Response:
    """Send a photo; the answer is its picture or an error in JSON."""
    return requests.post(f"{server.url}{PATH}", data=photo, headers={"Accept": "image/*"}, timeout=60, **how)


def method_of(answer: requests.Response) -> str:
    """What cut out a photo that was answered with its picture."""
    assert answer.status_code == 200, answer.text
    return answer.headers["X-Method"]


def head(size_bytes: int, path: str = PATH) -> bytes:
    """The head of a request with a body of so many bytes."""
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nAccept: image/*\r\nContent-Length: {size_bytes}\r\n\r\n".encode()


def connected(server: Server) -> socket.socket:
    """A connection to the server, for bytes as they are."""
    return socket.create_connection(("127.0.0.1", server.port), timeout=60)


def metric(server: Server, name: str) -> float:
    """The value of a metric now; 0 of one that was never counted."""
    lines = requests.get(f"{server.url}/metrics", timeout=30).text.splitlines()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} ")), 0)


def until(condition: Callable[[], bool], *, limit_s: float = 40) -> None:
    """Wait for something to come true."""
    ends_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < ends_s, "it never came true"
        time.sleep(0.02)


def until_metric(server: Server, name: str, value: float) -> None:
    """Wait until a metric has a value."""
    until(lambda: metric(server, name) == value)


def is_refused(server: Server) -> bool:
    """Whether the port is closed."""
    try:
        connected(server).close()
    except ConnectionRefusedError:
        return True
    return False
