"""Which models may serve, in which order, and the one session of each."""

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
import onnx
import pytest
from onnx import TensorProto, helper

from app.config import Settings
from app.errors import BadRequest, ModelUnavailable
from app.hosting import Host
from app.services import model_files, model_manager, model_rewrites
from app.services.model_manager import ModelFacts, ModelManager, Session
from app.services.quality import TIERS
from app.services.tiny_u2net_service import TinyU2NetService
from tests.support import take_shipped_network_away

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


@pytest.mark.parametrize("host", [SMALL, BIG])
def test_with_tinycut_for_its_model_a_host_of_any_size_serves_that_and_downloads_nothing(
    tmp_path: Path, settings: Settings, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_files, "download", lambda *_: pytest.fail("it was downloaded"))
    for home in (settings.u2net_home, str(tmp_path)):
        manager = ModelManager(Settings(u2net_home=home, model_name="tinycut"), host)
        assert (manager.order(), manager.get_session().name, manager.fetch().name) == (("tinycut",), *["tinycut"] * 2)
        assert manager.loaded_models() == ["tinycut"]


def test_a_small_host_serves_its_own_model_to_who_names_one_that_is_too_large_and_u2netp_to_who_names_that() -> None:
    manager = ModelManager(Settings(model_name="tinycut"), SMALL)
    assert manager.order("isnet-anime") == ("tinycut",)
    assert manager.order("u2netp") == ("u2netp", "tinycut")
    assert ModelManager(Settings(), SMALL).order("isnet-anime") == ("u2netp", "tinycut")
    assert ModelManager(Settings(), SMALL).order("tinycut") == ("tinycut",)
    assert ModelManager(Settings(), BIG).order("isnet-anime") == ("isnet-anime", "tinycut")


@pytest.mark.parametrize("content", [None, b"cut short"])
def test_the_shipped_network_serves_at_once_where_u2netp_is_missing_or_damaged(
    empty: Settings, content: bytes | None
) -> None:
    if content is not None:
        (Path(empty.u2net_home) / "u2netp.onnx").write_bytes(content)
    session = ModelManager(empty, SMALL).get_session()
    assert (session.name, session.method) == ("tinycut", "tinycut")
    saliency = session.infer(PHOTO)
    assert saliency.dtype == np.float32
    assert 0 <= saliency.min() <= saliency.max() <= 1


def test_without_any_network_the_reason_is_told(empty: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    take_shipped_network_away(monkeypatch)
    with pytest.raises(ModelUnavailable) as caught:
        ModelManager(empty, SMALL).get_session()
    assert "install the app again" in caught.value.advice


def test_who_comes_while_the_model_is_being_rewritten_is_served_by_the_shipped_network(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, may_end = threading.Event(), threading.Event()
    manager = ModelManager(settings, SMALL)
    load = manager._load_tiny

    def slow_load(source: Path) -> Session:
        began.set()
        may_end.wait(60)
        return load(source)

    monkeypatch.setattr(manager, "_load_tiny", slow_load)
    monkeypatch.setattr(model_manager, "LOAD_WAIT_S", 0)
    first = threading.Thread(target=manager.get_session)
    first.start()
    assert began.wait(60)
    assert manager.get_session().name == "tinycut"
    may_end.set()
    first.join(60)
    assert manager.get_session().name == "u2netp"


def test_the_models_that_may_be_asked_for_are_listed_with_the_shipped_one(tmp_path: Path) -> None:
    for name in ("u2netp", "isnet-anime", "sam"):
        (tmp_path / f"{name}.onnx").write_bytes(b"")
    settings = Settings(u2net_home=str(tmp_path), auto_download=False)
    small, big = ModelManager(settings, SMALL), ModelManager(settings, BIG)
    assert [model.name for model in small.list_models()] == ["tinycut", "u2netp"]
    assert [model.name for model in big.list_models()] == ["isnet-anime", "tinycut", "u2netp"]
    small.get_session()
    assert small.list_models()[0] == ModelFacts("tinycut", default=False, installed=True, loaded=True)


def test_the_shipped_network_is_shown_less_of_a_photo_than_u2netp_by_every_tier(empty: Settings) -> None:
    session = ModelManager(empty, SMALL).get_session()
    wide = np.ascontiguousarray(np.broadcast_to(NOISE[:, :1], (50, 100, 3)))
    assert session.infer(wide).shape == (192, 384)
    faster = replace(TIERS["fast"], closer_area_px=0)
    assert session.infer(wide, tier=faster).shape == (128, 256)
    assert session.infer(wide, resize="static").shape == (256, 256)


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


def test_many_threads_get_one_session_and_the_same_result(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_manager, "LOAD_WAIT_S", 60)  # here nobody is sent on to the other network
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


def test_without_a_file_the_model_is_unavailable_and_the_log_learns_where_it_was_looked_for(empty: Settings) -> None:
    with pytest.raises(ModelUnavailable) as caught:
        ModelManager(empty, SMALL).load("u2netp")
    assert "u2netp.onnx" in caught.value.detail
    assert empty.u2net_home in caught.value.detail


def test_an_altered_file_is_refused_when_it_may_not_be_downloaded(empty: Settings, settings: Settings) -> None:
    source = model_files.find_model("u2netp", settings)
    assert source is not None
    (Path(empty.u2net_home) / "u2netp.onnx").write_bytes(source.read_bytes()[:-1000])
    with pytest.raises(ModelUnavailable, match="expected sha256"):
        ModelManager(empty, SMALL).load("u2netp")


def test_a_damaged_file_whose_checksum_nobody_asked_for_is_unavailable_not_a_crash(tmp_path: Path) -> None:
    (tmp_path / "u2netp.onnx").write_bytes(b"damaged" * 100)
    unchecked = Settings(u2net_home=str(tmp_path), model_checksum_disabled=True, auto_download=False)
    with pytest.raises(ModelUnavailable, match="onnxruntime cannot load"):
        ModelManager(unchecked, SMALL).load("u2netp")


def test_a_network_that_makes_no_map_is_unavailable_not_a_crash(tmp_path: Path) -> None:
    shapes = {"photo": [1, 3, 32, 32], "classes": [1, 3]}
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    mean = helper.make_node("ReduceMean", ["photo"], ["classes"], axes=[2, 3], keepdims=0)
    graph = helper.make_graph([mean], "classifier", infos[:1], infos[1:])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), tmp_path / "u2netp.onnx"
    )
    settings = Settings(u2net_home=str(tmp_path), model_checksum_disabled=True, auto_download=False)
    with pytest.raises(ModelUnavailable, match="no saliency map"):
        ModelManager(settings).load("u2netp")


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


@pytest.mark.parametrize("name", ["u2netp", "tinycut"])
def test_too_little_memory_is_told_before_it_is_tried(settings: Settings, name: str) -> None:
    session = ModelManager(settings, TINY).load(name)
    with pytest.raises(ModelUnavailable, match="are left of the 64 MB limit"):
        session.infer(PHOTO)


def test_onnxruntime_missing_is_unavailable_not_a_crash(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelUnavailable, match="onnxruntime cannot be imported"):
        ModelManager(settings, SMALL).get_session()


def test_a_failure_is_remembered_until_memory_is_cleared(empty: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []
    manager = ModelManager(empty, SMALL)
    with pytest.raises(ModelUnavailable):
        manager.load("u2netp")
    monkeypatch.setattr(manager, "_make", looks.append)
    for _ in range(3):
        with pytest.raises(ModelUnavailable):
            manager.load("u2netp")
    assert looks == []
    manager.clear()
    manager.load("u2netp")
    assert looks == ["u2netp"]


def test_a_failure_is_forgotten_once_the_file_is_another(tmp_path: Path, settings: Settings) -> None:
    unchecked = Settings(u2net_home=str(tmp_path), model_checksum_disabled=True, auto_download=False)
    manager = ModelManager(unchecked, SMALL)
    source = model_files.find_model("u2netp", settings)
    assert source is not None
    for damaged in (None, b"cut short"):
        if damaged:
            (tmp_path / "u2netp.onnx").write_bytes(damaged)
        assert manager.get_session().name == "tinycut"
    shutil.copy(source, tmp_path / "u2netp.onnx")
    assert manager.get_session().name == "u2netp"


def end_of_download() -> None:
    """Wait until no download is under way."""
    for thread in threading.enumerate():
        if thread.name == "model-download":
            thread.join(60)


def test_nobody_waits_for_a_download_and_what_it_brought_serves_the_next(
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
        with pytest.raises(ModelUnavailable, match="is being downloaded"):
            manager.load("u2netp")
        assert manager.get_session().name == "tinycut"
    may_end.set()
    end_of_download()
    assert manager.get_session().name == "u2netp"
    assert len(started) == 1


def test_on_a_small_host_no_photo_is_worked_on_while_the_downloaded_model_is_rewritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = ModelManager(Settings(u2net_home=str(tmp_path)), SMALL)
    service = TinyU2NetService(manager.settings, manager)
    places_taken = []
    monkeypatch.setattr(model_files, "download", lambda *_: tmp_path / "u2netp.onnx")
    monkeypatch.setattr(model_rewrites, "make", lambda *_: places_taken.append(service.admission.busy))
    assert manager.get_session().name == "tinycut"
    end_of_download()
    assert places_taken == [service.admission.slots] == [1]
    assert service.admission.busy == 0


def test_a_failed_download_is_not_tried_again_by_the_next_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[int] = []

    def no_network(_model: object, _settings: object) -> Path:
        tries.append(1)
        raise ModelUnavailable("no network")

    monkeypatch.setattr(model_files, "download", no_network)
    manager = ModelManager(Settings(u2net_home=str(tmp_path)), SMALL)
    assert manager.get_session().name == "tinycut"
    end_of_download()
    for _ in range(3):
        with pytest.raises(ModelUnavailable, match="no network"):
            manager.load("u2netp")
    assert len(tries) == 1
    monkeypatch.setattr(model_manager, "RETRY_AFTER_S", 0)
    assert manager.get_session().name == "tinycut"
    end_of_download()
    assert len(tries) == 2, "after a while it is tried again"


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
session = model_manager.load("silueta", may_download=False)
print(session.name, session.method, session.infer(photo).shape, "rembg" in sys.modules)
"""
    env = {**model_env, "U2NET_HOME": str(tmp_path), "MEMORY_CONSTRAINED": "false"}
    if ModelManager(Settings()).host.memory_limit_mb < 1024:
        pytest.skip("this machine has under 1 GB: rembg is never served on it")
    assert run_python(code, env).split("\n")[:2] == ["False", "silueta rembg (50, 70) True"]


def test_a_request_never_downloads_a_model_that_it_names(tmp_path: Path) -> None:
    manager = ModelManager(Settings(u2net_home=str(tmp_path)), BIG)
    with pytest.raises(BadRequest) as caught:
        manager.load("u2net", may_download=False)
    assert caught.value.code == "model_not_installed"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["u2net", "no-such-model"])
def test_a_served_model_that_cannot_be_had_is_no_fault_of_the_client(tmp_path: Path, name: str) -> None:
    manager = ModelManager(Settings(u2net_home=str(tmp_path), model_name=name, auto_download=False), BIG)
    with pytest.raises(ModelUnavailable, match=name):
        manager.load(name, may_download=False)
    assert manager.get_session().name == "tinycut"


def test_a_name_that_nobody_knows_is_told_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="isnet-general-use"):
        ModelManager(Settings(u2net_home=str(tmp_path)), BIG).fetch("no-such-model")


def test_a_remembered_failure_holds_on_to_nothing_of_those_who_met_it(empty: Settings) -> None:
    manager = ModelManager(empty, SMALL)
    faults = []
    for _ in range(3):
        with pytest.raises(ModelUnavailable) as caught:
            manager.load("u2netp")
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
            ModelManager(Settings(u2net_home="~/x", auto_download=False), SMALL).load("u2netp")

    def forbidden(self: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_file", forbidden)
    with pytest.raises(ModelUnavailable, match="Permission denied"):
        ModelManager(settings, SMALL).load("u2netp")
