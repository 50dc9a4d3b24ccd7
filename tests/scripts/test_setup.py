"""scripts/setup, with a pip that writes down what it is asked to install."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import REPO

PYTHON = f"""#!/bin/sh
case "$*" in
  *pip*) echo "$*" >> installed ;;
  *) exec {sys.executable} "$@" ;;
esac
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A repository with requirements of several purposes, and an environment that is there already."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(REPO / "scripts/setup", tmp_path / "scripts/setup")
    (tmp_path / "requirements.txt").write_text("flask==1\n")
    (tmp_path / "requirements-test.txt").write_text("-r requirements.txt\npytest==1\n")
    (tmp_path / "requirements-test-alone.txt").write_text("old==1\n")
    (tmp_path / "requirements-peer.txt").write_text("peer==1\n")
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(PYTHON)
    python.chmod(0o755)
    return tmp_path


def installed(folder: Path, requirements: str) -> list[str]:
    """Run the script and return what it had installed, by the last word of each pip."""
    (folder / "installed").unlink(missing_ok=True)
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run(["scripts/setup", requirements], cwd=folder, env=environ, check=True, timeout=60)
    log = folder / "installed"
    return [line.split()[-1] for line in log.read_text().splitlines()] if log.exists() else []


def test_the_second_time_nothing_is_installed(folder: Path) -> None:
    assert installed(folder, "requirements-test.txt") == ["requirements-test.txt", "requirements-test-alone.txt"]
    assert installed(folder, "requirements-test.txt") == []
    assert installed(folder, "requirements.txt") == ["requirements.txt"]


@pytest.mark.parametrize("name", ["requirements-test.txt", "requirements.txt", "requirements-test-alone.txt"])
def test_a_change_in_a_file_that_is_installed_installs_again(folder: Path, name: str) -> None:
    installed(folder, "requirements-test.txt")
    with (folder / name).open("a") as file:
        file.write("new==1\n")
    assert "requirements-test.txt" in installed(folder, "requirements-test.txt")


def test_a_change_in_the_packages_of_another_purpose_installs_nothing(folder: Path) -> None:
    installed(folder, "requirements-test.txt")
    (folder / "requirements-peer.txt").write_text("peer==2\n")
    assert installed(folder, "requirements-test.txt") == []
