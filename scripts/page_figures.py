"""Print what the page weighs and how soon it is there, in a real browser: python scripts/page_figures.py

Starts the server by its Procfile with the real model of the shared folder beside the repo, and visits its page in
Debian's Chromium with a cold cache: the first load, then a photo and its result, then every panel. Prints Markdown
tables of medians; the exit status is 1 where the page is over its budget.
"""

from __future__ import annotations

import shutil
import statistics
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO))

from scripts.box import Server  # noqa: E402
from scripts.load import AUTHOR_PHOTOS  # noqa: E402
from scripts.measure import MODEL_ENV, table  # noqa: E402

WEIGHT_BYTES = 100_000  # of the first load, without the sample's pictures
FIRST_PAINT_MS = 500  # where the CPU is not slowed down
SHIFT = 0.01
VISITS = 5
PHOTO = AUTHOR_PHOTOS / "girl.png"
PANELS = "summary, [role=tab], [aria-expanded=false]"
# Media type, or its first half → what it is to a reader.
KINDS = {
    "text/html": "HTML",
    "text/css": "CSS",
    "text/javascript": "JavaScript",
    "application/json": "strings",
    "application/manifest+json": "icons and manifest",
    "image": "icons and manifest",
}
SAMPLE = "sample"
# The sum of all shifts: never less than the layout shift score, which is that of the worst five seconds.
WATCH = """
  globalThis.figures = { largestPaintMs: 0, shift: 0 };
  const watch = (type, see) => new PerformanceObserver((list) => list.getEntries().forEach(see))
    .observe({ type, buffered: true });
  watch("largest-contentful-paint", ({ startTime }) => (figures.largestPaintMs = startTime));
  watch("layout-shift", ({ value, hadRecentInput }) => (figures.shift += hadRecentInput ? 0 : value));
"""
FIRST_PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0].startTime"


@dataclass(frozen=True)
class View:
    """A window, and how many times slower its CPU is made."""

    width_px: int
    height_px: int
    slowdown: int = 1

    def __str__(self) -> str:
        return f"{self.width_px} px" + (f", CPU {self.slowdown} times slower" if self.slowdown > 1 else "")


@dataclass(frozen=True)
class Visit:
    """The figures of one visit: bytes by kind and requests of its first load, paints, and all shifts to its end."""

    weight_bytes: Counter[str]
    requests: int
    first_paint_ms: float
    largest_paint_ms: float
    shift: float

    @property
    def own_bytes(self) -> int:
        """What the page weighs without the sample's pictures."""
        return self.weight_bytes.total() - self.weight_bytes[SAMPLE]


VIEWS = tuple(View(*size, slowdown) for size in ((1280, 800), (360, 740)) for slowdown in (1, 4))


def kind_of(url: str, media_type: str) -> str:
    """What an answer is to a reader: one of KINDS, the sample, or its media type."""
    if "/sample" in url:
        return SAMPLE
    return KINDS.get(media_type) or KINDS.get(media_type.partition("/")[0]) or media_type


def visit(browser: Browser, url: str, view: View) -> Visit:
    """Visit the page for the first time, have a photo cut out, open every panel."""
    with browser.new_context(viewport={"width": view.width_px, "height": view.height_px}) as context:
        page = context.new_page()
        page.add_init_script(WATCH)
        devtools = context.new_cdp_session(page)
        devtools.send("Network.enable")
        devtools.send("Emulation.setCPUThrottlingRate", {"rate": view.slowdown})
        kinds: dict[str, str] = {}
        weight_bytes = Counter[str]()

        def began(event: dict[str, Any]) -> None:
            kinds[event["requestId"]] = kind_of(event["response"]["url"], event["response"]["mimeType"])

        def ended(event: dict[str, Any]) -> None:
            weight_bytes[kinds[event["requestId"]]] += int(event["encodedDataLength"])

        devtools.on("Network.responseReceived", began)
        devtools.on("Network.loadingFinished", ended)
        page.goto(url, wait_until="networkidle")
        first_load, requests = weight_bytes.copy(), len(kinds)
        first_paint_ms = page.evaluate(FIRST_PAINT)
        largest_paint_ms = page.evaluate("figures.largestPaintMs")
        page.set_input_files("#file", PHOTO)
        page.wait_for_selector("[data-state=done]")
        open_panels(page)
        return Visit(first_load, requests, first_paint_ms, largest_paint_ms, page.evaluate("figures.shift"))


def open_panels(page: Page) -> None:
    """Open every panel that can be opened, one after the other."""
    for opener in page.locator(PANELS).all():
        if opener.is_visible():
            opener.click()


def over_budget(visits: dict[View, list[Visit]]) -> list[str]:
    """The sentences that say where the page is over its budget."""
    sentences = []
    weight_bytes = max(seen.own_bytes for seens in visits.values() for seen in seens)
    if weight_bytes >= WEIGHT_BYTES:
        sentences.append(f"The page weighs {weight_bytes} bytes; it may have less than {WEIGHT_BYTES}.")
    for view, seens in visits.items():
        paint_ms = statistics.median(seen.first_paint_ms for seen in seens)
        shift = statistics.median(seen.shift for seen in seens)
        if view.slowdown == 1 and paint_ms >= FIRST_PAINT_MS:
            sentences.append(f"{view}: first paint after {paint_ms:.0f} ms; it should take less than {FIRST_PAINT_MS}.")
        if shift > SHIFT:
            sentences.append(f"{view}: the layout shifts by {shift:.3f}; at most {SHIFT} is allowed.")
    return sentences


def print_tables(visits: dict[View, list[Visit]]) -> None:
    """Print the weight of the first load, and the paints and shifts of each view."""
    seen = visits[VIEWS[0]][0]
    rows = [(kind, size) for kind, size in sorted(seen.weight_bytes.items()) if kind != SAMPLE]
    totals = [("**without the sample**", seen.own_bytes), ("with the sample's pictures", seen.weight_bytes.total())]
    table("First load of the page, bytes on the wire with headers", ("", "bytes"), [*rows, *totals])
    columns = ("window", "first paint, ms", "largest paint, ms", "layout shift", "requests")
    table(f"The page's medians of {VISITS} visits", columns, [(view, *medians(visits[view])) for view in VIEWS])


def medians(visits: Sequence[Visit]) -> tuple[str, ...]:
    """The medians of visits, as the table has them."""
    figures = {"first_paint_ms": ".0f", "largest_paint_ms": ".0f", "shift": ".4f", "requests": ".0f"}
    return tuple(
        format(statistics.median(getattr(seen, name) for seen in visits), digits) for name, digits in figures.items()
    )


def main() -> None:
    """Measure, print, and end with 1 where the page is over its budget."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("chromium is not installed (on Debian: apt-get install chromium)")
    with Server(env=MODEL_ENV) as server, sync_playwright() as playwright:
        server.wait_for("/ready")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        visit(browser, server.url, VIEWS[0])  # the server has not answered yet, and the network is not loaded
        visits = {view: [visit(browser, server.url, view) for _ in range(VISITS)] for view in VIEWS}
        browser.close()
    print_tables(visits)
    sentences = over_budget(visits)
    print(*sentences, sep="\n", file=sys.stderr)
    raise SystemExit(bool(sentences))


if __name__ == "__main__":
    main()
