"""What is said of pip-audit's answers, and with which exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts import audit as audit_script
from tests.support import REPO

HOLE = {"id": "PYSEC-2026-1", "fix_versions": ["2.0"], "aliases": [], "description": ""}
SOUND = {"name": "flask", "version": "3.1.3", "vulns": []}
HOLED = {"name": "pillow", "version": "1.0", "vulns": [HOLE]}
UNKNOWN = {"name": "rembg", "version": "2.0.86", "skip_reason": "not found"}


def audit(folder: Path, program: str | None) -> tuple[int, str]:
    """Run the script with this text of a program as its pip-audit; return its exit status and what it printed."""
    if program is not None:
        (folder / "pip-audit").write_text(f"#!/bin/sh\n{program}\n")
        (folder / "pip-audit").chmod(0o755)
    environ = {**os.environ, "PATH": f"{folder}:/usr/bin:/bin"}
    command = [sys.executable, str(REPO / "scripts/audit.py")]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("packages", "status", "words"),
    [
        ([SOUND], 0, ["no hole is known in any of 1 packages"]),
        ([SOUND, HOLED], 1, ["pillow 1.0 has PYSEC-2026-1, mended in 2.0"]),
        ([SOUND, UNKNOWN], 0, ["SKIPPED 1 of 2 packages, no data on rembg"]),
        ([UNKNOWN, UNKNOWN], 0, ["SKIPPED 2 of 2 packages, no data on all of them"]),
        ([HOLED, UNKNOWN], 1, ["mended in 2.0", "SKIPPED 1 of 2 packages"]),
    ],
)
def test_a_known_hole_is_a_failure_and_what_could_not_be_asked_is_said_aloud(
    tmp_path: Path, packages: list[dict[str, Any]], status: int, words: list[str]
) -> None:
    (tmp_path / "answer").write_text(json.dumps({"dependencies": packages, "fixes": []}))
    code, printed = audit(tmp_path, f"cat {tmp_path}/answer; exit {status}")
    assert code == status
    assert all(word in printed for word in words)


@pytest.mark.parametrize(
    ("program", "reason"),
    [("echo 'the name cannot be resolved' >&2; exit 1", "the name cannot be resolved"), (None, "it is not installed")],
)
def test_without_network_or_program_it_is_skipped_aloud_with_the_reason(
    tmp_path: Path, program: str | None, reason: str
) -> None:
    code, printed = audit(tmp_path, program)
    assert code == 0
    assert "pip-audit: SKIPPED, " in printed
    assert reason in printed


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("echo 'no such option: --format' >&2; exit 2", "exit status 2: no such option: --format"),
        ("kill -9 $$", "exit status -9: it gave no reason"),
    ],
)
def test_a_pip_audit_that_breaks_down_is_a_failure(tmp_path: Path, program: str, words: str) -> None:
    code, printed = audit(tmp_path, program)
    assert (code, printed) == (1, f"pip-audit: broke down with {words}\n")


def test_data_that_does_not_come_in_time_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def hang(command: list[str], *, timeout: float, **_how: object) -> None:
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", hang)
    audit_script.main()
    assert capsys.readouterr().out == "pip-audit: SKIPPED, its data did not come within 30 s\n"
