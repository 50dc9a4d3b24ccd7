"""What a scene shows when its cut-out is touched up, when the original is looked at, and when it is zoomed."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

# A scene of 100 × 80, a red square in it from 30, 20 to 60, 50, whose original is green; of twice its size.
STUDIO = """async () => {
  const { Scene } = await load("scene.js");
  const canvasOf = (width, height, paint) => {
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    paint(canvas.getContext("2d"));
    return canvas;
  };
  const fill = (color, ...box) => (context) => {
    context.fillStyle = color;
    context.fillRect(...box);
  };
  const cutout = canvasOf(100, 80, fill("red", 30, 20, 30, 30));
  const scene = new Scene(cutout, canvasOf(200, 160, fill("lime", 0, 0, 200, 160)));
  const still = { crop: false, margin: [], canvas: null, scale: null, position: null };
  const cropped = { ...still, crop: true, margin: Array(4).fill({ value: 10, isPercent: true }) };
  const screen = canvasOf(300, 300, () => {}).getContext("2d");
  const at = (x, y) => [...screen.getImageData(x, y, 1, 1).data];
  window.studio = { scene, cutout, still, cropped, screen, at, color: { kind: "color", color: "#0000ff" } };
}"""
RED, GREEN, BLUE, NOTHING = [255, 0, 0, 255], [0, 255, 0, 255], [0, 0, 255, 255], [0, 0, 0, 0]


@pytest.fixture
def scene(blank: Page) -> Page:
    """A page with `studio` in it."""
    blank.evaluate(STUDIO)
    return blank


def run(page: Page, script: str) -> Any:
    """What a script with the studio returns."""
    return page.evaluate(f"async () => {{ const {{ {NAMES} }} = window.studio; {script} }}")


NAMES = "scene, cutout, still, cropped, screen, at, color"


def test_a_touched_up_cutout_is_placed_and_painted_anew_with_its_shadow(scene: Page) -> None:
    found = run(
        scene,
        """
        const shadow = { offsetPx: [0, 0], blurPx: 0, opacity: 1, color: "#000000" };
        scene.look = { background: { kind: "transparent" }, shadow, layout: cropped };
        await scene.settle();
        const before = [scene.width, scene.height];
        cutout.getContext("2d").clearRect(30, 20, 30, 20);
        scene.replaceCutout(cutout);
        scene.paint(screen);
        return { before, after: [scene.width, scene.height], subject: scene.subject, colors: [at(18, 5), at(18, 20)] };
        """,
    )
    assert (found["before"], found["after"]) == ([36, 36], [36, 12])
    assert found["subject"] == {"left": 30, "top": 40, "right": 60, "bottom": 50}
    assert found["colors"] == [RED, NOTHING]


def test_the_original_stands_where_the_subject_does_with_the_background_around_it(scene: Page) -> None:
    found = run(
        scene,
        """
        scene.look = { background: color, shadow: null, layout: { ...still, scale: 0.2, position: [1, 1] } };
        scene.paintOriginal(screen);
        const { left, top } = scene.placement;
        return { at: [left, top], colors: [at(left + 1, top + 1), at(left - 1, top + 1), at(101, 1)] };
        """,
    )
    assert found["at"][0] > 0
    assert found["colors"] == [GREEN, BLUE, NOTHING]


def test_a_scene_is_painted_within_its_own_canvas_under_any_zoom(scene: Page) -> None:
    found = run(
        scene,
        """
        scene.look = { background: color, shadow: null, layout: { ...still, scale: 1, position: [0, 0] } };
        screen.setTransform(2, 0, 0, 2, 10, 20);
        scene.paint(screen);
        return [at(9, 100), at(20, 30), at(10 + 150, 100), at(10 + 170, 100), at(10 + 199, 100), at(10 + 201, 100)];
        """,
    )
    assert found == [NOTHING, RED, RED, BLUE, BLUE, NOTHING]


def test_without_an_original_that_can_be_read_a_blurred_one_leaves_nothing_behind(scene: Page) -> None:
    found = run(
        scene,
        """
        const { constructor: Scene } = scene, alone = new Scene(cutout, null);
        alone.look = { background: { kind: "blur", radiusPx: 20 }, shadow: null, layout: still };
        await alone.settle();
        alone.paint(screen);
        return [at(5, 5), at(40, 30)];
        """,
    )
    assert found == [NOTHING, RED]
