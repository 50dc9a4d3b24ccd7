"""The figures that the README and docs/figures.md promise, as scripts/measure.py measures them."""

from __future__ import annotations

import statistics
from pathlib import Path

from scripts import measure


def test_the_cut_outs_are_those_of_the_published_network(data_dir: Path, model_env: dict[str, str]) -> None:
    rows, difference = measure.parity_figures()
    assert len(rows) == 18
    assert statistics.median(value for _name, value in rows) >= 0.97
    assert difference < 2


def test_the_serving_process_never_holds_rembgs_stack(data_dir: Path, model_env: dict[str, str]) -> None:
    assert measure.loaded_heavy_modules() == []
