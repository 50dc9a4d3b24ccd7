"""The picture of the dashboard: drawn for whatever Prometheus answers, each panel where the dashboard has it."""

from __future__ import annotations

import json
import math
from pathlib import Path

from PIL import Image, ImageColor

from scripts.draw_dashboard import CELL_PX, DASHBOARD, PANEL, ROW_PX, Series, draw

PANELS = json.loads(DASHBOARD.read_text())["panels"]


def test_a_picture_shows_every_panel_with_many_lines_one_or_none(tmp_path: Path) -> None:
    line = Series("a", [0.0, 1.0, 2.0], [1.0, math.nan, 3.0])
    answers: list[list[Series]] = [[], [line], [line, Series("b", [1.0], [2.0])]]
    lines = {panel["id"]: answers[number % 3] for number, panel in enumerate(PANELS)}
    draw(json.loads(DASHBOARD.read_text()), lines, 3, tmp_path / "dashboard.png")
    with Image.open(tmp_path / "dashboard.png") as picture:
        rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in PANELS)
        assert picture.width >= 24 * CELL_PX
        assert picture.height >= rows * ROW_PX
        shades = picture.convert("RGB").getcolors(1 << 20)
    panel_pixels = next(count for count, color in shades if color == ImageColor.getrgb(PANEL))
    assert panel_pixels > picture.width * picture.height / 2
