"""Clients that are slow, silent or gone: others are served, and what they held is given back."""

from __future__ import annotations

import resource
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from http.client import HTTPResponse
from pathlib import Path

import pytest
import requests

from app.config import SLOW_BODIES
from app.worker import HEAD_LIMIT_S, MOST_HEAD_BYTES
from scripts.box import Server
from tests.faults.talk import NETWORK, PATH, SMALL, connected, cut_out, head, method_of, metric, until, until_metric
from tests.support import encoded, picture

IDLE = 1000
MANY = 150  # more than the server has threads
NOISE = encoded(picture(2400, 1600).effect_spread(300), "JPEG", quality=80)


@pytest.fixture(scope="module")
def server(model_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A small server with the real network, for all these clients."""
    env = {**model_env, "MEMORY_LIMIT_MB": "512"}
    with Server(env=env, log=tmp_path_factory.mktemp("server") / "log") as server:
        server.wait_for("/ready")
        yield server


@pytest.fixture
def clients() -> Iterator[ExitStack]:
    """What closes the connections of a test at its end."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture(autouse=True)
def everything_is_given_back(server: Server) -> Iterator[None]:
    """After each test the slots, the queue and the memory are free, and it is the same worker."""
    workers = server.worker_pids()
    yield
    for name in ("tinycut_busy_slots", "tinycut_queue_depth", "tinycut_memory_held_bytes"):
        until_metric(server, name, 0)
    assert server.worker_pids() == workers


def others_are_served(server: Server) -> None:
    """Everybody else gets an answer: the machines that ask for /health do not wait long for it."""
    for _ in range(3):
        assert requests.get(f"{server.url}/health", timeout=5).status_code == 200
    assert method_of(cut_out(server)) == NETWORK


def answered(waiting: list[socket.socket]) -> list[socket.socket]:
    """Those of the connections on which something has come."""
    return select.select(waiting, [], [], 0)[0]


def test_a_thousand_idle_connections_keep_nobody_out(server: Server, clients: ExitStack) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 2 * IDLE)), hard))
    clients.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
    for _ in range(IDLE):
        clients.enter_context(connected(server))
    others_are_served(server)


def test_clients_that_send_their_heads_a_byte_at_a_time_keep_nobody_out(server: Server, clients: ExitStack) -> None:
    slow = [clients.enter_context(connected(server)) for _ in range(MANY)]
    for letter in (b"G", b"E", b"T"):
        for connection in slow:
            connection.sendall(letter)
    others_are_served(server)


def test_a_client_whose_head_does_not_end_is_told_that_its_time_is_over(clients: ExitStack, tmp_path: Path) -> None:
    (tmp_path / "head_limit_s").write_text("1")
    env = {"U2NET_HOME": str(tmp_path), "AUTO_DOWNLOAD": "0", "FAULTS": str(tmp_path)}
    with Server(env=env, app="tests.faults.broken:app") as server:
        slow = clients.enter_context(connected(server))
        slow.sendall(b"GET / HTTP/1.1\r\n")
        assert b"".join(iter(partial(slow.recv, 1000), b"")).startswith(b"HTTP/1.1 408")


def test_a_head_that_comes_in_pieces_is_answered_and_so_is_the_next_one(server: Server, clients: ExitStack) -> None:
    connection = clients.enter_context(connected(server))
    for _ in range(2):
        for letter in b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n":
            connection.sendall(bytes([letter]))
        with HTTPResponse(connection) as answer:
            answer.begin()
            assert answer.status == 200
            assert answer.read()


HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    "pieces", [(HEALTH + HEALTH,), (HEALTH + HEALTH[:10], HEALTH[10:])], ids=["at once", "with half of the second"]
)
def test_requests_that_are_sent_before_the_first_is_answered_are_all_answered(
    pieces: tuple[bytes, ...], server: Server, clients: ExitStack
) -> None:
    connection = clients.enter_context(connected(server))
    connection.settimeout(HEAD_LIMIT_S / 2)
    received = b""
    for number, piece in enumerate(pieces, start=1):
        connection.sendall(piece)
        wanted = 2 if number == len(pieces) else 1
        while received.count(b"HTTP/1.1 200") < wanted:
            more = connection.recv(1000)
            assert more, received
            received += more


def test_a_head_without_an_end_is_refused(server: Server, clients: ExitStack) -> None:
    for _ in range(10):  # a connection that is reset loses its answer now and then
        connection = clients.enter_context(connected(server))
        connection.sendall(b"GET / HTTP/1.1\r\n" + b"a" * MOST_HEAD_BYTES)
        answer = b"".join(iter(partial(connection.recv, 1000), b""))
        assert answer.startswith(b"HTTP/1.1 431")
    others_are_served(server)


def test_clients_that_send_their_photos_a_byte_at_a_time_keep_nobody_out(server: Server, clients: ExitStack) -> None:
    few = [clients.enter_context(connected(server)) for _ in range(SLOW_BODIES)]
    for piece in (head(len(SMALL)), *[b"\xff"] * 5):
        for connection in few:
            connection.sendall(piece)
    others_are_served(server)
    many = [clients.enter_context(connected(server)) for _ in range(MANY)]
    for connection in many:
        connection.sendall(head(len(SMALL)) + b"\xff")
    until(lambda: len(answered(many)) > MANY / 2)
    assert {connection.recv(12) for connection in answered(many)} == {b"HTTP/1.1 429"}, "there are no more places"
    assert requests.get(f"{server.url}/health", timeout=5).status_code == 200
    for connection in few:
        connection.sendall(b"\xff")
    assert answered(few) == [], "they have their time"
    clients.close()
    until_metric(server, "tinycut_memory_held_bytes", 0)
    others_are_served(server)


def test_what_is_announced_but_does_not_come_takes_no_memory_from_others(server: Server, clients: ExitStack) -> None:
    for size_bytes in (*[16_000_000] * 6, *[9_000_000, 3_000_000, 1_000_000] * 3):
        is_text = size_bytes > 10_000_000  # which takes several times its size
        announced = head(size_bytes).replace(b"Accept", b"Content-Type: application/json\r\nAccept", is_text)
        clients.enter_context(connected(server)).sendall(announced + b"{")
    others_are_served(server)


def test_clients_that_hang_up_in_the_middle_of_a_photo_leave_nothing_behind(server: Server, clients: ExitStack) -> None:
    for _ in range(30):
        with connected(server) as connection:
            connection.sendall(head(len(SMALL)) + SMALL[: len(SMALL) // 2])
    others_are_served(server)


def slow_to_take(server: Server, clients: ExitStack) -> socket.socket:
    """A client that has asked for a picture of megabytes and has room for little of it."""
    connection = clients.enter_context(socket.socket())
    connection.settimeout(15)  # others wait no longer for the first byte of theirs
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2000)
    connection.connect(("127.0.0.1", server.port))
    connection.sendall(head(len(NOISE), f"{PATH}?output=photo&format=png") + NOISE)
    assert len(connection.recv(1)) == 1
    return connection


def test_a_client_that_takes_its_picture_a_byte_at_a_time_keeps_its_memory_counted_and_hanging_up_gives_it_back(
    server: Server, clients: ExitStack
) -> None:
    connection = slow_to_take(server, clients)
    for _ in range(20):
        assert len(connection.recv(1)) == 1
    until_metric(server, "tinycut_busy_slots", 0)
    assert metric(server, "tinycut_memory_held_bytes") > len(NOISE)
    others_are_served(server)


def test_more_such_clients_than_there_are_threads_keep_nobody_out(
    clients: ExitStack, model_env: dict[str, str], tmp_path: Path
) -> None:
    kept = {"RESULT_CACHE_MB": "100", "RESULT_CACHE_DIR": str(tmp_path / "cache")}
    with Server(env={**model_env, **kept}, log=tmp_path / "log") as server:
        for _ in range(MANY):
            connection = slow_to_take(server, clients)
        others_are_served(server)
        assert len(connection.recv(1)) == 1
        clients.close()
        until_metric(server, "tinycut_memory_held_bytes", 0)


def test_clients_that_never_close_their_ended_connections_keep_nobody_out(server: Server, clients: ExitStack) -> None:
    for _ in range(MANY):
        connection = clients.enter_context(connected(server))
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    others_are_served(server)
    assert connection.recv(12) == b"HTTP/1.1 200"


def test_clients_that_fall_silent_after_an_answer_keep_nobody_out(server: Server, clients: ExitStack) -> None:
    silent = []
    for _ in range(MANY):
        connection = clients.enter_context(connected(server))
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        silent.append(connection)
    until(lambda: all(connection.recv(12) == b"HTTP/1.1 200" for connection in silent[:1]))
    others_are_served(server)
