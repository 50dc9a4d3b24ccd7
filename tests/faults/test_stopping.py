"""The server is told to end, or one of its processes is killed, in the middle of work."""

from __future__ import annotations

import io
import json
import os
import signal
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
import requests

from scripts.box import Server
from tests.faults.talk import (
    NETWORK,
    SMALL,
    connected,
    cut_out,
    head,
    is_refused,
    method_of,
    metric,
    until,
    until_metric,
)
from tests.support import encoded, opened, picture

HOST_WAITS_S = 25
SLOW = {"format": "webp"}  # of many pixels it takes a second or more


@pytest.fixture(scope="module")
def large() -> bytes:
    """A photo that takes a while."""
    return encoded(picture(6000, 4000), "JPEG")


def test_told_to_end_the_server_answers_the_photo_at_work_one_in_the_queue_and_a_batch_and_closes_its_port(
    large: bytes, model_env: dict[str, str], tmp_path: Path
) -> None:
    with (
        Server(env={**model_env, "CONCURRENCY": "1"}, log=tmp_path / "log") as server,
        ThreadPoolExecutor(3) as clients,
    ):
        server.wait_for("/ready")
        at_work = clients.submit(cut_out, server, large, params=SLOW)
        until_metric(server, "tinycut_busy_slots", 1)
        queued = clients.submit(cut_out, server)
        until_metric(server, "tinycut_queue_depth", 1)
        files = [("file", (f"{number}.jpg", SMALL)) for number in range(3)]
        batch = clients.submit(requests.post, f"{server.url}/api/batch", files=files, timeout=60)
        until_metric(server, "tinycut_queue_depth", 2)
        server.terminate()
        told_s = time.monotonic()
        until(lambda: is_refused(server))
        assert not at_work.done(), "the port is closed while the photo is still at work"
        assert method_of(at_work.result()) == method_of(queued.result()) == NETWORK
        assert opened(at_work.result().content).size == (6000, 4000)
        assert batch.result().status_code == 200
        with zipfile.ZipFile(io.BytesIO(batch.result().content)) as archive:
            assert json.loads(archive.read("manifest.json"))["succeeded"] == 3
        assert server.stop() == 0
        assert time.monotonic() - told_s < HOST_WAITS_S
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_told_to_end_with_more_newcomers_than_it_has_files_the_server_answers_whom_it_has(tmp_path: Path) -> None:
    few_files = ("sh", "-c", 'ulimit -n 64 && exec "$@"', "sh")
    env = {"U2NET_HOME": str(tmp_path), "AUTO_DOWNLOAD": "0"}
    with Server(env=env, log=tmp_path / "log", within=few_files) as server, ExitStack() as newcomers:
        first = newcomers.enter_context(connected(server))
        first.sendall(head(len(SMALL)) + SMALL[:-1])
        until(lambda: metric(server, "tinycut_memory_held_bytes") > 0, limit_s=10)
        (worker,) = server.worker_pids()
        os.kill(worker, signal.SIGSTOP)
        for _ in range(100):
            newcomers.enter_context(connected(server))
        os.kill(worker, signal.SIGTERM)
        os.kill(worker, signal.SIGCONT)
        first.sendall(SMALL[-1:])
        assert first.recv(12) == b"HTTP/1.1 200"
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_told_to_end_while_the_model_is_still_being_loaded_the_server_ends_in_time(
    model_env: dict[str, str], tmp_path: Path
) -> None:
    with Server(env={**model_env, "MODEL_CACHE_DIR": str(tmp_path)}, log=tmp_path / "log") as server:
        assert requests.get(f"{server.url}/ready", timeout=5).status_code == 503
        server.terminate()
        told_s = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - told_s < HOST_WAITS_S
    assert not psutil.pid_exists(server.pid)


def test_a_worker_that_is_killed_loses_the_photo_at_work_and_the_next_one_is_answered(
    large: bytes, model_env: dict[str, str], tmp_path: Path
) -> None:
    with Server(env=model_env, log=tmp_path / "log") as server, ThreadPoolExecutor(1) as clients:
        server.wait_for("/ready")
        at_work = clients.submit(cut_out, server, large, params=SLOW)
        until_metric(server, "tinycut_busy_slots", 1)
        (worker,) = server.worker_pids()
        os.kill(worker, signal.SIGKILL)
        with pytest.raises(requests.ConnectionError):
            at_work.result()
        assert method_of(cut_out(server)) == NETWORK, "it waits for the next worker, and need not come back"
        assert server.worker_pids() not in ([], [worker])
        assert server.stop() == 0


def test_when_the_master_is_killed_its_worker_closes_the_port_and_ends(
    model_env: dict[str, str], tmp_path: Path
) -> None:
    with Server(env=model_env, log=tmp_path / "log") as server:
        (worker,) = map(psutil.Process, server.worker_pids())
        os.kill(server.pid, signal.SIGKILL)
        until(lambda: is_refused(server))
        worker.wait(timeout=HOST_WAITS_S)
