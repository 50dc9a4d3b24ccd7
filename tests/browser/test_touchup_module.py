"""The keep/erase brush, in a real browser: what a person's strokes do to the picture."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from playwright.sync_api import Error, Page

from tests.properties import bounded
from tests.support import encoded, opened

Point = tuple[float, float]
Action = tuple[object, ...]

WIDTH, HEIGHT = 330, 300  # more than one tile, and none of them whole at the right and at the bottom
ERASE, KEEP = "erase", "keep"
LOOK = ("look",)

RUN = """async ({ cutout, original, actions }) => {
  const { TouchUp } = await load("touchup.js");
  const bitmap = async (src) => {
    const image = Object.assign(new Image(), { src });
    await image.decode();
    return createImageBitmap(image);
  };
  const touchUp = new TouchUp(await bitmap(cutout), original && (await bitmap(original)));
  const moments = [];
  const canvases = new Set();
  for (const [name, ...given] of actions) {
    if (name !== "look") touchUp[name](...given);
    if (["begin", "extend"].includes(name)) continue;
    const { canvas, canUndo, canRedo, isTouched } = touchUp;
    canvases.add(canvas);
    moments.push({ png: canvas.toDataURL(), canUndo, canRedo, isTouched });
  }
  return { moments, canvasCount: canvases.size, canKeep: touchUp.canKeep };
}"""


@dataclass(frozen=True)
class Moment:
    """What the page has after an action: the canvas as RGBA uint8 [H, W, 4], and which buttons can be used."""

    pixels: np.ndarray
    can_undo: bool
    can_redo: bool
    is_touched: bool


def data_url(pixels: np.ndarray) -> str:
    return f"data:image/png;base64,{base64.b64encode(encoded(Image.fromarray(pixels))).decode()}"


def touch_up(blank: Page, cutout: np.ndarray, original: np.ndarray | None, actions: Sequence[Action]) -> list[Moment]:
    """Do the actions of a TouchUp, or just LOOK; what the page had after each of them but within strokes."""
    words = {"cutout": data_url(cutout), "original": None if original is None else data_url(original)}
    answer = blank.evaluate(RUN, {**words, "actions": actions})
    assert answer["canvasCount"] == 1
    assert answer["canKeep"] == (original is not None)
    return [
        Moment(
            np.asarray(opened(base64.b64decode(moment["png"].partition(",")[2])).convert("RGBA")),
            moment["canUndo"],
            moment["canRedo"],
            moment["isTouched"],
        )
        for moment in answer["moments"]
    ]


def stroke(mode: str, radius_px: float, *points: Point) -> list[Action]:
    (x, y), *others = points
    return [
        ("begin", {"mode": mode, "radiusPx": radius_px, "x": x, "y": y}),
        *(("extend", *point) for point in others),
        ("end",),
    ]


def distance_to(points: Sequence[Point]) -> np.ndarray:
    """How far the middle of each pixel is from the way through the points, in pixels."""
    rows, columns = np.indices((HEIGHT, WIDTH)) + 0.5
    least = np.full((HEIGHT, WIDTH), np.inf)
    for (from_x, from_y), (to_x, to_y) in zip([points[0], *points], points, strict=False):
        along_x, along_y = to_x - from_x, to_y - from_y
        length = np.hypot(along_x, along_y) or 1.0
        share = ((columns - from_x) * along_x + (rows - from_y) * along_y) / length**2
        share = share.clip(0, 1)
        least = np.minimum(least, np.hypot(columns - from_x - share * along_x, rows - from_y - share * along_y))
    return least


def slopes(width: int, height: int) -> np.ndarray:
    """A picture whose red grows from left to right and its green from top to bottom."""
    rows, columns = np.indices((height, width)) + 0.5
    colors = [columns * 255 / width, rows * 255 / height, np.full_like(rows, 90), np.full_like(rows, 255)]
    return np.stack(colors, axis=2).round().astype(np.uint8)


@pytest.fixture
def original() -> np.ndarray:
    """A photo of many colours, opaque."""
    pixels = np.random.default_rng(6).integers(0, 256, (HEIGHT, WIDTH, 4), np.uint8)
    pixels[:, :, 3] = 255
    return pixels


@pytest.fixture
def cutout(original: np.ndarray) -> np.ndarray:
    """The photo's left two thirds, the last of them half seen through."""
    pixels = original.copy()
    pixels[:, WIDTH // 3 :, 3] = 128
    pixels[:, 2 * WIDTH // 3 :] = 0
    return pixels


def test_a_tap_erases_a_round_dab_with_a_soft_rim(blank: Page, cutout: np.ndarray, original: np.ndarray) -> None:
    before, after = touch_up(blank, cutout, original, [LOOK, *stroke(ERASE, 50, (60, 100))])
    distance = distance_to([(60, 100)])
    assert (after.pixels[distance < 40] == 0).all()
    assert (after.pixels[distance > 50] == before.pixels[distance > 50]).all()
    rim = after.pixels[100, 100:110, 3]
    assert (np.diff(rim.astype(int)) > 0).all()
    assert rim[0] < 30
    assert rim[-1] > 225


def test_kept_pixels_have_the_originals_colours(blank: Page, cutout: np.ndarray, original: np.ndarray) -> None:
    (after,) = touch_up(blank, cutout, original, stroke(KEEP, 50, (200, 100), (280, 250)))
    solid = distance_to([(200, 100), (280, 250)]) < 40
    assert np.abs(after.pixels[solid].astype(int) - original[solid]).max() <= 1


@settings(bounded, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    mode=st.sampled_from([ERASE, KEEP]),
    radius_px=st.floats(1, 150),
    points=st.lists(st.tuples(st.floats(-50, WIDTH + 50), st.floats(-50, HEIGHT + 50)), min_size=1, max_size=6),
)
def test_a_stroke_covers_its_whole_way_evenly(
    blank: Page, cutout: np.ndarray, original: np.ndarray, mode: str, radius_px: float, points: list[Point]
) -> None:
    before, after = touch_up(blank, cutout, original, [LOOK, *stroke(mode, radius_px, *points)])
    rim_px = max(1, 0.2 * radius_px)
    strength = ((radius_px - distance_to(points)) / rim_px).clip(0, 1)
    alpha = before.pixels[:, :, 3]
    goal = 255 if mode == KEEP else 0
    assert np.abs(after.pixels[:, :, 3] - (alpha + strength * (goal - alpha.astype(float)))).max() <= 2


def test_a_fast_move_leaves_no_gap(blank: Page, cutout: np.ndarray, original: np.ndarray) -> None:
    (after,) = touch_up(blank, cutout, original, stroke(ERASE, 3, (5, 20), (WIDTH - 5, 20)))
    assert (after.pixels[20, 5 : WIDTH - 5] == 0).all()


def test_rubbing_to_and_fro_within_a_stroke_is_as_passing_once(
    blank: Page, cutout: np.ndarray, original: np.ndarray
) -> None:
    way = [(50.0, 60.0), (180.0, 80.0)]
    (once,) = touch_up(blank, cutout, original, stroke(ERASE, 40, *way))
    (often,) = touch_up(blank, cutout, original, stroke(ERASE, 40, *(way * 5)))
    assert (once.pixels == often.pixels).all()


@pytest.mark.parametrize("mode", [ERASE, KEEP])
def test_a_stroke_drawn_twice_changes_nothing_more_in_its_solid_part(
    blank: Page, cutout: np.ndarray, original: np.ndarray, mode: str
) -> None:
    drawn = stroke(mode, 40, (120, 60), (280, 270))
    once, twice = touch_up(blank, cutout, original, drawn + drawn)
    solid = distance_to([(120, 60), (280, 270)]) < 32
    assert (once.pixels[solid] == twice.pixels[solid]).all()


@pytest.mark.parametrize("scale", [0.5, 2, 3.3])
def test_an_original_of_another_size_is_brought_to_the_cutouts(blank: Page, cutout: np.ndarray, scale: float) -> None:
    original = slopes(round(WIDTH * scale), round(HEIGHT * scale))
    (after,) = touch_up(blank, cutout, original, stroke(KEEP, 400, (WIDTH / 2, HEIGHT / 2)))
    assert np.abs(after.pixels.astype(int) - slopes(WIDTH, HEIGHT)).max() <= 2


def test_each_stroke_is_undone_and_redone_alone(blank: Page, cutout: np.ndarray, original: np.ndarray) -> None:
    strokes = [stroke(ERASE, 60, (100, 100), (250, 260)), stroke(KEEP, 40, (120, 120)), stroke(ERASE, 20, (20, 250))]
    actions = [LOOK, *sum(strokes, []), *[("undo",)] * 3, *[("redo",)] * 3]
    moments = touch_up(blank, cutout, original, actions)
    way = moments[0:4]
    assert [moment.can_undo for moment in moments] == [False, *[True] * 5, False, *[True] * 3]
    assert [moment.can_redo for moment in moments] == [False] * 4 + [True] * 5 + [False]
    assert [moment.is_touched for moment in moments] == [moment.can_undo for moment in moments]
    assert not (way[0].pixels == way[1].pixels).all()
    for moment, same in zip(moments[4:], [*way[2::-1], *way[1:]], strict=True):
        assert (moment.pixels == same.pixels).all()


def test_a_stroke_after_an_undo_takes_the_place_of_what_was_undone(blank: Page, cutout: np.ndarray) -> None:
    first, second = stroke(ERASE, 30, (50, 50)), stroke(ERASE, 30, (90, 90))
    *_, after, redone = touch_up(blank, cutout, None, [*first, ("undo",), *second, ("redo",)])
    (alone,) = touch_up(blank, cutout, None, second)
    assert not after.can_redo
    assert (redone.pixels == alone.pixels).all()


def test_a_reset_gives_the_cutout_back_and_can_itself_be_undone(blank: Page, cutout: np.ndarray) -> None:
    actions = [LOOK, *stroke(ERASE, 60, (100, 100), (250, 260)), ("reset",), ("undo",), ("redo",)]
    cut, touched, reset, undone, redone = touch_up(blank, cutout, None, actions)
    assert [moment.is_touched for moment in (cut, touched, reset, undone, redone)] == [False, True, False, True, False]
    assert (reset.pixels == cut.pixels).all()
    assert (undone.pixels == touched.pixels).all()
    assert (redone.pixels == cut.pixels).all()


def test_old_steps_are_forgotten_to_save_memory_but_a_reset_still_gives_the_cutout(blank: Page) -> None:
    cutout = np.full((2048, 2048, 4), 255, np.uint8)  # 64 tiles
    everything = stroke(ERASE, 5000, (1000, 1000))
    moments = touch_up(blank, cutout, None, [*everything * 6, *[("undo",)] * 5, ("reset",)])
    undone, reset = moments[6:-1], moments[-1]
    assert [moment.can_undo for moment in undone] == [True, True, True, False, False]
    assert undone[-1].is_touched
    assert (undone[-1].pixels == 0).all()
    assert (reset.pixels == cutout).all()


def test_a_stroke_beside_the_picture_is_nothing_to_undo(blank: Page, cutout: np.ndarray) -> None:
    (after,) = touch_up(blank, cutout, None, stroke(ERASE, 20, (-500, 10), (-40, 90)))
    assert not after.can_undo
    assert not after.is_touched


def test_without_an_original_only_erasing_is_possible(blank: Page, cutout: np.ndarray) -> None:
    (after,) = touch_up(blank, cutout, None, stroke(ERASE, 20, (30, 30)))
    assert after.pixels[30, 30, 3] == 0
    with pytest.raises(Error, match="no original to bring pixels back from"):
        touch_up(blank, cutout, None, stroke(KEEP, 20, (30, 30)))
