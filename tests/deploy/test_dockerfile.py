"""The Dockerfile read, and its health check run; scripts/image.py builds and runs the image itself."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys

import pytest

from app.services.doctor import LARGEST_TMPFS_MB
from scripts.box import REPO, free_port
from tests.deploy.dockerfile import stages, words_of
from tests.deploy.hosts import web_process
from tests.fake_internet import page, serving

BUILD, IMAGE = stages(REPO / "deploy/Dockerfile")


def test_nothing_of_the_build_runs_in_the_image_and_both_stand_on_the_base_that_is_asked_for() -> None:
    assert words_of(BUILD, "FROM") == "${BASE} AS build"
    assert words_of(IMAGE, "FROM") == "${BASE}"
    assert [step.name for step in IMAGE if step.name == "RUN"] == []
    assert all(step.words.startswith("--from=build ") for step in IMAGE if step.name == "COPY")


def test_the_images_python_is_that_of_the_other_hosts() -> None:
    version = (REPO / ".python-version").read_text().strip()
    assert f"ARG BASE=python:{version}-slim\n" in (REPO / "deploy/Dockerfile").read_text()


def test_the_image_is_run_by_a_user_who_is_not_root_and_is_named_by_a_number() -> None:
    user, _, group = words_of(IMAGE, "USER").partition(":")
    assert int(user) > 0
    assert int(group) > 0


def test_the_image_is_started_as_the_procfile_starts_the_app() -> None:
    variables = shlex.split(words_of(IMAGE, "ENV"))
    command = shlex.join(json.loads(words_of(IMAGE, "CMD")))
    tunables = next(word for word in variables if word.startswith("GLIBC_TUNABLES="))
    assert web_process() == f"env {tunables} {command}"


def test_packages_are_installed_by_their_hashes_and_the_build_fails_without_the_model() -> None:
    runs = [step.words for step in BUILD if step.name == "RUN"]
    assert "pip install --require-hashes -r requirements.lock" in runs[0]
    assert "python -m app.cli warm --in-app &&" in runs[1]


@pytest.mark.parametrize("name", ["README.md", "docs/deploying.md", "deploy/Dockerfile", "scripts/image.py"])
def test_every_run_of_the_image_bounds_the_memory_that_its_temporary_files_may_take(name: str) -> None:
    words = [word for word in re.split(r'[\s",]+', (REPO / name).read_text()) if word.startswith("/tmp")]
    assert set(words) == {f"/tmp:size={LARGEST_TMPFS_MB}m"}


def test_no_dockerfile_lies_at_the_root_where_railway_would_build_it() -> None:
    assert not [path.name for path in REPO.iterdir() if path.name.lower() in ("dockerfile", ".dockerignore")]


def test_the_image_is_built_from_what_is_named_and_nothing_else() -> None:
    lines = (REPO / "deploy/Dockerfile.dockerignore").read_text().split("\n")
    patterns = [line for line in lines if line and not line.startswith("#")]
    assert patterns[0] == "*"
    assert not {"!.git", "!tests", "!training", "!.env"} & set(patterns)
    needed = ("app", "deploy/healthcheck.py", "gunicorn.conf.py", "requirements.txt", "scripts", "wsgi.py")
    assert {f"!{name}" for name in needed} <= set(patterns)
    assert all((REPO / name).exists() for name in needed)


def health(port: int) -> subprocess.CompletedProcess[str]:
    """Run the image's health check against a port of the loopback."""
    how, _, command = words_of(IMAGE, "HEALTHCHECK").partition("CMD ")
    assert "--interval=" in how
    program, script = json.loads(command)
    assert program == "python"
    environ = {**os.environ, "PORT": str(port), "HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    return subprocess.run([sys.executable, REPO / script], env=environ, capture_output=True, text=True, timeout=20)


@pytest.mark.parametrize(("status", "exit_status"), [("200 OK", 0), ("500 Internal Server Error", 1)])
def test_the_health_check_tells_by_its_exit_status_what_health_answers(status: str, exit_status: int) -> None:
    with serving() as server:
        server.answer("/health", page(b"{}", status))
        found = health(server.server_port)
    assert found.returncode == exit_status
    assert found.stderr.strip() == ("" if exit_status == 0 else "/health answers 500")


def test_the_health_check_of_a_server_that_is_not_there_fails_with_a_sentence() -> None:
    found = health(free_port())
    assert found.returncode == 1
    assert found.stderr.strip() == "/health does not answer: ConnectionRefusedError"
