"""Pictures of the page in each of its states, by the real server in a real Chromium; and those of the README.

    python scripts/screenshots.py [FOLDER] [--photos FOLDER] [--readme]

Each is taken on a large screen and on a phone, light and dark. The server finds its model as it always does
(U2NET_HOME).
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

REPO = Path(__file__).resolve().parents[1]
if __name__ == "__main__":
    sys.path.insert(0, str(REPO))

from scripts.box import Server  # noqa: E402

SAMPLE = REPO / "app/static/sample.jpg"
SCREENS: dict[str, ViewportSize] = {"1280": {"width": 1280, "height": 900}, "360": {"width": 360, "height": 740}}
SCHEMES = ("light", "dark")
BACKGROUNDS = ("color", "gradient", "image", "blur")
README_PICTURES = (("page.png", "1280", "light"), ("page-phone.png", "360", "dark"))
README_BYTES = 250_000
LIMIT_MS = 60_000


@dataclass(frozen=True)
class Studio:
    """A browser, a server and the photos that are put on its page."""

    browser: Browser
    url: str
    photos: list[Path]

    @contextmanager
    def page(self, screen: str, scheme: str, *, javascript: bool = True) -> Iterator[Page]:
        """The page on such a screen."""
        context = self.browser.new_context(
            base_url=self.url,
            viewport=SCREENS[screen],
            color_scheme="dark" if scheme == "dark" else "light",
            java_script_enabled=javascript,
            reduced_motion="reduce",
            locale="en-GB",
        )
        with context:
            page = context.new_page()
            page.goto("/")
            if javascript:
                page.wait_for_selector("#sample", state="detached", timeout=LIMIT_MS)
            yield page


def main() -> None:
    """Take them all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", nargs="?", type=Path, default=REPO / "build/screenshots")
    parser.add_argument("--photos", type=Path, help="folder of photos to put on the page, beside the sample")
    parser.add_argument("--readme", action="store_true", help="write the README's pictures in docs/ instead")
    arguments = parser.parse_args()
    chromium = shutil.which("chromium")
    if not chromium:
        sys.exit("chromium is not installed (on Debian: apt-get install chromium)")
    others = sorted(arguments.photos.glob("*.[jp][pn]*g"))[:3] if arguments.photos else []
    with Server() as server, sync_playwright() as playwright:
        server.wait_for("/ready")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        studio = Studio(browser, server.url, [SAMPLE, *others])
        if arguments.readme:
            readme_pictures(studio)
        else:
            every_state(studio, arguments.folder)
        browser.close()


def readme_pictures(studio: Studio) -> None:
    """The two of the README: the sample, cut out by the server, on a gradient with a shadow."""
    for name, screen, scheme in README_PICTURES:
        with studio.page(screen, scheme) as page:
            cut_out(page, [SAMPLE])
            background(page, "gradient")
            page.get_by_role("button", name="Sky", exact=True).click()
            page.locator("#shadow").check()
            page.locator("#split").fill("38")
            page.evaluate("() => { document.activeElement.blur(); scrollTo(0, 0); }")
            settle(page)
            path = REPO / "docs" / name
            path.write_bytes(in_few_colors(page.screenshot()))
            print(f"{path.relative_to(REPO)}: {path.stat().st_size / 1000:.0f} kB")


def in_few_colors(picture: bytes) -> bytes:
    """A PNG with a palette, small enough for a README."""
    buffer = io.BytesIO()
    image = Image.open(io.BytesIO(picture)).convert("RGB").quantize(256)
    image.save(buffer, "PNG", optimize=True)
    assert buffer.tell() < README_BYTES, f"{buffer.tell()} bytes"
    return buffer.getvalue()


def every_state(studio: Studio, folder: Path) -> None:
    """Each state on each screen in each scheme, one file each."""
    folder.mkdir(parents=True, exist_ok=True)
    for screen in SCREENS:
        for scheme in SCHEMES:
            with studio.page(screen, scheme) as page:
                for name, come_to in STATES.items():
                    come_to(page, studio.photos)
                    page.evaluate("() => scrollTo(0, 0)")
                    settle(page)
                    page.screenshot(path=folder / f"{name}-{screen}-{scheme}.png", full_page=True)
            with studio.page(screen, scheme, javascript=False) as page:
                page.screenshot(path=folder / f"no-javascript-{screen}-{scheme}.png", full_page=True)
                page.set_input_files("#file", SAMPLE)
                page.locator("#submit").click()
                page.wait_for_selector("img.photo", timeout=LIMIT_MS)
                page.screenshot(path=folder / f"no-javascript-done-{screen}-{scheme}.png", full_page=True)
    print(f"{len(list(folder.glob('*.png')))} pictures in {folder}")


# ---- what a person does to come to a state, from the one before


def cut_out(page: Page, photos: list[Path]) -> None:
    page.set_input_files("#file", photos)
    page.wait_for_selector("#cut[data-state=done]", timeout=LIMIT_MS)
    page.wait_for_selector('#list li[data-state="busy"]', state="detached", timeout=LIMIT_MS)


def settle(page: Page) -> None:
    """Wait until the picture is painted."""
    page.evaluate("() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve())))")


def background(page: Page, kind: str) -> None:
    page.locator(f'input[name="background"][value="{kind}"]').check()


def set_open(page: Page, number: int) -> None:
    """Open one part of the panel and close the others."""
    page.locator("details").evaluate_all(
        "(parts, number) => parts.forEach((part, at) => { part.open = at === number; })", number
    )


def show_sample(page: Page, _photos: list[Path]) -> None:
    """The first visit."""


def show_busy(page: Page, photos: list[Path]) -> None:
    path = "**/api/remove-background"
    page.route(path, lambda route: page.once("requestfailed", lambda _request: route.abort()), times=1)
    page.set_input_files("#file", photos[0])
    page.wait_for_selector("#cut[data-state=busy]")


def show_cancelled(page: Page, _photos: list[Path]) -> None:
    page.locator("#cancel").click()
    page.wait_for_selector("#cut[data-state=cancelled]")


def show_done(page: Page, _photos: list[Path]) -> None:
    page.locator("#retry").click()
    page.wait_for_selector("#cut[data-state=done]", timeout=LIMIT_MS)


def show_background(kind: str) -> Callable[[Page, list[Path]], None]:
    def show(page: Page, photos: list[Path]) -> None:
        background(page, kind)
        if kind == "image":
            page.set_input_files("#background-image", photos[-1])

    return show


def show_size(page: Page, _photos: list[Path]) -> None:
    background(page, "color")
    set_open(page, 1)
    page.locator("#preset").select_option("banner")
    page.locator("#crop").check()


def show_touch_up(page: Page, _photos: list[Path]) -> None:
    set_open(page, 2)
    page.locator('input[name="brush"][value="erase"]').check()
    box = page.locator("#view").bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y + 40, steps=8)
    page.mouse.up()


def show_format(page: Page, _photos: list[Path]) -> None:
    page.locator('input[name="brush"][value="off"]').check()
    set_open(page, 3)


def show_several(page: Page, photos: list[Path]) -> None:
    set_open(page, 0)
    cut_out(page, photos)


def show_failed(page: Page, _photos: list[Path]) -> None:
    page.set_input_files("#file", {"name": "words.jpg", "mimeType": "image/jpeg", "buffer": b"These are only words."})
    page.wait_for_selector("#cut[data-state=failed]", timeout=LIMIT_MS)


STATES: dict[str, Callable[[Page, list[Path]], None]] = {
    "01-sample": show_sample,
    "02-busy": show_busy,
    "03-cancelled": show_cancelled,
    "04-done": show_done,
    **{f"{number:02}-{kind}": show_background(kind) for number, kind in enumerate(BACKGROUNDS, 5)},
    "09-size": show_size,
    "10-touch-up": show_touch_up,
    "11-format": show_format,
    "12-several": show_several,
    "13-failed": show_failed,
}


if __name__ == "__main__":
    main()
