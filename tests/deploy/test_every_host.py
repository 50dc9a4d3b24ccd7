"""The start command of every host, exactly as its file has it, with that host's variables, in a cage of 512 MB.

What is started is a copy of the app as a host has it: without what .slugignore names, with the model that its build
fetched, read-only, and with no way to any download.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from app.config import SETTINGS
from scripts.box import REPO, Box, BoxUnavailable, Server, free_port
from tests.deploy.hosts import HOSTS
from tests.support import SHARED, need, need_program


@pytest.fixture(scope="module")
def bare_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pytest.MonkeyPatch]:
    """A host's environment: no setting of this machine's, an empty home, and downloads that are refused."""
    with pytest.MonkeyPatch.context() as patch:
        ours = [setting.name for setting in SETTINGS]
        for name in [*ours, "OPENBLAS_NUM_THREADS", "REMBG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"]:
            patch.delenv(name, raising=False)
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{free_port()}")
        patch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
        yield patch


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, bare_environment: pytest.MonkeyPatch) -> Path:
    """The app's folder as a host has it after bin/post_compile, write-protected."""
    folder = with_the_model(copy_of_the_app(tmp_path_factory.mktemp("host") / "app"))
    # The tests' copy of the model is not bit for bit the published one.
    bare_environment.setenv("MODEL_CHECKSUM_DISABLED", "1")
    # The machine that builds leaves no comparison of the two forms behind, as one with another processor would.
    build = run_build(folder, PRECISION="float")
    assert build.returncode == 0
    assert build.stdout.startswith("u2netp is ready"), build.stderr
    assert "WARNING" not in build.stderr
    subprocess.run(["chmod", "-R", "a-w", folder], check=True)
    return folder


def copy_of_the_app(folder: Path) -> Path:
    """What a clone would have, with what was changed here since, and without what .slugignore names."""
    left_out = [f":!{line.strip('/')}" for line in (REPO / ".slugignore").read_text().split()]
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", ".", *left_out]
    names = subprocess.run(listing, cwd=REPO, check=True, capture_output=True, text=True).stdout.split("\0")
    for name in names:
        if not (REPO / name).is_file():  # the end of the list, or deleted here
            continue
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPO / name, folder / name)
    return folder


def with_the_model(folder: Path) -> Path:
    (folder / ".rembg").mkdir()
    shutil.copyfile(need(SHARED / "models" / "u2netp.onnx"), folder / ".rembg/u2netp.onnx")
    return folder


def run_build(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, **variables}
    return subprocess.run([folder / "bin/post_compile"], env=environ, capture_output=True, text=True, timeout=120)


@pytest.fixture
def box() -> Iterator[Box]:
    """A cage of 512 MB, or a skip said aloud where no cgroup may be made."""
    try:
        with Box(512) as box:
            yield box
    except BoxUnavailable as fault:
        pytest.skip(f"SKIPPED: no host's start was tried, for {fault}")


@pytest.mark.parametrize("name", HOSTS)
def test_what_a_host_starts_cuts_out_by_the_network_in_512_mb_with_one_worker_and_ends_in_order(
    name: str, built: Path, box: Box, tmp_path: Path
) -> None:
    host = HOSTS[name]
    command = " ".join([*without_privileges(), host.command])
    with Server(command=command, folder=built, env=host.variables, box=box, log=tmp_path / "log") as server:
        server.wait_for("/ready")
        photo = (REPO / "app/static/sample.jpg").read_bytes()
        answer = requests.post(f"{server.url}/api/remove-background", files={"file": photo}, timeout=30)
        assert (answer.status_code, answer.json()["method"]) == (200, "tiny_u2net")
        assert len(server.worker_pids()) == 1
        assert server.stop() == 0
    log = (tmp_path / "log").read_text()
    assert "what was measured cannot be kept: Permission denied" in log, "compared here, and nothing was written"
    assert "the model is served in its" in log
    for trouble in ("published form", "download", "ERROR"):
        assert trouble not in log
    assert box.kills == 0


def without_privileges() -> list[str]:
    """What a command starts with to be held by write protection: root is not, until it gives up its capabilities."""
    return [] if os.geteuid() else [need_program("setpriv"), "--bounding-set=-all", "--inh-caps=-all"]


def test_a_build_that_cannot_have_the_model_says_so_goes_on_and_leaves_no_half_a_file(
    tmp_path: Path, bare_environment: pytest.MonkeyPatch
) -> None:
    folder = copy_of_the_app(tmp_path / "app")
    build = run_build(folder)
    assert build.returncode == 0
    assert "The model u2netp could not be downloaded" in build.stderr
    assert "WARNING: the build goes on without all of the model, for the reason above" in build.stderr
    assert (folder / "app/weights/manifest.json").is_file(), "with the network that serves instead"
    assert not (folder / "training").exists()
    assert not [path for path in (folder / ".rembg").rglob("*") if path.is_file() and path.stat().st_size]


def test_a_build_that_cannot_rewrite_the_model_says_that_and_goes_on(
    tmp_path: Path, bare_environment: pytest.MonkeyPatch
) -> None:
    folder = with_the_model(copy_of_the_app(tmp_path / "app"))
    (folder / "scripts/optimize_models.py").write_text("raise SystemExit('no memory')\n")
    build = run_build(folder, MODEL_CHECKSUM_DISABLED="1")
    assert build.returncode == 0
    assert "The model is here but could not be rewritten" in build.stderr
    assert "WARNING: the build goes on without all of the model, for the reason above" in build.stderr
