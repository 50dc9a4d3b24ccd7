"""docs/security.md and docs/faults.md name tests; they are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
TESTS = set(re.findall(r"def (test_\w+)\(", "\n".join(path.read_text() for path in (REPO / "tests").rglob("*.py"))))
TABLES = {name: (REPO / "docs" / name).read_text() for name in ("security.md", "faults.md")}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_every_test_that_a_table_names_is_there(table: str) -> None:
    named = set(re.findall(r"`(test_\w+)`", table))
    assert len(named) > 25
    assert named <= TESTS, sorted(named - TESTS)


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_every_row_says_what_happens_and_names_a_test(table: str) -> None:
    rows = [line.split(" | ") for line in table.splitlines() if re.match(r"\| (?!threat|fault)", line)]
    assert rows
    for row in rows:
        assert len(row) == 3, row
        assert "`test_" in row[2], row


def test_every_test_of_a_fault_is_in_the_table() -> None:
    texts = [path.read_text() for path in (REPO / "tests/faults").glob("test_*.py")]
    found = set(re.findall(r"^def (test_\w+)\(", "\n".join(texts), re.MULTILINE))
    missing = {name for name in found if f"`{name}`" not in TABLES["faults.md"]}
    assert not missing
