"""What a person does on the page, and what they see and get."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Locator, Page, expect

Pixels = np.ndarray[Any, Any]
Point = tuple[float, float]

LIMIT_MS = 30_000
# Frames in which the page has time to paint what was asked for.
MOST_FRAMES = 300

_NEXT_FRAME = "() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve())))"
_CANVAS = """(canvas) => {
  const { data, width, height } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return { pixels: new Uint8Array(data.buffer).toBase64(), width, height };
}"""


def come(page: Page, path: str = "/") -> None:
    """Open the page and wait until it shows its example."""
    page.goto(path)
    expect(page.locator("#sample")).to_have_count(0)


def choose(page: Page, *photos: Path) -> None:
    """Choose photos by the button."""
    page.set_input_files("#file", list(photos))


def wait_for(page: Page, state: str) -> None:
    """Wait until the photo on the stage is in this state."""
    page.wait_for_selector(f"#cut[data-state={state}]", timeout=LIMIT_MS)


def cut_out(page: Page, *photos: Path) -> None:
    """Come, choose photos, and wait until all are cut out."""
    come(page)
    choose(page, *photos)
    wait_for(page, "done")
    expect(entries(page, "done")).to_have_count(len(photos), timeout=LIMIT_MS)


@contextmanager
def slow_uploads(page: Page, bytes_per_s: int = 1000) -> Iterator[None]:
    """Let uploads take their time in this block: by default so much that a photo stays under way."""
    devtools = page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_per_s}
    devtools.send("Network.emulateNetworkConditions", slow)
    try:
        yield
    finally:
        devtools.detach()


def entries(page: Page, state: str = "") -> Locator:
    """The person's own photos in the list, or those in this state."""
    return page.locator(f'#list li[data-state="{state}"]' if state else "#list li").filter(
        has=page.locator(".thumb-remove")
    )


def set_range(page: Page, selector: str, value: int) -> None:
    """Drag a range to a value."""
    page.locator(selector).fill(str(value))


def open_part(page: Page, summary: str) -> None:
    """Open a part of the panel by its heading."""
    part = page.locator("details", has=page.get_by_text(summary, exact=True)).first
    if part.get_attribute("open") is None:
        part.locator("summary").click()


def pick(page: Page, group: str, value: str) -> None:
    """Choose one of a group of radio buttons."""
    page.locator(f'input[name="{group}"][value="{value}"]').check()


def stage(page: Page) -> Pixels:
    """What the stage shows, RGBA, uint8 [H, W, 4], after the next frame."""
    page.evaluate(_NEXT_FRAME)
    shown = page.locator("#canvas").evaluate(_CANVAS)
    pixels = np.frombuffer(base64.b64decode(shown["pixels"]), np.uint8)
    return pixels.reshape(shown["height"], shown["width"], 4)


def result_on(page: Page, width: int, height: int, *, split: int = 0) -> Pixels:
    """The pixels of a result of this size on the stage, RGB, seen at 100 %; the split shows nothing of the original."""
    page.locator("#zoom-actual").click()
    set_range(page, "#split", split)
    whole = stage(page)
    top, left = ((side - length + 1) // 2 for side, length in zip(whole.shape, (height, width), strict=False))
    assert top >= 0 and left >= 0, "the result is larger than the stage"
    return whole[top : top + height, left : left + width, :3]


def eventually(page: Page, is_so: Callable[[], bool]) -> bool:
    """Whether something becomes true in the next frames."""
    for _ in range(MOST_FRAMES):
        if is_so():
            return True
        page.evaluate(_NEXT_FRAME)
    return False


def download(page: Page, button: str = "#download") -> tuple[str, bytes]:
    """Name and bytes of the file that a button saves."""
    with page.expect_download(timeout=LIMIT_MS) as saved:
        page.locator(button).click()
    return saved.value.suggested_filename, Path(saved.value.path()).read_bytes()


def drag(page: Page, start: Point, end: Point) -> None:
    """Drag with the mouse, in a few steps."""
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=8)
    page.mouse.up()


def fingers(page: Page, *ways: tuple[Point, Point]) -> None:
    """Move fingers over the screen at once, each from a start to an end, in a few steps."""
    devtools = page.context.new_cdp_session(page)

    def touch(kind: str, share: float) -> None:
        places = [[a + (b - a) * share for a, b in zip(start, end, strict=True)] for start, end in ways]
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
        devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 0)
    for step in range(1, 9):
        touch("touchMove", step / 8)
    devtools.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def middle(page: Page, selector: str) -> Point:
    """The middle of an element on the screen."""
    box = page.locator(selector).bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
