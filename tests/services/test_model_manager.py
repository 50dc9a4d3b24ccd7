"""Which model is served, and its one session."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.config import Settings
from app.errors import BadRequest, ModelUnavailable
from app.hosting import Host
from app.services import model_files, model_rewrites
from app.services.model_manager import ModelManager
from app.services.quality import TIERS

REPO = Path(__file__).resolve().parents[2]
# With room for what the process of all these tests holds.
SMALL = Host("local", 8192, "a test", 2, True, "the memory limit is 512 MB")
TINY = Host("local", 64, "a test", 2, True, "the memory limit is 64 MB")
BIG = Host("local", 16384, "a test", 2, False, "")
NOISE = np.random.default_rng(1).integers(0, 256, (50, 70, 3), np.uint8)
# A red disc on green.
PHOTO = np.full((240, 336, 3), (60, 140, 70), np.uint8)
PHOTO[np.hypot(*(np.indices((240, 336)) - np.array([120, 168])[:, None, None])) < 70] = (210, 40, 30)


@pytest.fixture
def settings(model_env: dict[str, str]) -> Settings:
    """Settings with the real model."""
    return Settings(u2net_home=model_env["U2NET_HOME"], model_checksum_disabled=True, auto_download=False)


@pytest.fixture
def empty(tmp_path: Path) -> Settings:
    """Settings without any model."""
    return Settings(u2net_home=str(tmp_path), auto_download=False)


def test_a_constrained_host_serves_u2netp_whatever_is_asked_and_says_so_once(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    manager = ModelManager(settings, SMALL)
    with caplog.at_level(logging.WARNING):
        session = manager.get_session("u2net")
        assert manager.get_session("isnet-general-use") is session
        assert manager.get_session("u2net") is session
        assert manager.get_session() is session
    assert session.name == "u2netp"
    assert manager.loaded_models() == ["u2netp"]
    lines = [record.getMessage() for record in caplog.records if "u2netp is served to all" in record.getMessage()]
    assert len(lines) == 1
    assert "the memory limit is 512 MB" in lines[0]


def test_the_real_network_gives_a_map_from_zero_to_one(settings: Settings) -> None:
    saliency = ModelManager(settings, SMALL).get_session().infer(PHOTO, resize="static")
    assert saliency.shape == (320, 320)
    assert saliency.dtype == np.float32
    assert saliency.min() == 0
    assert saliency.max() == pytest.approx(1)


def test_the_network_is_shown_the_photo_with_its_aspect_and_less_of_it_by_a_faster_tier(settings: Settings) -> None:
    session = ModelManager(settings, SMALL).get_session()
    wide = np.ascontiguousarray(np.broadcast_to(NOISE[:, :1], (50, 100, 3)))
    assert session.infer(wide).shape == (224, 448)
    faster = replace(TIERS["fast"], closer_area_px=0)
    assert session.infer(wide, tier=faster).shape == (160, 320)
    assert session.infer(wide, resize="static", tier=faster).shape == (224, 224)


def test_the_best_tier_looks_a_second_time_where_the_subject_is_small(settings: Settings) -> None:
    session = ModelManager(settings, SMALL).get_session()
    photo = np.full((600, 900, 3), (90, 120, 60), np.uint8)
    rows, columns = np.indices((600, 900))
    photo[np.hypot(rows - 300, columns - 250) < 70] = (230, 40, 30)
    found = session.infer(photo, tier=TIERS["best"])
    assert found.shape == (600, 900)
    assert found[300, 250] > 0.8
    assert found[:, 500:].max() < 0.3
    assert session.infer(photo).shape == (256, 384)


@pytest.mark.parametrize("size", [(1, 1), (31, 31), (40, 5000), (5000, 40)])
def test_no_photo_is_too_small_or_too_long_for_the_network(settings: Settings, size: tuple[int, int]) -> None:
    saliency = ModelManager(settings, SMALL).get_session().infer(np.full((*size, 3), 99, np.uint8))
    assert np.isfinite(saliency).all()
    assert saliency.size <= 320 * 320 * 1.2


def test_many_threads_get_one_session_and_the_same_result(settings: Settings) -> None:
    manager = ModelManager(settings, BIG)
    sessions: list[object] = []
    maps: list[np.ndarray] = []

    def work() -> None:
        session = manager.get_session()
        sessions.append(session)
        maps.append(session.infer(PHOTO))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(set(map(id, sessions))) == 1
    assert all(np.array_equal(maps[0], one) for one in maps)


def test_after_a_fork_the_child_makes_its_own_session(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = ModelManager(settings, SMALL)
    parents = manager.get_session()
    another = os.getppid()
    monkeypatch.setattr(os, "getpid", lambda: another)
    assert manager.get_session() is not parents


def test_without_a_file_the_network_is_unavailable_and_the_log_learns_where_it_was_looked_for(empty: Settings) -> None:
    with pytest.raises(ModelUnavailable) as caught:
        ModelManager(empty, SMALL).get_session()
    assert "u2netp.onnx" in caught.value.detail
    assert empty.u2net_home in caught.value.detail


def test_an_altered_file_is_refused_when_it_may_not_be_downloaded(empty: Settings, settings: Settings) -> None:
    source = model_files.find_model("u2netp", settings)
    assert source is not None
    (Path(empty.u2net_home) / "u2netp.onnx").write_bytes(source.read_bytes()[:-1000])
    with pytest.raises(ModelUnavailable, match="expected sha256"):
        ModelManager(empty, SMALL).get_session()


def test_a_damaged_file_whose_checksum_nobody_asked_for_is_unavailable_not_a_crash(tmp_path: Path) -> None:
    (tmp_path / "u2netp.onnx").write_bytes(b"damaged" * 100)
    unchecked = Settings(u2net_home=str(tmp_path), model_checksum_disabled=True, auto_download=False)
    with pytest.raises(ModelUnavailable, match="onnxruntime cannot load"):
        ModelManager(unchecked, SMALL).get_session()


def test_a_damaged_rewritten_file_is_made_anew(tmp_path: Path, settings: Settings) -> None:
    source = model_files.find_model("u2netp", settings)
    assert source is not None
    shutil.copy(source, tmp_path / "u2netp.onnx")
    copied = Settings(u2net_home=str(tmp_path), model_checksum_disabled=True, auto_download=False)
    rewrites = model_rewrites.find(tmp_path / "u2netp.onnx", copied)
    rewrites.float_path.write_bytes(b"damaged")
    rewrites.int8_path.write_bytes(b"damaged")
    assert ModelManager(copied, BIG).get_session().infer(PHOTO).max() == pytest.approx(1)
    assert rewrites.float_path.stat().st_size > 4_000_000
    assert rewrites.int8_path.stat().st_size > 1_000_000


def test_a_damaged_8_bit_file_that_was_never_tried_is_made_anew(
    tmp_path: Path, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    source = model_files.find_model("u2netp", settings)
    assert source is not None
    shutil.copy(source, tmp_path / "u2netp.onnx")
    copied = Settings(u2net_home=str(tmp_path), model_checksum_disabled=True, auto_download=False)
    rewrites = model_rewrites.make(tmp_path / "u2netp.onnx", copied)
    assert rewrites is not None
    rewrites.int8_path.write_bytes(b"damaged")
    assert ModelManager(copied, BIG).get_session().infer(PHOTO).max() == pytest.approx(1)
    assert "could not be tried" in caplog.text
    assert rewrites.int8_path.stat().st_size > 1_000_000
    assert rewrites.choice_path.is_file()


def test_too_little_memory_is_told_before_it_is_tried(settings: Settings) -> None:
    session = ModelManager(settings, TINY).get_session()
    with pytest.raises(ModelUnavailable, match="are left of the 64 MB limit"):
        session.infer(PHOTO)


def test_onnxruntime_missing_is_unavailable_not_a_crash(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelUnavailable, match="onnxruntime cannot be imported"):
        ModelManager(settings, SMALL).get_session()


def test_a_failure_is_remembered_until_memory_is_cleared(empty: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []
    manager = ModelManager(empty, SMALL)
    find = model_files.find_model
    with pytest.raises(ModelUnavailable):
        manager.get_session()
    monkeypatch.setattr(manager, "_make", lambda *_words: looks.append(1) or find("none", empty))
    for _ in range(3):
        with pytest.raises(ModelUnavailable):
            manager.get_session()
    assert looks == []
    manager.clear()
    manager.get_session()
    assert looks == [1]


def test_a_failure_is_forgotten_once_the_file_is_another(tmp_path: Path, settings: Settings) -> None:
    unchecked = Settings(u2net_home=str(tmp_path), model_checksum_disabled=True, auto_download=False)
    manager = ModelManager(unchecked, SMALL)
    source = model_files.find_model("u2netp", settings)
    assert source is not None
    for damaged in (None, b"cut short"):
        if damaged:
            (tmp_path / "u2netp.onnx").write_bytes(damaged)
        with pytest.raises(ModelUnavailable):
            manager.get_session()
    shutil.copy(source, tmp_path / "u2netp.onnx")
    assert manager.get_session().name == "u2netp"


def test_a_download_that_takes_long_lets_the_caller_go_on_and_serves_the_next(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = model_files.find_model("u2netp", settings)
    assert source is not None
    may_end, started = threading.Event(), []

    def slow_download(_model: object, _settings: object) -> Path:
        started.append(1)
        may_end.wait(60)
        return Path(shutil.copy(source, tmp_path / "u2netp.onnx"))

    monkeypatch.setattr(model_files, "download", slow_download)
    manager = ModelManager(Settings(u2net_home=str(tmp_path), model_checksum_disabled=True), SMALL)
    for _ in range(2):
        with pytest.raises(ModelUnavailable, match="still being downloaded"):
            manager.get_session(wait_s=0)
    may_end.set()
    assert manager.get_session().name == "u2netp"
    assert len(started) == 1


def test_a_failed_download_is_not_tried_again_by_the_next_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[int] = []

    def no_network(_model: object, _settings: object) -> Path:
        tries.append(1)
        raise ModelUnavailable("no network")

    monkeypatch.setattr(model_files, "download", no_network)
    manager = ModelManager(Settings(u2net_home=str(tmp_path)), SMALL)
    for _ in range(3):
        with pytest.raises(ModelUnavailable, match="no network"):
            manager.get_session()
    assert len(tries) == 1


def run_python(code: str, env: dict[str, str]) -> str:
    """Run code in a fresh interpreter in the repo and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=REPO,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_another_model_is_served_through_rembg_on_a_big_host_and_rembg_comes_only_then(
    model_env: dict[str, str], tmp_path: Path
) -> None:
    source = model_files.find_model("u2netp", Settings(u2net_home=model_env["U2NET_HOME"]))
    assert source is not None
    # silueta is U²-Net's architecture at the same size: u2netp's file stands in for its 43 MB.
    (tmp_path / "models/silueta").mkdir(parents=True)
    shutil.copy(source, tmp_path / "models/silueta/silueta.onnx")
    shutil.copy(source, tmp_path / "u2netp.onnx")
    code = """
import sys, numpy as np
from app.services.model_manager import model_manager
photo = np.random.default_rng(1).integers(0, 256, (50, 70, 3), np.uint8)
tiny = model_manager.get_session().infer(photo)
print("rembg" in sys.modules)
session = model_manager.get_session("silueta", may_download=False)
print(session.name, session.method, session.infer(photo).shape, "rembg" in sys.modules)
"""
    env = {**model_env, "U2NET_HOME": str(tmp_path), "MEMORY_CONSTRAINED": "false"}
    if ModelManager(Settings()).host.memory_limit_mb < 1024:
        pytest.skip("this machine has under 1 GB: rembg is never served on it")
    assert run_python(code, env).split("\n")[:2] == ["False", "silueta rembg (50, 70) True"]


def test_a_request_never_downloads_a_model_that_it_names(tmp_path: Path) -> None:
    manager = ModelManager(Settings(u2net_home=str(tmp_path)), BIG)
    with pytest.raises(BadRequest) as caught:
        manager.get_session("u2net", may_download=False)
    assert caught.value.code == "model_not_installed"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["u2net", "no-such-model"])
def test_a_served_model_that_cannot_be_had_is_no_fault_of_the_client(tmp_path: Path, name: str) -> None:
    manager = ModelManager(Settings(u2net_home=str(tmp_path), model_name=name, auto_download=False), BIG)
    with pytest.raises(ModelUnavailable, match=name):
        manager.get_session()


def test_a_name_that_nobody_knows_is_told_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="isnet-general-use"):
        ModelManager(Settings(u2net_home=str(tmp_path)), BIG).get_session("no-such-model")


def test_a_remembered_failure_holds_on_to_nothing_of_those_who_met_it(empty: Settings) -> None:
    manager = ModelManager(empty, SMALL)
    faults = []
    for _ in range(3):
        with pytest.raises(ModelUnavailable) as caught:
            manager.get_session()
        faults.append(caught.value)
    assert len(set(map(id, faults))) == 3


def test_a_home_that_cannot_be_found_or_read_is_unavailable_not_a_crash(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_home(self: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "expanduser", no_home)
        with pytest.raises(ModelUnavailable, match="home directory"):
            ModelManager(Settings(u2net_home="~/x", auto_download=False), SMALL).get_session()

    def forbidden(self: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_file", forbidden)
    with pytest.raises(ModelUnavailable, match="Permission denied"):
        ModelManager(settings, SMALL).get_session()
