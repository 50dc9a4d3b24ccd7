"""What only a real gunicorn with real sockets shows: bodies that are refused, keep-alive, and a clean end."""

from __future__ import annotations

import http.client
import io
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from scripts.bad_input import BAD_UPLOADS
from scripts.box import MIB, Server
from tests.support import REPO, encoded, opened, page_file, picture

GOOD = encoded(picture())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real server by the Procfile, without the network: what is tested here comes before it."""
    folder = tmp_path_factory.mktemp("server")
    env = {"U2NET_HOME": str(folder), "AUTO_DOWNLOAD": "0", "MEMORY_LIMIT_MB": "512"}
    with Server(env=env, log=folder / "log") as server:
        server.wait_for("/ready")
        yield server


@pytest.mark.parametrize("case", BAD_UPLOADS)
@pytest.mark.parametrize("how", ["multipart", "raw"])
def test_bad_input_is_refused_costs_no_memory_and_the_next_request_works(server: Server, case: str, how: str) -> None:
    data, status = BAD_UPLOADS[case]
    url = f"{server.url}/api/remove-background"
    workers = server.worker_pids()
    with requests.Session() as session:
        with server.peak_growth_mb() as growth_mb:
            if how == "raw":
                answer = session.post(url, data=data, timeout=60)
            else:
                answer = session.post(url, files={"file": ("photo.jpg", data)}, timeout=60)
        assert growth_mb[0] < 30
        assert answer.status_code == status
        assert answer.json()["error"]["message"]
        assert session.post(url, files={"file": ("photo.png", GOOD)}, timeout=60).status_code == 200
    assert server.worker_pids() == workers


def test_a_body_of_unknown_length_is_read_and_too_long_a_one_is_refused(server: Server) -> None:
    url = f"{server.url}/api/remove-background"
    answer = requests.post(url, data=iter([GOOD[:50], GOOD[50:]]), timeout=60)
    assert answer.status_code == 200
    answer = requests.post(url, data=(bytes(MIB) for _ in range(12)), timeout=60)
    assert answer.status_code == 413


def test_a_photo_of_many_megabytes_under_the_limit_passes_as_a_form_and_raw(server: Server) -> None:
    noise = encoded(picture(1500, 1200).effect_spread(400), "PNG")
    assert len(noise) > MIB
    url = f"{server.url}/api/remove-background?on_unknown=pass"
    for how in ({"files": {"file": ("a.png", noise)}}, {"data": noise}):
        answer = requests.post(url, headers={"Accept": "image/*"}, timeout=60, **how)
        assert answer.status_code == 200
        assert opened(answer.content).size == (1500, 1200)


def test_refusals_on_other_paths_reach_a_client_that_is_still_sending(server: Server) -> None:
    for path, status in (("/api/nothing", 404), ("/health", 405)):
        answer = requests.post(server.url + path, data=io.BytesIO(bytes(8 * MIB)), timeout=60)
        assert answer.status_code == status


def raw_answer(server: Server, sent: bytes, *, wait_s: float = 60) -> bytes:
    """Send bytes as they are and return the first bytes of the answer."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=wait_s) as connection:
        connection.sendall(sent)
        return connection.recv(64)


def test_a_body_of_nonsense_chunks_is_the_clients_fault(server: Server) -> None:
    head = b"POST /api/remove-background HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert raw_answer(server, head + b"zz\r\nabc\r\n").startswith(b"HTTP/1.1 400")


def test_many_clients_that_never_finish_their_bodies_do_not_silence_health(server: Server) -> None:
    head = b"POST /api/remove-background HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf"
    unfinished = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(12)]
    try:
        for connection in unfinished:
            connection.sendall(head)
        assert requests.get(f"{server.url}/health", timeout=5).status_code == 200
    finally:
        for connection in unfinished:
            connection.close()


def test_a_refusal_does_not_wait_for_a_body_that_never_comes(server: Server) -> None:
    sent = b"POST /nothing HTTP/1.1\r\nHost: x\r\nAccept: */*\r\nContent-Length: 10\r\n\r\n"
    assert raw_answer(server, sent).startswith(b"HTTP/1.1 404")


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_the_pages_files_come_whole(server: Server, encoding: str) -> None:
    for name in ("style.css", "sample.jpg"):
        answer = requests.get(server.url + page_file(name), headers={"Accept-Encoding": encoding}, timeout=60)
        assert answer.content == (REPO / "app/static" / name).read_bytes()
        assert answer.headers.get("Content-Encoding", "identity") == (encoding if name == "style.css" else "identity")


def test_bodies_sent_to_any_path_are_given_back(server: Server) -> None:
    for path in (page_file("style.css"), "/", "/health"):
        for _ in range(45):  # of 9 MB each: one leaked holding in each round would fill the budget
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
            connection.putrequest("GET", path)
            connection.putheader("Content-Length", str(9 * MIB))
            connection.endheaders()
            assert connection.getresponse().status == 200
            connection.close()
        answer = requests.post(f"{server.url}/api/remove-background", data=GOOD, timeout=60)
        assert answer.status_code == 200, path


def test_many_clients_that_never_finish_their_headers_do_not_silence_health(server: Server) -> None:
    unfinished = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(40)]
    try:
        for connection in unfinished:
            connection.sendall(b"G")
        assert requests.get(f"{server.url}/health", timeout=30).status_code == 200
    finally:
        for connection in unfinished:
            connection.close()


def test_a_path_cannot_forge_a_line_of_the_log(server: Server) -> None:
    requests.get(f"{server.url}/%0aFAKE-LINE", timeout=5)
    assert server.log is not None
    assert not [line for line in server.log.read_text().splitlines() if line.startswith("FAKE-LINE")]


def test_with_json_every_line_is_an_object_and_none_quotes_what_a_client_sent(tmp_path: Path) -> None:
    env = {"U2NET_HOME": str(tmp_path), "AUTO_DOWNLOAD": "0", "LOG_FORMAT": "json"}
    with Server(env={**env, "GUNICORN_CMD_ARGS": "--access-logfile -"}, log=tmp_path / "log") as server:
        requests.post(f"{server.url}/api/remove-background?canary7", data=b"canary7", timeout=60)
        for sent in (b"canary7", b"GET /?canary7 HTTP/1.1\r\nHost: x\r\ncanary7 : 1", b"GET /?canary7 HTTP/canary7"):
            assert raw_answer(server, sent + b"\r\n\r\n").startswith(b"HTTP/1.1 400")
    lines = (tmp_path / "log").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert not [line for line in lines if "canary7" in line or str(tmp_path) in line]
    assert {"gunicorn.error", "gunicorn.access", "app.routes.request_log"} <= {record["logger"] for record in records}
    assert len([record for record in records if "could not be read" in record["message"]]) == 3
    assert [record["error"] for record in records if record.get("status") == 400] == ["unknown_field"]


def test_the_server_ends_cleanly_when_it_is_told_to(tmp_path: Path) -> None:
    env = {"U2NET_HOME": str(tmp_path), "AUTO_DOWNLOAD": "0"}
    with Server(env=env, log=tmp_path / "log") as server:
        assert server.stop() == 0
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_a_client_that_hangs_up_in_the_queue_loses_its_place_while_others_are_worked_on(tmp_path: Path) -> None:
    env = {"U2NET_HOME": str(tmp_path), "AUTO_DOWNLOAD": "0", "CONCURRENCY": "1", "QUEUE_SIZE": "1"}
    slow = encoded(picture(6000, 4000), "JPEG")  # a large WebP takes seconds
    with Server(env=env, log=tmp_path / "log") as server:
        server.wait_for("/ready")
        head = f"POST /api/remove-background?format=webp HTTP/1.1\r\nHost: x\r\nContent-Length: {len(slow)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", server.port)) as first:
            first.sendall(head.encode() + slow)
            wait_until(server, "tinycut_busy_slots", 1)
            with socket.create_connection(("127.0.0.1", server.port)) as second:
                second.sendall(head.encode() + slow)
                wait_until(server, "tinycut_queue_depth", 1)
                full = requests.post(f"{server.url}/api/remove-background", data=GOOD, timeout=60)
                assert (full.status_code, full.headers["Retry-After"]) == (429, "3")
            wait_until(server, "tinycut_queue_depth", 0)
            assert metric(server, "tinycut_busy_slots") == 1, "the first is still worked on"
            wait_until(server, 'tinycut_rejections_total{reason="client_closed_request"}', 1)
            answer = requests.post(f"{server.url}/api/remove-background", data=GOOD, timeout=60)
            assert answer.status_code == 200, "its place went to the next"


def metric(server: Server, name: str) -> float:
    lines = requests.get(f"{server.url}/metrics", timeout=5).text.splitlines()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} ")), 0)


def wait_until(server: Server, name: str, value: float) -> None:
    assert any(metric(server, name) == value for _ in range(2000)), f"{name} never became {value}"


def test_forty_clients_that_drip_their_bodies_leave_health_and_others_their_threads(tmp_path: Path) -> None:
    env = {"U2NET_HOME": str(tmp_path), "AUTO_DOWNLOAD": "0", "CONCURRENCY": "1"}
    head = b"POST /api/remove-background HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\nx"
    with Server(env=env, log=tmp_path / "log") as server:
        server.wait_for("/ready")
        with ExitStack() as stack:
            for _ in range(40):
                slow = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
                slow.sendall(head)
            for _ in range(20):
                assert requests.get(f"{server.url}/health", timeout=5).status_code == 200
            refused = requests.post(f"{server.url}/api/remove-background", data=GOOD, timeout=5)
            assert (refused.status_code, refused.json()["error"]["code"]) == (429, "busy")
        wait_until(server, "tinycut_memory_held_bytes", 0)
        assert requests.post(f"{server.url}/api/remove-background", data=GOOD, timeout=60).status_code == 200
