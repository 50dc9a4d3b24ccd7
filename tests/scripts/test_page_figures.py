"""When the page counts as too heavy, too late or too restless."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from scripts.page_figures import SAMPLE, VIEWS, Visit, over_budget

VISIT = Visit(Counter({"HTML": 20_000, "JavaScript": 79_999, SAMPLE: 300_000}), 9, 499.0, 900.0, 0.01)
WIDE, WIDE_SLOWED, *_ = VIEWS


def test_a_page_within_its_budgets_has_nothing_to_say_whatever_the_sample_weighs() -> None:
    assert not over_budget({WIDE: [VISIT]})


def test_the_first_paint_has_no_budget_where_the_cpu_is_slowed_down() -> None:
    assert not over_budget({WIDE_SLOWED: [replace(VISIT, first_paint_ms=5000)]})


@pytest.mark.parametrize(
    ("worse", "sentence"),
    [
        ({"weight_bytes": Counter({"HTML": 100_000})}, "The page weighs 100000 bytes"),
        ({"first_paint_ms": 500.0}, "1280 px: first paint after 500 ms"),
        ({"shift": 0.011}, "1280 px: the layout shifts by 0.011"),
    ],
)
def test_each_budget_that_is_not_kept_is_said(worse: dict[str, float], sentence: str) -> None:
    (said,) = over_budget({WIDE: [replace(VISIT, **worse)]})
    assert said.startswith(sentence)
