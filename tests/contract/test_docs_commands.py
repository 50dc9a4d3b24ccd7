"""Every command and program of the docs does what is said: run here, on a real server with the real model."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import requests
import yaml
from PIL import Image

from scripts.box import REPO, Server, free_port
from tests.support import need_program

PAGES = sorted([*REPO.glob("*.md"), *REPO.glob("docs/*.md")])
HERE = "http://127.0.0.1:8000"
LIMIT_S = 120

# What cannot be run in a test, why, and how it is checked instead.
NOT_RUN = {
    "scripts/serve": "it would install: test_serve_starts_the_procfile_and_ends_when_told_to",
    "scripts/test": "this is it: test_the_scripts_are_sound_and_install_files_that_are_there",
    "scripts/test tests/imaging/test_shadow.py": "the same; the file is there by test_docs_links.py",
    "scripts/test -k test_a_shadow_is_all_that_was_said_of_it": "the same: test_the_test_that_is_named_is_there",
    "curl -o cutout.png 'http://127.0.0.1:8000/api/remove?url=https://shop.example/photo.jpg&bgc=255,255,255,255'": (
        "no traffic leaves this machine: tests/routes/test_urls.py"
    ),
    '.venv/bin/python scripts/image.py --base localhost/trixie-python --engine podman --build "--format docker"': (
        "it needs Docker or Podman, and minutes: tests/scripts/test_image.py, tests/deploy/test_dockerfile.py"
    ),
}
# They need an account, or a daemon that runs images: docs/deploying.md and tests/deploy.
PROGRAMS_OF_HOSTS = ("docker", "fly", "flyctl", "heroku", "railway", "git", "mmdebstrap", "podman")


class Block(NamedTuple):
    """A fenced block of a page."""

    page: str
    language: str
    text: str


def blocks() -> Iterator[Block]:
    for page in PAGES:
        for language, text in re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(), flags=re.DOTALL | re.MULTILINE):
            yield Block(page.name, language, text)


def commands() -> list[str]:
    """The commands of all pages, each once, without their comments."""
    lines = (
        line for block in blocks() if block.language == "sh" for line in block.text.replace("\\\n", " ").splitlines()
    )
    found = (re.sub(r"\s+", " ", re.split(r"(?:^|\s+)# ", line)[0]).strip() for line in lines)
    return list(dict.fromkeys(command for command in found if command))


COMMANDS = commands()
RUN = [text for text in COMMANDS if text not in NOT_RUN and text.split()[0] not in PROGRAMS_OF_HOSTS]
PYTHON = [block.text for block in blocks() if block.language == "python"]


@pytest.fixture(scope="module")
def server(model_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server by the Procfile, with the real model."""
    with Server(env=model_env, log=tmp_path_factory.mktemp("server") / "log") as server:
        server.wait_for("/ready")
        assert requests.get(f"{server.url}/ready", timeout=5).json()["method"] == "tiny_u2net"
        yield server


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder like the repository's root, but with a few photos, where files may be written."""
    for name in ("app", "wsgi.py", "gunicorn.conf.py", "Procfile"):
        (tmp_path / name).symlink_to(REPO / name)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    for name in ("photo.jpg", "one.jpg", "two.jpg", "input.jpg"):
        shutil.copy(REPO / "app/static/sample.jpg", tmp_path / name)
    (tmp_path / ".curlrc").write_text("fail\nsilent\nshow-error\n")
    return tmp_path


@pytest.fixture
def env(desk: Path, model_env: dict[str, str]) -> dict[str, str]:
    """The environment of what runs there: the real model, and curl told that an answer of 400 is a failure."""
    home = (REPO / model_env["U2NET_HOME"]).resolve()
    return {**os.environ, **model_env, "U2NET_HOME": str(home), "CURL_HOME": str(desk)}


def run(command: list[str], desk: Path, env: dict[str, str]) -> None:
    """Run a command in the folder; it succeeds, and every file that it names is there then, and sound."""
    done = subprocess.run(command, cwd=desk, env=env, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 0, done.stderr
    assert "OpenCV" not in done.stderr  # the network was had
    for name in re.findall(r"(?<![\w/.])\w+\.(?:png|jpg|zip|json)\b", command[-1]):
        check_file(name, (desk / name).read_bytes())


def check_file(name: str, data: bytes) -> None:
    """A file is what its name says; a PNG is a cut-out: some of it is see-through, some is not."""
    if name.endswith(".zip"):
        assert zipfile.ZipFile(io.BytesIO(data)).testzip() is None
    elif name.endswith(".json"):
        assert json.loads(data)["success"] is True
    else:
        image = Image.open(io.BytesIO(data))
        assert image.format == {".png": "PNG", ".jpg": "JPEG"}[Path(name).suffix]
        if image.mode == "RGBA":
            assert image.getchannel("A").getextrema() == (0, 255)


@pytest.mark.parametrize("command", RUN)
def test_a_command_of_the_docs_works(command: str, server: Server, desk: Path, env: dict[str, str]) -> None:
    if command.startswith("curl"):
        need_program("curl")
    run(["sh", "-ec", command.replace(HERE, server.url)], desk, env)


@pytest.mark.parametrize("program", PYTHON)
def test_a_program_of_the_docs_works(program: str, desk: Path, env: dict[str, str]) -> None:
    run([sys.executable, "-c", program], desk, env)


def test_the_readme_has_commands_and_programs_to_run() -> None:
    assert any(command.startswith("curl") for command in RUN)
    assert PYTHON


def test_what_is_not_run_is_still_in_the_docs() -> None:
    assert set(NOT_RUN) <= set(COMMANDS)


def test_commands_stand_in_blocks_of_their_own() -> None:
    for page in PAGES:
        assert page.read_text().count("```") == 2 * sum(block.page == page.name for block in blocks()), page
    for block in blocks():
        assert block.language in ("sh", "python", "json", "yaml", "text", "")
        if block.language != "sh":
            assert not re.search(r"^\s*(\$|curl|python3?|pip|scripts/|[.]venv/)", block.text, flags=re.MULTILINE)


def test_serve_starts_the_procfile_and_ends_when_told_to(desk: Path, env: dict[str, str]) -> None:
    (desk / "scripts").mkdir()
    shutil.copy(REPO / "scripts/serve", desk / "scripts/serve")
    setup = desk / "scripts/setup"
    setup.write_text("#!/bin/sh\n")  # the real one would install what is installed here already
    setup.chmod(0o755)
    port = free_port()
    log = desk / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["scripts/serve"],
            cwd=desk,
            env={**env, "PORT": str(port)},
            stdout=output,
            stderr=output,
        )
    try:
        server = requests.Session()
        server.mount(
            "http://", requests.adapters.HTTPAdapter(max_retries=requests.adapters.Retry(8, backoff_factor=0.2))
        )
        assert server.get(f"http://127.0.0.1:{port}/health", timeout=30).status_code == 200, log.read_text()
        assert f"TinyCut will be at http://127.0.0.1:{port}" in log.read_text()
    finally:
        process.send_signal(signal.SIGTERM)
        status = process.wait(timeout=40)
    assert status == 0


@pytest.mark.parametrize("name", ["serve", "setup", "test"])
def test_the_scripts_are_sound_and_install_files_that_are_there(name: str) -> None:
    path = REPO / "scripts" / name
    assert os.access(path, os.X_OK)
    subprocess.run(["bash", "-n", str(path)], check=True)
    for requirements in re.findall(r"requirements[\w-]*\.txt", path.read_text()):
        assert (REPO / requirements).exists()


def test_the_test_that_is_named_is_there() -> None:
    named = {found for text in COMMANDS for found in re.findall(r"-k (test_\w+)", text)}
    tests = "\n".join(path.read_text() for path in (REPO / "tests").rglob("*.py"))
    assert named
    assert all(f"def {name}(" in tests for name in named)


def scripts_of_the_docs() -> dict[str, set[str]]:
    """Each script that a page gives words or options, with all of them."""
    found: dict[str, set[str]] = {}
    for page in PAGES:
        for name, words in re.findall(r"`(?:\.venv/bin/)?(?:python )?(scripts/\w+\.py)([^`]*)`", page.read_text()):
            options = re.findall(r"(?<=\s)(?:--)?[a-z][a-z-]*(?=\s|$)", words)
            found.setdefault(name, set()).update(options)
    return {name: options for name, options in found.items() if options}


@pytest.mark.parametrize(("script", "words"), scripts_of_the_docs().items())
def test_a_script_takes_the_words_that_the_docs_give_it(script: str, words: set[str]) -> None:
    shown = subprocess.run(
        [sys.executable, script, "--help"], cwd=REPO, capture_output=True, text=True, timeout=LIMIT_S, check=True
    ).stdout
    assert all(word in shown for word in words), words


def test_pre_commit_checks_what_the_tests_check() -> None:
    config = yaml.safe_load((REPO / ".pre-commit-config.yaml").read_text())
    hooks = [hook for repository in config["repos"] for hook in repository["hooks"]]
    assert {repository["repo"] for repository in config["repos"]} == {"local"}
    assert all(hook["language"] == "system" and not hook["pass_filenames"] for hook in hooks)
    lines = (REPO / "scripts/test").read_text().splitlines()
    checks = [line for line in lines if line.startswith(("ruff ", "mypy"))]
    assert [hook["entry"].removeprefix(".venv/bin/") for hook in hooks] == checks
