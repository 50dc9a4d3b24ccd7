"""What an examination finds, on hosts that are as they are because a test made them so."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import pytest

from app.config import ConfigError, Settings
from app.hosting import Host
from app.services import examination
from app.services.examination import Examination, compare_packages
from app.services.model_manager import ModelManager
from app.services.tiny_u2net_service import TinyU2NetService
from tests.support import REPO, take_shipped_network_away

BIG = Host("local", 4096, "a test", 2, False, "")


def examine(**settings: object) -> Examination:
    """Examine a big host with these settings, as of nothing being downloaded."""
    made = Settings(**{"auto_download": False, **settings})  # type: ignore[arg-type]
    return examination.examine(TinyU2NetService(made, ModelManager(made, BIG)))


def test_the_real_model_is_loaded_rewritten_and_cuts_the_sample_photo_out(
    model_env: dict[str, str], tmp_path: Path
) -> None:
    how = {"u2net_home": model_env["U2NET_HOME"], "model_checksum_disabled": True, "model_cache_dir": str(tmp_path)}
    first, second = (examine(**how, precision="float", result_cache_mb=1) for _ in range(2))
    assert (first.model.rewritten, second.model.rewritten) == ("now", "before")
    assert (second.model.form, second.model.keeps_memory) == ("float", False)
    assert Path(second.model.path).name == "u2netp.onnx"
    assert second.model.size_bytes > 4_000_000
    assert (second.trial.method, second.trial.model) == ("tiny_u2net", "u2netp")
    assert {"decode", "infer", "refine", "encode", "total"} <= set(second.trial.timings_ms)
    assert "cache" not in second.trial.timings_ms
    assert second.trial.peak_rss_mb >= second.trial.rss_mb > 50


def test_where_the_rewritten_model_cannot_be_written_it_is_said_that_it_never_was(
    model_env: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "no-folder").write_text("")
    found = examine(
        u2net_home=model_env["U2NET_HOME"],
        model_checksum_disabled=True,
        model_cache_dir=str(tmp_path / "no-folder" / "cache"),
    )
    assert (found.model.rewritten, found.model.form) == ("never", "published")
    assert found.trial.method == "tiny_u2net"


def test_a_model_that_is_altered_is_told_and_the_shipped_one_cuts_out(tmp_path: Path) -> None:
    (tmp_path / "u2netp.onnx").write_bytes(b"cut short")
    found = examine(u2net_home=str(tmp_path))
    assert (found.model.checksum, found.model.size_bytes) == ("wrong", 9)
    assert "cut short or altered" in found.model.unavailable
    assert (found.trial.method, found.shipped_fault) == ("tinycut", "")


def test_the_shipped_network_is_examined_where_it_is_to_serve(tmp_path: Path) -> None:
    found = examine(u2net_home=str(tmp_path), model_name="tinycut")
    assert (found.model.name, found.model.checksum, found.model.unavailable) == ("tinycut", "right", "")
    assert (found.model.form, found.model.keeps_memory, found.model.rewritten) == ("shipped", False, "")
    assert (found.trial.method, found.trial.model) == ("tinycut", "tinycut")


@pytest.mark.parametrize("model_name", ["u2netp", "tinycut"])
def test_a_shipped_network_that_is_lost_is_told_and_opencv_cuts_out(
    tmp_path: Path, model_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_shipped_network_away(monkeypatch)
    found = examine(u2net_home=str(tmp_path), model_name=model_name)
    assert "manifest" in found.shipped_fault
    assert (found.model.path, found.model.checksum) == ("", "unknown")
    assert found.model.unavailable
    assert found.trial.method == "opencv"


def test_a_folder_that_may_not_be_looked_into_is_a_reason_and_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_words: object) -> None:
        raise PermissionError("Permission denied")

    monkeypatch.setattr("app.services.model_files.find_model", refuse)
    found = examine(u2net_home="/nowhere")
    assert found.model.path == ""
    assert "cannot be reached" in found.model.unavailable


def test_whether_8_bits_are_faster_is_not_kept_where_there_was_too_little_memory_to_try(
    model_env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.services.model_rewrites.CHOOSER_MB", 1_000_000)
    how = {"u2net_home": model_env["U2NET_HOME"], "model_checksum_disabled": True, "model_cache_dir": str(tmp_path)}
    assert not examine(**how).model.choice_is_kept
    for path in tmp_path.glob("*-int8.onnx"):
        path.unlink()
    assert examine(**how).model.choice_is_kept, "there is nothing to choose from"


def test_without_a_model_nothing_is_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.services.model_files.download", lambda *_: pytest.fail("it was downloaded"))
    monkeypatch.setattr("app.services.model_manager.RETRY_AFTER_S", 0)  # as if the photo came a minute later
    found = examine(u2net_home=str(tmp_path), auto_download=True)
    assert (found.model.path, found.model.checksum) == ("", "unknown")
    assert found.model.unavailable
    assert found.trial.method == "tinycut"


def test_packages_are_compared_with_the_pins_that_count_on_this_python(tmp_path: Path) -> None:
    flask = metadata.version("flask")
    (tmp_path / "requirements.txt").write_text(
        f"# A comment.\nflask=={flask}\nclick==0.1\nno-such-package-of-ours==1\nnumpy==0; python_version < '3'\n"
    )
    found = compare_packages(tmp_path / "requirements.txt")
    assert found.pinned == 3
    assert found.missing == ("no-such-package-of-ours",)
    assert found.differing == (f"click {metadata.version('click')} (pinned ==0.1)",)
    assert compare_packages(tmp_path / "none.txt").pinned == 0


def test_the_server_is_told_as_gunicorn_would_run_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "3")
    monkeypatch.setenv("PORT", "5005")
    server = examine(u2net_home=str(tmp_path), queue_size=4, omp_num_threads=5, proxy_hops=1).server
    assert (server.workers, server.photos_at_once, server.queue_size, server.threads) == (3, 2, 4, 74)
    assert (server.inference_threads, server.routers, server.address) == (5, 1, "0.0.0.0:5005")
    assert server.onnxruntime == metadata.version("onnxruntime")


def test_a_count_of_workers_that_is_no_number_is_the_fault_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "two")
    with pytest.raises(ConfigError, match="WEB_CONCURRENCY='two': expected a whole number"):
        examine(u2net_home="/nowhere")


@pytest.mark.parametrize("port", ["", "abc", "0", "65536", "99999999", "-1", "80 "])
def test_a_port_that_is_none_is_the_fault_itself(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", port)
    with pytest.raises(ConfigError, match=f"PORT='{port}': expected a number from 1 to 65535"):
        examine(u2net_home="/nowhere")


def test_each_folder_that_is_written_to_is_asked_for_its_room(tmp_path: Path) -> None:
    cache = tmp_path / "not-yet-made" / "cache"
    disks = examine(
        u2net_home=str(tmp_path), max_batch_mb=70, result_cache_mb=30, result_cache_dir=str(cache)
    ).machine.disks
    assert [(disk.folder, disk.needed_mb) for disk in disks] == [(tempfile.gettempdir(), 140), (str(cache), 30)]
    assert all(disk.left_mb > 0 for disk in disks)


def test_a_folder_that_this_user_may_not_look_into_has_no_room(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    # In a process of its own, which is no longer root: root may look everywhere.
    program = (
        "import os, sys; from app.config import Settings; from app.services.examination import examine_disks\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"
        "print(examine_disks(Settings(result_cache_mb=1, result_cache_dir=sys.argv[1]))[1].left_mb)"
    )
    command = [sys.executable, "-c", program, str(closed / "inside" / "cache")]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_the_home_of_a_user_who_has_none_has_no_room() -> None:
    disks = examination.examine_disks(Settings(result_cache_mb=1, result_cache_dir="~no-such-user-of-ours/cache"))
    assert (disks[1].left_mb, disks[1].is_memory) == (0, False)


def test_where_no_temporary_file_can_be_written_no_room_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> str:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", fail)
    (disk,) = examine(u2net_home=str(tmp_path)).machine.disks
    assert (disk.folder, disk.left_mb) == ("", 0)
