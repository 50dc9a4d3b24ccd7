"""docs/security.md names tests; they are there."""

from __future__ import annotations

import re
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
TABLE = (REPO / "docs/security.md").read_text()
TESTS = set(re.findall(r"def (test_\w+)\(", "\n".join(path.read_text() for path in (REPO / "tests").rglob("*.py"))))


def test_every_test_that_the_table_names_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", TABLE))
    assert len(named) > 50
    assert named <= TESTS, sorted(named - TESTS)


def test_every_threat_has_something_that_stops_it_and_a_test() -> None:
    rows = [
        line.split(" | ") for line in TABLE.splitlines() if line.startswith("| ") and not line.startswith("| threat")
    ]
    assert rows
    for row in rows:
        assert len(row) == 3, row
        assert "`test_" in row[2], row
