"""What a person does on the page, and what they see and get."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Locator, Page, Route, expect

from tests.support import opened

Pixels = np.ndarray[Any, Any]
Point = tuple[float, float]

CUT_OUT = "**/api/remove-background"
# Frames in which the page has time to paint what was asked for.
MOST_FRAMES = 300
# The line that `across` draws, in the pixels of a photo of 400 × 267, well within the brush's rim.
LINE = (slice(118, 148), slice(110, 290))

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
    page.wait_for_selector(f"#cut[data-state={state}]")


def cut_out(page: Page, *photos: Path) -> None:
    """Come, choose photos, and wait until all are cut out."""
    come(page)
    choose(page, *photos)
    wait_for(page, "done")
    expect(entries(page, "done")).to_have_count(len(photos))


@contextmanager
def slow_uploads(page: Page, bytes_per_s: int = 1000) -> Iterator[None]:
    """Let uploads take their time in this block: by default so much that a photo stays under way."""
    with _slow_net(page, up=bytes_per_s):
        yield


@contextmanager
def slow_answers(page: Page, bytes_per_s: int = 1000) -> Iterator[None]:
    """Let answers take their time in this block."""
    with _slow_net(page, down=bytes_per_s):
        yield


@contextmanager
def _slow_net(page: Page, *, up: int = -1, down: int = -1) -> Iterator[None]:
    devtools = page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 0, "downloadThroughput": down, "uploadThroughput": up}
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


def is_drawn(page: Page) -> bool:
    """Whether the stage comes to show anything."""
    return eventually(page, lambda: bool(stage(page)[:, :, 3].any()))


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
    with page.expect_download() as saved:
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


def take(page: Page, brush: str, size_px: int = 60) -> None:
    """Take the brush at 100 %, so that its size is in the photo's pixels."""
    open_part(page, "Touch up")
    pick(page, "brush", brush)
    set_range(page, "#brush-size", size_px)
    page.locator("#zoom-actual").click()


def alpha_of(page: Page) -> Pixels:
    return np.asarray(opened(download(page)[1]))[:, :, 3]


def across(page: Page, reach: int = 100) -> None:
    """Draw a line through the middle of the photo, as far as this to each side on the screen."""
    x, y = middle(page, "#view")
    drag(page, (x - reach, y), (x + reach, y))


def answer_once(page: Page, status: int, code: str, retry_after_s: int = 0) -> None:
    """Let the next photo be refused, and those after it go to the server."""
    answers = iter([status])

    def reply(route: Route) -> None:
        if next(answers, None) is None:
            return route.fallback()
        headers = {"Retry-After": str(retry_after_s)}
        return route.fulfill(status=status, headers=headers, json={"error": {"code": code, "message": "No."}})

    page.route(CUT_OUT, reply)


class Gate:
    """Holds back the photos that the page sends, but for the first few, until they are let through."""

    def __init__(self, page: Page, *, but_for: int = 0) -> None:
        self.held: list[Route] = []
        self._page = page
        self._but_for = but_for
        self._is_open = False
        page.route(CUT_OUT, self._take)

    def wait(self, count: int = 1) -> None:
        """Wait until so many are held back."""
        assert eventually(self._page, lambda: len(self.held) >= count)

    def open(self) -> None:
        """Let through what is held back, and all that comes."""
        self._is_open = True
        for route in self.held:
            route.fallback()

    def _take(self, route: Route) -> None:
        self._but_for -= 1
        if self._is_open or self._but_for >= 0:
            route.fallback()
        else:
            self.held.append(route)
