"""The model's file: found, checked, downloaded once. Downloads come from a server on the loopback."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from app.config import Settings
from app.errors import ModelUnavailable
from app.services import model_files
from app.services.model_files import PublishedModel
from tests.support import REPO

CONTENT = b"weights" * 1000


class Publisher:
    """A server that gives out a model file and counts how often."""

    def __init__(self) -> None:
        self.content = CONTENT
        self.status = 200
        self.answered = 0
        self.hangs_before_the_end = False
        self.closing = threading.Event()
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                publisher.answered += 1
                self.send_response(publisher.status)
                self.send_header("Content-Length", str(len(publisher.content) + publisher.hangs_before_the_end))
                self.end_headers()
                self.wfile.write(publisher.content)
                if publisher.hangs_before_the_end:
                    publisher.closing.wait(60)

            def log_message(self, *_words: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.model = PublishedModel(
            "u2netp",
            f"http://127.0.0.1:{self._server.server_port}/u2netp.onnx",
            hashlib.sha256(CONTENT).hexdigest(),
        )

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    publisher = Publisher()
    yield publisher
    publisher.close()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(u2net_home=str(tmp_path / "home"))


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".lock"))


def test_the_model_is_found_in_both_of_rembgs_layouts_the_newer_first(settings: Settings) -> None:
    home = Path(settings.u2net_home)
    assert model_files.find_model("u2netp", settings) is None
    (home / "models/u2netp").mkdir(parents=True)
    flat, nested = home / "u2netp.onnx", home / "models/u2netp/u2netp.onnx"
    flat.write_bytes(b"1")
    assert model_files.find_model("u2netp", settings) == flat
    nested.write_bytes(b"2")
    assert model_files.find_model("u2netp", settings) == nested


def test_a_download_lands_whole_where_rembg_looks_for_it(publisher: Publisher, settings: Settings) -> None:
    path = model_files.download(publisher.model, settings)
    assert path == Path(settings.u2net_home) / "models/u2netp/u2netp.onnx"
    assert path.read_bytes() == CONTENT
    assert files_in(Path(settings.u2net_home)) == ["u2netp.onnx"]
    assert path.stat().st_mode & 0o777 == 0o644, "another user may run what a build downloaded"


# A process that ends as soon as something has come, as one of the command line does when its photo is done.
ENDS_IN_THE_MIDDLE = """
import os, sys, threading, time
from pathlib import Path
from app.config import Settings
from app.services import model_files
home, url, sha256 = sys.argv[1:]
how = model_files.PublishedModel("u2netp", url, sha256), Settings(u2net_home=home)
threading.Thread(target=model_files.download, args=how, daemon=True).start()
ends_s = time.monotonic() + 30
while time.monotonic() < ends_s and not any(path.stat().st_size for path in Path(home).rglob("*") if path.is_file()):
    time.sleep(0.01)
os._exit(0)
"""


def test_processes_that_end_in_the_middle_of_a_download_do_not_fill_the_disk_with_what_came(
    publisher: Publisher, settings: Settings
) -> None:
    publisher.content, publisher.hangs_before_the_end = CONTENT * 20, True
    home, model = Path(settings.u2net_home), publisher.model
    for _ in range(2):
        command = [sys.executable, "-c", ENDS_IN_THE_MIDDLE, str(home), model.url, model.sha256]
        subprocess.run(command, cwd=REPO, check=True, timeout=60)
        assert len(files_in(home)) == 1, "one half file, however often"
    publisher.content, publisher.hangs_before_the_end = CONTENT, False
    model_files.download(model, settings)
    assert files_in(home) == ["u2netp.onnx"]


def test_an_altered_file_is_replaced(publisher: Publisher, settings: Settings) -> None:
    folder = Path(settings.u2net_home) / "models/u2netp"
    folder.mkdir(parents=True)
    (folder / "u2netp.onnx").write_bytes(CONTENT[:100])
    assert model_files.download(publisher.model, settings).read_bytes() == CONTENT


@pytest.mark.parametrize("sent", [CONTENT[:500], b"<html>Sign in</html>", b""])
def test_what_is_not_the_published_file_is_refused_with_both_checksums_and_nothing_is_left(
    publisher: Publisher, settings: Settings, sent: bytes
) -> None:
    publisher.content = sent
    with pytest.raises(ModelUnavailable) as caught:
        model_files.download(publisher.model, settings)
    assert "u2netp.onnx" in caught.value.detail
    assert publisher.model.sha256 in caught.value.detail
    assert hashlib.sha256(sent).hexdigest() in caught.value.detail
    assert files_in(Path(settings.u2net_home)) == []


def test_a_refused_download_leaves_the_old_file_as_it_was(publisher: Publisher, settings: Settings) -> None:
    old = Path(settings.u2net_home) / "models/u2netp/u2netp.onnx"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"old")
    publisher.content = b"wrong"
    with pytest.raises(ModelUnavailable):
        model_files.download(publisher.model, settings)
    assert old.read_bytes() == b"old"


def test_an_error_of_the_publisher_is_told(publisher: Publisher, settings: Settings) -> None:
    publisher.status = 404
    with pytest.raises(ModelUnavailable, match=r"could not be downloaded from http://127\.0\.0\.1"):
        model_files.download(publisher.model, settings)
    assert files_in(Path(settings.u2net_home)) == []


def test_no_network_is_told(publisher: Publisher, settings: Settings) -> None:
    publisher.close()
    with pytest.raises(ModelUnavailable, match="could not be downloaded"):
        model_files.download(publisher.model, settings)


def test_a_folder_that_cannot_be_made_is_told(publisher: Publisher, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ModelUnavailable, match="could not be downloaded"):
        model_files.download(publisher.model, Settings(u2net_home=str(tmp_path / "file")))


@pytest.mark.parametrize(
    ("number", "advice"),
    [(errno.ENOSPC, "free 10 MB"), (errno.EROFS, "set U2NET_HOME to another"), (errno.EHOSTUNREACH, "open the way")],
)
def test_the_log_learns_what_to_do_about_a_download_that_fails_and_no_path(
    settings: Settings, publisher: Publisher, monkeypatch: pytest.MonkeyPatch, number: int, advice: str
) -> None:
    def fail(*_words: object) -> None:
        raise OSError(number, os.strerror(number), "/a/path")

    monkeypatch.setattr(model_files, "_fetch", fail)
    with pytest.raises(ModelUnavailable) as caught:
        model_files.download(publisher.model, settings)
    assert advice in caught.value.advice
    assert "/" not in caught.value.advice
    assert os.strerror(number) in caught.value.detail


def test_many_at_once_download_once(publisher: Publisher, settings: Settings) -> None:
    paths: list[Path] = []
    threads = [
        threading.Thread(target=lambda: paths.append(model_files.download(publisher.model, settings))) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(paths) == 6
    assert publisher.answered == 1


def test_a_sound_file_passes_and_an_altered_one_is_named_with_both_checksums(
    publisher: Publisher, tmp_path: Path
) -> None:
    path = tmp_path / "u2netp.onnx"
    path.write_bytes(CONTENT)
    model_files.verify(path, publisher.model)
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(ModelUnavailable) as caught:
        model_files.verify(path, publisher.model)
    for word in (str(path), publisher.model.sha256, hashlib.sha256(CONTENT[:-1]).hexdigest()):
        assert word in caught.value.detail
        assert word not in caught.value.message, "a client learns no path"
