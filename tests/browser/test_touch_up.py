"""The brush: what it takes away is gone, what it keeps is back, and the file has it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.browser.people import (
    LINE,
    Pixels,
    across,
    alpha_of,
    cut_out,
    download,
    entries,
    eventually,
    fingers,
    middle,
    open_part,
    pick,
    stage,
    take,
)
from tests.support import opened

PHONE = {"has_touch": True, "is_mobile": True, "viewport": {"width": 360, "height": 740}}


@pytest.fixture
def before(page: Page, photos: dict[str, Path]) -> Pixels:
    """The alpha of the photo that the page has cut out."""
    cut_out(page, photos["girl"])
    return alpha_of(page)


def test_the_mouse_erases(page: Page, before: Pixels) -> None:
    take(page, "erase")
    across(page)
    after = alpha_of(page)
    assert before[LINE].max() == 255
    assert after[LINE].max() == 0
    far = np.ones(before.shape, bool)
    far[95:175, 60:340] = False
    assert np.abs(after.astype(int) - before)[far].max() <= 1


def test_the_mouse_brings_back(page: Page, before: Pixels, photos: dict[str, Path]) -> None:
    take(page, "keep")
    across(page)
    file = np.asarray(opened(download(page)[1]))
    original = np.asarray(opened(photos["girl"].read_bytes()).convert("RGB")).astype(int)
    assert before[LINE].min() == 0
    assert file[:, :, 3][LINE].min() == 255
    assert np.abs(file[:, :, :3] - original)[LINE].max() <= 2


def test_keys_erase(page: Page, before: Pixels) -> None:
    take(page, "erase")
    view = page.locator("#view")
    view.press("Space")
    for _ in range(10):
        view.press("ArrowRight")
    view.press("Space")
    view.press("ArrowDown")
    after = alpha_of(page)
    assert after[118:148, 200:280].max() == 0
    assert (after == before)[118:148, :160].all()


def test_a_finger_erases_and_two_zoom(visit: Visit, photos: dict[str, Path]) -> None:
    page = visit(**PHONE)
    cut_out(page, photos["girl"])
    page.locator("#touch summary").tap()
    page.locator('input[name="brush"][value="erase"]').check()
    x, y = middle(page, "#view")
    whole = stage(page)
    fingers(page, ((x - 60, y), (x + 60, y)))
    assert eventually(page, lambda: bool((stage(page) != whole).any()))
    erased = alpha_of(page)
    assert erased[erased.shape[0] // 2, erased.shape[1] // 2] == 0
    fingers(page, ((x - 20, y), (x - 20, y - 60)), ((x + 20, y), (x + 20, y + 60)))
    assert (alpha_of(page) == erased).all()


def test_strokes_are_undone_redone_and_all_taken_back(page: Page, before: Pixels) -> None:
    take(page, "erase")
    undo, redo, over = (page.get_by_role("button", name=name) for name in ("Undo", "Redo", "Start over"))
    for button in (undo, redo, over):
        expect(button).to_be_disabled()
    across(page)
    after = alpha_of(page)
    undo.click()
    assert (alpha_of(page) == before).all()
    redo.click()
    assert (alpha_of(page) == after).all()
    over.click()
    assert (alpha_of(page) == before).all()
    expect(over).to_be_disabled()
    undo.click()
    assert (alpha_of(page) == after).all()


def test_undo_has_its_keys(page: Page, before: Pixels) -> None:
    take(page, "erase")
    across(page)
    page.locator("#view").press("ControlOrMeta+z")
    assert (alpha_of(page) == before).all()


def test_a_touched_up_photo_keeps_its_look(page: Page, before: Pixels) -> None:
    take(page, "erase")
    across(page)
    pick(page, "brush", "off")
    pick(page, "background", "color")
    page.get_by_role("button", name="Green").click()
    open_part(page, "File format")
    pick(page, "format", "jpeg")
    name, file = download(page)
    assert name == "girl.jpg"
    pixels = np.asarray(opened(file).convert("RGB")).astype(int)
    assert np.abs(pixels[LINE] - (0x00, 0xB1, 0x40)).max() <= 16  # of JPEG's own


def test_other_photos_are_left_as_they_are(page: Page, photos: dict[str, Path]) -> None:
    cut_out(page, photos["girl"], photos["hockey"])
    entries(page).nth(1).locator(".thumb").click()
    other = alpha_of(page)
    entries(page).nth(0).locator(".thumb").click()
    take(page, "erase")
    across(page)
    touched = alpha_of(page)
    entries(page).nth(1).locator(".thumb").click()
    assert (alpha_of(page) == other).all()
    entries(page).nth(0).locator(".thumb").click()
    assert (alpha_of(page) == touched).all()
