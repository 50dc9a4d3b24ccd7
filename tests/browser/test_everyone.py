"""The page is for everyone: by any screen, language, direction, colour scheme, and aid."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Page, expect

from app.routes import language
from tests.browser.conftest import Visit
from tests.browser.people import choose, come, cut_out, entries, pick, result_on, set_range, slow_uploads, wait_for

LARGE, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}
RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]}}
LEAST_TARGET_PX = 24

# What is wider than the screen, but for what scrolls within a box of its own.
TOO_WIDE = """() => {
  const page = document.documentElement, wide = page.scrollWidth > page.clientWidth ? ["the page"] : [];
  for (const element of document.querySelectorAll("body *")) {
    const { left, right, width } = element.getBoundingClientRect();
    if (!width || element.closest(".list, .hide, svg") || !element.checkVisibility()) continue;
    if (left < -0.5 || right > innerWidth + 0.5) wide.push(element.id || element.className || element.tagName);
  }
  return wide;
}"""
# What can be pressed, with the label that can be pressed in its place.
TARGETS = """() => [...document.querySelectorAll("a, button, input, select, summary")]
  .filter((element) => element.checkVisibility({ visibilityProperty: true }))
  .map((element) => {
    const target = element.type === "checkbox" ? element.closest("label") : element;
    const { width, height } = target.getBoundingClientRect();
    return { name: element.id || element.outerHTML.slice(0, 80), width, height };
  })"""
OPEN_ALL = "() => { for (const part of document.querySelectorAll('details')) part.open = true; }"
SHOW_ALL_PARTS = "() => { for (const part of document.querySelectorAll('.part')) part.hidden = false; }"


def faults(page: Page) -> dict[str, Any]:
    """What axe finds: rule → the places."""
    answer = Axe().run(page, options=RULES).response
    assert len(answer["passes"]) > 20
    return {each["id"]: [node["html"] for node in each["nodes"]] for each in answer["violations"]}


@pytest.mark.parametrize("viewport", [LARGE, PHONE], ids=["large", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_any_state(
    visit: Visit, photos: dict[str, Path], tmp_path: Path, scheme: str, viewport: dict[str, int]
) -> None:
    # Colours are measured where they rest, not on their way.
    page = visit(may_fail=True, viewport=viewport, color_scheme=scheme, reduced_motion="reduce")
    words = tmp_path / "words.jpg"
    words.write_bytes(b"These are only words.")
    come(page)
    found = {"example": faults(page)}
    with slow_uploads(page):
        choose(page, photos["girl"])
        wait_for(page, "busy")
        found["busy"] = faults(page)
        page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Try again").click()
    wait_for(page, "done")
    page.evaluate(OPEN_ALL)
    page.evaluate(SHOW_ALL_PARTS)
    found["done, all open"] = faults(page)
    pick(page, "brush", "erase")
    found["touch-up"] = faults(page)
    choose(page, words)
    wait_for(page, "failed")
    found["failed, several photos"] = faults(page)
    assert found == dict.fromkeys(found, {})


def too_wide(page: Page) -> dict[int, list[str]]:
    """What is wider than the screens of phones: their width → what."""
    found = {}
    for width in (360, 320):
        page.set_viewport_size({"width": width, "height": 640})
        found[width] = page.evaluate(TOO_WIDE)
    return {width: wide for width, wide in found.items() if wide}


@pytest.mark.parametrize("code", language.STRINGS)
@pytest.mark.parametrize("direction", ["ltr", "rtl"])
def test_nothing_is_wider_than_a_phone(visit: Visit, photos: dict[str, Path], code: str, direction: str) -> None:
    page = visit(viewport={"width": 320, "height": 640})
    come(page, f"/?lang={code}")
    page.evaluate("(direction) => { document.documentElement.dir = direction; }", direction)
    assert too_wide(page) == {}
    choose(page, photos["girl"], photos["hockey"])
    expect(entries(page, "done")).to_have_count(2)
    page.evaluate(OPEN_ALL)
    page.evaluate(SHOW_ALL_PARTS)
    assert too_wide(page) == {}


def test_before_is_on_the_right_where_one_reads_from_there(page: Page, photos: dict[str, Path]) -> None:
    cut_out(page, photos["girl"])
    page.evaluate("() => { document.documentElement.dir = 'rtl'; }")
    box = page.locator("#view").bounding_box()
    assert box
    page.locator("#zoom-actual").click()
    original = np.asarray(Image.open(photos["girl"]).convert("RGB")).astype(int)
    is_before = np.abs(result_on(page, 400, 267, split=50) - original).max(axis=(0, 2)) <= 2
    assert is_before[215:].all()
    assert not is_before[:185].any()
    page.locator("#split").press("ArrowLeft")
    assert page.locator("#split").input_value() == "51"


@pytest.mark.parametrize("viewport", [LARGE, PHONE], ids=["large", "phone"])
def test_whatever_can_be_pressed_is_large_enough(
    visit: Visit, photos: dict[str, Path], viewport: dict[str, int]
) -> None:
    page = visit(viewport=viewport)
    cut_out(page, photos["girl"], photos["hockey"])
    page.evaluate(OPEN_ALL)
    page.evaluate(SHOW_ALL_PARTS)
    targets = page.evaluate(TARGETS)
    assert len(targets) > 30
    assert [each for each in targets if min(each["width"], each["height"]) < LEAST_TARGET_PX] == []


def test_the_tab_key_comes_to_everything(page: Page, photos: dict[str, Path]) -> None:
    cut_out(page, photos["girl"], photos["hockey"])
    page.evaluate(OPEN_ALL)
    seen = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("() => document.activeElement.id || document.activeElement.name"))
    wanted = {"file", "address", "fetch", "view", "split", "zoom-in", "zoom-out", "zoom-fit", "zoom-actual", "download"}
    wanted |= {"copy", "zip", "clear", "background", "shadow", "preset", "crop", "brush", "brush-size", "format"}
    assert wanted - seen == set()


@pytest.mark.parametrize(
    ("locale", "path", "code", "title"),
    [
        ("es-MX", "/", "es", "Quita el fondo de una foto"),
        ("pt-BR", "/", "pt", language.STRINGS["pt"]["title"]),
        ("fr-FR", "/", "en", "Remove the background of a photo"),
        ("es-ES", "/?lang=pt", "pt", language.STRINGS["pt"]["title"]),
    ],
)
def test_the_page_speaks_a_persons_language(
    visit: Visit, photos: dict[str, Path], locale: str, path: str, code: str, title: str
) -> None:
    page = visit(locale=locale)
    come(page, path)
    assert page.locator("html").get_attribute("lang") == code
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    choose(page, photos["girl"])
    wait_for(page, "done")
    expect(entries(page)).to_contain_text(language.STRINGS[code]["state.done"])


def test_another_language_is_chosen(page: Page) -> None:
    come(page)
    page.get_by_role("link", name="Español").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Quita el fondo de una foto")
    expect(page.get_by_role("link", name="Español")).to_have_attribute("aria-current", "true")


def test_the_page_can_be_installed(page: Page) -> None:
    come(page)
    address = page.locator('link[rel="manifest"]').get_attribute("href")
    assert address
    answer = page.request.get(address)
    manifest = answer.json()
    assert {"name", "short_name", "start_url", "display"} <= {*manifest}
    sizes = set()
    for icon in manifest["icons"]:
        drawn = page.evaluate(
            """async (src) => {
              const image = new Image();
              image.src = src;
              await image.decode();
              return `${image.naturalWidth}x${image.naturalHeight}`;
            }""",
            urljoin(answer.url, icon["src"]),
        )
        assert icon["sizes"] in (drawn, "any")
        sizes.add(icon["sizes"])
    assert {"192x192", "512x512"} <= sizes
    devtools = page.context.new_cdp_session(page)
    assert devtools.send("Page.getInstallabilityErrors")["installabilityErrors"] in (
        [],
        [{"errorId": "in-incognito", "errorArguments": []}],
    )


def test_nothing_moves_for_who_asked_for_that(visit: Visit, photos: dict[str, Path]) -> None:
    page = visit(reduced_motion="reduce")
    come(page)
    with slow_uploads(page):
        choose(page, photos["girl"])
        wait_for(page, "busy")
        assert page.evaluate("() => document.getAnimations().length") == 0
    assert page.locator("#download").evaluate("(button) => getComputedStyle(button).transitionDuration") == "0s"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_as_light_or_dark_as_the_system(visit: Visit, scheme: str) -> None:
    page = visit(color_scheme=scheme)
    come(page)
    color = page.locator("body").evaluate("(body) => getComputedStyle(body).backgroundColor")
    channels = [int(part) for part in color.removeprefix("rgb(").removesuffix(")").split(",")]
    assert (sum(channels) > 3 * 128) == (scheme == "light")


def test_the_checks_follow_when_the_system_turns_dark(page: Page, photos: dict[str, Path]) -> None:
    cut_out(page, photos["girl"])
    set_range(page, "#split", 0)
    light = result_on(page, 400, 267)
    page.emulate_media(color_scheme="dark")
    assert result_on(page, 400, 267).mean() < light.mean() - 10
