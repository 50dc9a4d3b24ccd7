"""The promise: a hard memory limit, the server by its Procfile, real photos, the real network, no kill."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scripts import load
from scripts.box import Box, BoxUnavailable, Server, boxed_server

REQUIRE_BOX = "TINYCUT_REQUIRE_MODEL"


@contextmanager
def server_in(limit_mb: int, env: dict[str, str], log: Path) -> Iterator[tuple[Box, Server]]:
    """A ready server in a box, or a skip said aloud where no cgroup may be made."""
    try:
        with boxed_server(limit_mb, env=env, log=log) as (box, server):
            server.wait_for("/ready")
            yield box, server
    except BoxUnavailable as fault:
        pytest.skip(f"SKIPPED: the memory promise was not tested, for {fault}")


@pytest.fixture
def photos(data_dir: Path) -> list[Path]:
    """The author's 18 photos, 290 px to 3000×2000."""
    return load.author_photos()


def test_200_photos_of_4_clients_pass_in_512_mb_and_memory_stays_level(
    photos: list[Path], model_env: dict[str, str], tmp_path: Path
) -> None:
    with server_in(512, model_env, tmp_path / "log") as (box, server):
        workers = server.worker_pids()
        (first, after_tenth_mb), (rest, after_last_mb) = load.levels(server, photos, count=200, clients=4)
        assert box.kills == 0
        assert first.broken + rest.broken == []
        assert first.statuses + rest.statuses == {200: 200}
        assert first.methods + rest.methods == {"tiny_u2net": 200}
        assert abs(after_last_mb - after_tenth_mb) < 20
        assert server.worker_pids() == workers, "no worker died or was replaced meanwhile"


def test_every_photo_passes_one_at_a_time_in_400_mb(
    photos: list[Path], model_env: dict[str, str], tmp_path: Path
) -> None:
    with server_in(400, model_env, tmp_path / "log") as (box, server):
        tally = load.send(server, photos, count=len(photos), clients=1)
        assert box.kills == 0
        assert tally.methods == {"tiny_u2net": len(photos)}


def test_in_128_mb_opencv_serves_instead_of_a_kill(
    photos: list[Path], model_env: dict[str, str], tmp_path: Path
) -> None:
    small = [photo for photo in photos if photo.stat().st_size < 100_000]
    with server_in(128, model_env, tmp_path / "log") as (box, server):
        tally = load.send(server, small, count=len(small), clients=1)
        assert box.kills == 0
        assert tally.methods == {"opencv": len(small)}


@pytest.mark.skipif(REQUIRE_BOX not in os.environ, reason="only where the real parts are required")
def test_a_box_can_be_made_where_the_real_parts_are_required() -> None:
    with Box(64) as box:
        assert box.kills == 0
