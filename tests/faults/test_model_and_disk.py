"""The model's file, the disk or the way to the publisher fails."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import requests

from app.config import Settings
from app.services import model_files, model_rewrites
from scripts.box import MIB, Server, free_port
from tests.faults.talk import NETWORK, OPENCV, SHIPPED, SMALL, cut_out, method_of, until
from tests.support import encoded, need_program, picture

# Runs the rest of its line in a view of the file system of its own.
IN_OWN_MOUNTS = ("unshare", "--mount", "sh", "-c")


def need_mounts() -> None:
    """Skip where this user may not mount anything."""
    tried = subprocess.run([need_program("unshare"), "--mount", "true"], capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"SKIPPED: a full or read-only disk was not tested, for {tried.stderr.strip()}")


@pytest.fixture
def home(model_env: dict[str, str], tmp_path: Path) -> Path:
    """A folder for models that can be written, without any."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def env(model_env: dict[str, str], home: Path) -> dict[str, str]:
    """The environment of a server with that folder; the model was rewritten before, and that is elsewhere."""
    settings = Settings(u2net_home=model_env["U2NET_HOME"])
    source = model_files.find_model(model_files.TINY_MODEL, settings)
    assert source is not None
    rewrites = model_rewrites.make(source, settings)
    assert rewrites is not None
    return {**model_env, "U2NET_HOME": str(home), "MODEL_CACHE_DIR": str(rewrites.float_path.parent)}


def put_back(model_env: dict[str, str], path: Path) -> None:
    """Put the real model there, in one step, as those who look after a server do."""
    path.unlink(missing_ok=True)
    shutil.copy(Path(model_env["U2NET_HOME"]) / "u2netp.onnx", path.with_suffix(".new"))
    path.with_suffix(".new").rename(path)


def cut_short(path: Path) -> None:
    data = path.read_bytes() if path.exists() else bytes(1000)
    path.write_bytes(data[: len(data) // 2])


def make_unreadable(path: Path) -> None:
    """A file whose reading fails, for root as well: the system answers with an error of the disk."""
    path.unlink(missing_ok=True)
    path.symlink_to("/proc/self/mem")


LOSSES: dict[str, Callable[[Path], None]] = {
    "deleted": lambda path: path.unlink(missing_ok=True),
    "cut short": cut_short,
    "unreadable": make_unreadable,
}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_model_that_is_lost_is_still_served_while_it_is_loaded_then_tinycut_serves_and_the_model_once_it_is_back(
    loss: str, home: Path, env: dict[str, str], model_env: dict[str, str], tmp_path: Path
) -> None:
    model = home / "u2netp.onnx"
    put_back(model_env, model)
    with Server(env=env, log=tmp_path / "log") as server:
        server.wait_for("/ready")
        LOSSES[loss](model)
        assert method_of(cut_out(server)) == NETWORK, "it is in memory"
        os.kill(server.worker_pids()[0], signal.SIGKILL)
        for _ in range(3):
            assert method_of(cut_out(server)) == SHIPPED
        assert requests.get(f"{server.url}/ready", timeout=30).json()["method"] == SHIPPED
        told = [line for line in (tmp_path / "log").read_text().splitlines() if "photos are cut out by tinycut" in line]
        assert len(told) == 1, "said once, not with each photo"
        put_back(model_env, model)
        assert method_of(cut_out(server)) == NETWORK, "the next photo"
        assert requests.get(f"{server.url}/ready", timeout=30).json()["method"] == NETWORK
        assert str(tmp_path) not in (tmp_path / "log").read_text()


def test_a_model_that_comes_late_makes_the_server_ready_with_it_though_no_photo_was_sent(
    home: Path, env: dict[str, str], model_env: dict[str, str], tmp_path: Path
) -> None:
    with Server(env=env, log=tmp_path / "log") as server:
        server.wait_for("/ready")
        put_back(model_env, home / "u2netp.onnx")
        until(lambda: requests.get(f"{server.url}/ready", timeout=30).json()["method"] == NETWORK)
        assert "There is no u2netp.onnx in the folder U2NET_HOME: put it there." in (tmp_path / "log").read_text()


@pytest.mark.parametrize("loss", ["cut short", "unreadable"])
def test_a_rewritten_model_that_is_lost_is_made_anew_or_the_published_one_is_served(
    loss: str, home: Path, env: dict[str, str], model_env: dict[str, str], tmp_path: Path
) -> None:
    put_back(model_env, home / "u2netp.onnx")
    cache = tmp_path / "cache"
    cache.mkdir()
    for made in Path(env["MODEL_CACHE_DIR"]).glob("u2netp-*"):
        shutil.copy(made, cache)
    for rewritten in cache.glob("*.onnx"):
        LOSSES[loss](rewritten)
    with Server(env={**env, "MODEL_CACHE_DIR": str(cache), "PRECISION": "float"}, log=tmp_path / "log") as server:
        server.wait_for("/ready")
        assert method_of(cut_out(server)) == NETWORK


def test_a_damaged_installation_without_any_network_is_served_by_opencv_and_the_log_says_so_once(
    home: Path, env: dict[str, str], tmp_path: Path
) -> None:
    with Server(env=env, log=tmp_path / "log", app="tests.no_networks:app") as server:
        server.wait_for("/ready")
        for _ in range(3):
            assert method_of(cut_out(server)) == OPENCV
    errors = [line for line in (tmp_path / "log").read_text().splitlines() if " ERROR " in line]
    assert len(errors) == 1
    assert (
        "photos are cut out by opencv, for tinycut cannot be had. The app's folder app/weights is damaged" in errors[0]
    )


def test_without_a_way_to_the_publisher_photos_are_cut_out_and_the_log_says_so_once(
    home: Path, env: dict[str, str], tmp_path: Path
) -> None:
    closed = f"http://127.0.0.1:{free_port()}"
    proxies = {"HTTPS_PROXY": closed, "https_proxy": closed, "NO_PROXY": "", "no_proxy": ""}
    with Server(env={**env, **proxies, "AUTO_DOWNLOAD": "1"}, log=tmp_path / "log") as server:
        server.wait_for("/ready")
        told = "u2netp.onnx could not be downloaded: put it in"

        def is_told_to_be_in_vain() -> bool:
            assert method_of(cut_out(server)) == SHIPPED
            return told in (tmp_path / "log").read_text()

        until(is_told_to_be_in_vain)
        for _ in range(3):
            assert method_of(cut_out(server)) == SHIPPED
    lines = (tmp_path / "log").read_text().splitlines()
    assert not [line for line in lines if " ERROR " in line]
    assert len([line for line in lines if told in line]) == 1
    assert not list(home.rglob("*.onnx"))


def test_a_disk_that_is_full_at_the_download_keeps_no_half_file_and_the_log_says_what_to_do(
    home: Path, env: dict[str, str], model_env: dict[str, str], tmp_path: Path
) -> None:
    need_mounts()
    content = (Path(model_env["U2NET_HOME"]) / "u2netp.onnx").read_bytes()

    class Publisher(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_words: object) -> None:
            pass

    faults = tmp_path / "faults"
    faults.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), Publisher) as publisher:
        Thread(target=publisher.serve_forever, args=(0.01,)).start()
        try:
            (faults / "publisher").write_text(f"http://127.0.0.1:{publisher.server_port}/u2netp.onnx")
            broken = {**env, "AUTO_DOWNLOAD": "1", "FAULTS": str(faults), "NO_PROXY": "127.0.0.1"}
            full = (*IN_OWN_MOUNTS, 'mount -t tmpfs -o size=1m none "$U2NET_HOME" && exec "$@"', "sh")
            with Server(env=broken, log=tmp_path / "log", app="tests.faults.broken:app", within=full) as server:
                server.wait_for("/ready")
                assert method_of(cut_out(server)) == SHIPPED
                until(
                    lambda: method_of(cut_out(server)) == SHIPPED and "disk is full" in (tmp_path / "log").read_text()
                )
                seen = Path(f"/proc/{server.worker_pids()[0]}/root{home}")
                left = [path.name for path in seen.rglob("*") if path.is_file() and path.stat().st_size]
        finally:
            publisher.shutdown()
    assert left == []
    assert "The disk is full: free 10 MB for u2netp.onnx, or set U2NET_HOME" in (tmp_path / "log").read_text()


def test_on_a_read_only_disk_photos_are_cut_out_by_the_network_and_a_batch_is_told_that_there_is_no_room(
    model_env: dict[str, str], tmp_path: Path
) -> None:
    need_mounts()
    folders = {name: str(tmp_path / name) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME", "RESULT_CACHE_DIR")}
    env = {**model_env, **folders, "RESULT_CACHE_MB": "10", "MODEL_CACHE_DIR": ""}
    read_only = (*IN_OWN_MOUNTS, 'mount -o remount,bind,ro / && exec "$@"', "sh")
    with Server(env=env, log=tmp_path / "log", within=read_only) as server:
        server.wait_for("/ready")
        assert method_of(cut_out(server)) == NETWORK
        noise = encoded(picture(1500, 1200).effect_spread(400))
        assert len(noise) > 2 * MIB
        form = {"file": ("large.png", noise)}
        accept = {"Accept": "image/*"}
        url = f"{server.url}/api/remove-background"
        assert method_of(requests.post(url, files=form, headers=accept, timeout=60)) == NETWORK
        files = [("file", (f"{number}.jpg", SMALL)) for number in range(2)]
        batch = requests.post(f"{server.url}/api/batch", files=files, timeout=60)
        assert (batch.status_code, batch.json()["error"]["code"]) == (503, "no_room")
        assert "Please send fewer, or one by one." in batch.json()["error"]["message"]
    log = (tmp_path / "log").read_text()
    assert "MODEL_CACHE_DIR must be a folder that may be written" in log
    assert "there is no result cache: its folder cannot be used (Read-only file system)" in log
    assert "Traceback" not in log
