"""What is used, what is left, and what is given back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import psutil

from app.hosting import MIB, Host
from app.services import memory


def test_resident_memory_grows_with_an_array_and_shrinks_when_it_is_given_back() -> None:
    before_mb = memory.rss_mb()
    array = np.ones(64 * MIB, np.uint8)
    assert memory.rss_mb() > before_mb + 50
    assert memory.peak_rss_mb() >= memory.rss_mb() - 1
    del array
    memory.give_back()
    assert memory.rss_mb() < before_mb + 20


def test_what_is_left_is_the_limit_less_what_the_group_uses(tmp_path: Path) -> None:
    (tmp_path / "memory.current").write_text(str(300 * MIB))
    (tmp_path / "memory.stat").write_text(f"inactive_file {100 * MIB}\n")
    host = Host("local", 512, "a test", 1, True, "a test", memory_limit_file=tmp_path / "memory.max")
    assert memory.available_mb(host) == 312


def test_what_is_left_without_a_group_is_the_limit_less_what_this_process_uses() -> None:
    host = Host("local", 10_000_000, "MEMORY_LIMIT_MB", 1, False, "")
    assert memory.available_mb(host) <= psutil.virtual_memory().total / MIB
    host = Host("local", 2000, "MEMORY_LIMIT_MB", 1, False, "")
    assert abs(memory.available_mb(host) - (2000 - memory.rss_mb())) < 50
