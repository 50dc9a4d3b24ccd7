"""The machine changes under the server: its clock, its memory, its processors."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from scripts import load
from scripts.box import MIB, BoxUnavailable, Server, boxed_server
from tests.faults.talk import NETWORK, OPENCV, SHIPPED, cut_out, method_of, metric, until_metric
from tests.support import encoded, picture

A_DAY_S = 24 * 3600


@pytest.fixture
def faults(tmp_path: Path) -> Path:
    """The folder of faults that tests.faults.broken looks into."""
    folder = tmp_path / "faults"
    folder.mkdir()
    return folder


@pytest.fixture
def server(faults: Path, model_env: dict[str, str]) -> Iterator[Server]:
    """A server with the real network that can be broken."""
    env = {**model_env, "FAULTS": str(faults), "RATE_LIMIT": "12/minute"}
    with Server(env=env, log=faults / "log", app="tests.faults.broken:app") as server:
        server.wait_for("/ready")
        yield server


def ready(server: Server) -> dict[str, object]:
    return requests.get(f"{server.url}/ready", timeout=5).json()


def test_onnxruntime_fails_once_always_and_no_more(server: Server, faults: Path) -> None:
    assert method_of(cut_out(server)) == NETWORK
    (faults / "onnxruntime").write_text("1")
    assert [method_of(cut_out(server)) for _ in range(2)] == [SHIPPED, NETWORK], "once"
    (faults / "onnxruntime").write_text("1000")
    assert [method_of(cut_out(server)) for _ in range(3)] == [OPENCV] * 3, "always"
    assert ready(server)["method"] == OPENCV
    assert metric(server, "tinycut_fallbacks_total") >= 3
    (faults / "onnxruntime").write_text("0")
    assert method_of(cut_out(server)) == NETWORK
    assert ready(server)["method"] == NETWORK
    lines = (faults / "log").read_text().splitlines()
    told = [line.partition(" photos are ")[2] for line in lines if "onnxruntime failed; it is tried again" in line]
    assert [words.partition(".")[0] for words in told] == [
        "cut out by tinycut, for u2netp cannot be had",
        "cut out by opencv, for tinycut cannot be had",
    ], "not each time, within a minute"
    assert not [line for line in lines if "a fault of the test" in line]


def test_a_clock_that_jumps_changes_no_answer_and_sends_nobody_away_for_long(server: Server, faults: Path) -> None:
    for shift_s in (A_DAY_S, -A_DAY_S, 0):
        (faults / "clock_s").write_text(str(shift_s))
        answer = cut_out(server)
        assert method_of(answer) == NETWORK
        assert metric(server, "tinycut_busy_slots") == metric(server, "tinycut_queue_depth") == 0
    (faults / "clock_s").write_text(str(-A_DAY_S))
    statuses = []
    while 429 not in statuses and len(statuses) < 30:
        answer = cut_out(server)
        statuses.append(answer.status_code)
    assert statuses[-1] == 429
    (faults / "clock_s").write_text(str(-2 * A_DAY_S))
    answer = cut_out(server)
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 60, "no longer than the rate's own minute"


def test_a_memory_limit_that_is_lowered_and_raised_again_is_kept_to_without_a_kill(
    model_env: dict[str, str], tmp_path: Path
) -> None:
    photo = encoded(picture(5600, 3750), "JPEG", quality=90)
    try:
        with boxed_server(512, env=model_env, log=tmp_path / "log") as (box, server):
            server.wait_for("/ready")
            workers = server.worker_pids()
            found = []
            for limit_mb in (512, 230, 512):
                box.change_limit(limit_mb)
                until_metric(server, "tinycut_memory_limit_bytes", limit_mb * MIB)
                answer = cut_out(server, photo)
                assert method_of(answer) == NETWORK
                assert method_of(cut_out(server)) == NETWORK
                found.append(answer.headers["X-Resized"])
            assert found == ["false", "true", "false"]
            assert (box.kills, server.worker_pids()) == (0, workers)
    except BoxUnavailable as fault:
        pytest.skip(f"SKIPPED: a lowered memory limit was not tested, for {fault}")


@pytest.mark.alone
def test_with_every_processor_taken_by_others_photos_are_answered_or_refused_in_time_and_health_answers(
    data_dir: Path, model_env: dict[str, str], tmp_path: Path
) -> None:
    busy = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3 * len(os.sched_getaffinity(0)))
    ]
    try:
        with Server(env=model_env, log=tmp_path / "log") as server:
            server.wait_for("/ready")
            found = load.crowd(server, load.author_photos(), clients=4, seconds=3, comes_back=False)
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert found.tally.broken == []
    assert set(found.tally.statuses) <= {200, 429, 503}
    assert found.tally.statuses[200] > 0
    assert found.health_s, "every one of them was a 200"
