"""training/run: one command from the tars to the weights."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.support import REPO

# Stands in for the interpreter of the environment that training/run makes.
NOTING = """#!/bin/sh
printf '%s\\n' "$*" >>"$NOTES"
"""


def test_one_command_without_a_setting_goes_from_the_tars_to_the_tables(tmp_path: Path) -> None:
    python = tmp_path / "work" / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(NOTING)
    python.chmod(0o755)
    settings = {"DATA", "TEACHER", "NETWORK", "EPOCHS"}
    env = {name: value for name, value in os.environ.items() if name not in settings}
    command = [str(REPO / "training/run"), str(tmp_path / "work")]
    notes = tmp_path / "notes"
    done = subprocess.run(command, env={**env, "NOTES": str(notes)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    steps = [line.removeprefix("-m ").split()[0] for line in notes.read_text().splitlines()]
    assert steps == [
        "scripts/optimize_models.py", "training.label", "training.loop", "training.export", "training.curve",
        "training.hold_out", "scripts/evaluate.py",
    ]  # fmt: skip
    assert "wide_nested/epoch-036.pt" in notes.read_text()
