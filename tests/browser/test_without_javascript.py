"""The page as a plain form."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.browser.people import Pixels, open_part, pick
from tests.support import opened


@pytest.fixture
def plain_page(visit: Visit) -> Page:
    """The page in a browser without JavaScript."""
    page = visit(java_script_enabled=False, may_fail=True)
    page.goto("/")
    return page


def result(page: Page) -> Pixels:
    """The picture that the page shows, RGBA; the file of its download is the same."""
    source = page.get_by_role("img", name="Your photo with its background removed").get_attribute("src")
    assert source
    assert page.get_by_role("link", name="Download").get_attribute("href") == source
    return np.asarray(opened(base64.b64decode(source.partition(",")[2])).convert("RGBA"))


def is_see_through(pixels: Pixels) -> bool:
    return pixels[0, 0, 3] == 0


def is_purple(pixels: Pixels) -> bool:
    return tuple(pixels[0, 0]) == (0x80, 0x40, 0xC0, 255)


def goes_from_white_to_purple(pixels: Pixels) -> bool:
    return pixels[0, 0].min() > 250 and np.abs(pixels[-1, 0].astype(int) - (0x80, 0x40, 0xC0, 255)).max() < 5


def is_opaque(pixels: Pixels) -> bool:
    return bool(pixels[:, :, 3].min() == 255) and len(np.unique(pixels[:, 0, :3], axis=0)) > 10


@pytest.mark.parametrize(
    ("kind", "is_right"),
    [
        ("transparent", is_see_through),
        ("color", is_purple),
        ("gradient", goes_from_white_to_purple),
        ("image", is_opaque),
        ("blur", is_opaque),
    ],
)
def test_each_background_is_made_by_the_plain_form(
    plain_page: Page, photos: dict[str, Path], kind: str, is_right: Callable[[Pixels], bool]
) -> None:
    plain_page.set_input_files("#file", photos["girl"])
    pick(plain_page, "background", kind)
    plain_page.locator("#color").fill("#8040c0")
    plain_page.locator("#gradient-to").fill("#8040c0")
    plain_page.set_input_files("#background-image", photos["car"])
    plain_page.get_by_role("button", name="Remove the background").click()
    pixels = result(plain_page)
    assert pixels.shape == (267, 400, 4)
    assert is_right(pixels)
    expect(plain_page.locator("#status")).to_contain_text("400 × 267 px · u2netp")
    expect(plain_page.locator(f'input[value="{kind}"]')).to_be_checked()


def test_size_and_format_are_the_plain_forms_too(plain_page: Page, photos: dict[str, Path]) -> None:
    plain_page.set_input_files("#file", photos["girl"])
    open_part(plain_page, "Size and crop")
    open_part(plain_page, "File format")
    plain_page.locator("#preset").select_option("banner")
    pick(plain_page, "format", "jpeg")
    plain_page.get_by_role("button", name="Remove the background").click()
    assert result(plain_page).shape == (500, 1500, 4)
    expect(plain_page.get_by_role("link", name="Download")).to_have_attribute("download", "girl.jpg")


def test_what_is_wrong_is_said_and_the_form_is_there_again(plain_page: Page, tmp_path: Path) -> None:
    words = tmp_path / "words.jpg"
    words.write_bytes(b"These are only words.")
    plain_page.set_input_files("#file", words)
    plain_page.get_by_role("button", name="Remove the background").click()
    expect(plain_page.get_by_role("alert")).to_contain_text("This is not a photo we can read.")
    expect(plain_page.get_by_role("button", name="Remove the background")).to_be_visible()


def test_what_needs_javascript_is_not_offered(plain_page: Page) -> None:
    for selector in ("#split", "#zoom-in", "#copy", "#address", "#camera", "#touch", "#list"):
        expect(plain_page.locator(selector)).to_be_hidden()
    expect(plain_page.get_by_role("img", name="After")).to_be_visible()
