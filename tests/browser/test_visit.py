"""One visit: the example, the list of photos, what is told of each, and nothing that is left behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Request, expect

from scripts.box import Server
from tests.browser.conftest import Visit
from tests.browser.people import choose, come, cut_out, entries, pick, slow_uploads, stage, wait_for

LEFT_BEHIND = """async () => ({
  local: { ...localStorage }, session: { ...sessionStorage }, cookies: document.cookie,
  caches: await globalThis.caches?.keys() ?? [], databases: await indexedDB.databases(),
  workers: (await navigator.serviceWorker?.getRegistrations() ?? []).length,
})"""


@pytest.fixture
def asked(page: Page) -> list[Request]:
    """Every request of the page."""
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request))
    return asked


@pytest.fixture
def server_without_u2netp(tmp_path: Path) -> Iterator[Server]:
    """A server on a fresh host without a way to any other."""
    with Server(env={"U2NET_HOME": str(tmp_path), "AUTO_DOWNLOAD": "0"}, log=tmp_path / "log") as server:
        yield server


@pytest.fixture
def server_without_networks(tmp_path: Path) -> Iterator[Server]:
    """A server whose installation is damaged, so that OpenCV serves."""
    env = {"U2NET_HOME": str(tmp_path), "AUTO_DOWNLOAD": "0"}
    with Server(env=env, log=tmp_path / "log", app="tests.no_networks:app") as server:
        yield server


def test_a_finished_example_is_there_without_an_upload(page: Page, asked: list[Request]) -> None:
    come(page)
    assert {request.method for request in asked} == {"GET"}
    expect(page.locator("#status")).to_contain_text("An example: yours will look like this.")
    expect(page.locator("#status")).to_contain_text("Rachel Michetti, Pikolo Espresso Bar (CC0)")
    expect(page.locator("#split")).to_have_value("50")
    assert stage(page)[:, :, 3].any()


def test_a_background_can_be_tried_on_the_example(page: Page, asked: list[Request]) -> None:
    come(page)
    before = stage(page)
    pick(page, "background", "gradient")
    assert (stage(page) != before).any()
    assert {request.method for request in asked} == {"GET"}


def test_the_list_has_a_picture_a_name_and_a_state_of_each_photo(page: Page, photos: dict[str, Path]) -> None:
    cut_out(page, photos["girl"], photos["hockey"])
    assert entries(page).locator(".thumb-name").all_inner_texts() == ["girl.png", "hockey.png"]
    assert entries(page).locator(".thumb-state").all_inner_texts() == ["Done", "Done"]
    expect(entries(page).locator("canvas")).to_have_count(2)
    expect(entries(page).nth(0).locator(".thumb")).to_have_attribute("aria-current", "true")


def test_photos_wait_for_those_before_them(page: Page, photos: dict[str, Path]) -> None:
    come(page)
    with slow_uploads(page):
        choose(page, photos["girl"], photos["hockey"], photos["whisk"])
        expect(entries(page).nth(2)).to_contain_text("Waiting")
        page.get_by_role("button", name="Cancel").click()
        expect(entries(page).nth(2)).not_to_contain_text("Waiting")


def test_the_state_of_one_photo_does_not_colour_the_others(
    visit: Visit, photos: dict[str, Path], tmp_path: Path
) -> None:
    page = visit(may_fail=True)
    words = tmp_path / "words.jpg"
    words.write_bytes(b"These are only words.")
    cut_out(page, photos["girl"])
    color = "(line) => getComputedStyle(line).color"
    before = entries(page).locator(".thumb-state").evaluate(color)
    choose(page, words)
    wait_for(page, "failed")
    colors = [line.evaluate(color) for line in entries(page).locator(".thumb-state").all()]
    assert colors[0] == before != colors[1]


def test_another_photo_of_the_list_is_shown(page: Page, photos: dict[str, Path]) -> None:
    cut_out(page, photos["girl"], photos["car"])
    expect(page.locator("#status")).to_contain_text("400 × 267 px")
    entries(page).nth(1).locator(".thumb").press("Enter")
    expect(page.locator("#status")).to_contain_text("480 × 360 px")
    expect(entries(page).nth(1).locator(".thumb")).to_have_attribute("aria-current", "true")
    page.get_by_role("button", name="Example").click()
    expect(page.locator("#status")).to_contain_text("An example")


def test_a_photo_is_taken_from_the_list(page: Page, photos: dict[str, Path]) -> None:
    cut_out(page, photos["girl"], photos["car"])
    page.get_by_role("button", name="Remove girl.png from the list").click()
    assert entries(page).locator(".thumb-name").all_inner_texts() == ["car-1.jpg"]
    expect(page.locator("#status")).to_contain_text("480 × 360 px")
    expect(entries(page).locator(".thumb")).to_be_focused()


def test_a_photo_that_is_under_way_can_be_taken_from_the_list(page: Page, photos: dict[str, Path]) -> None:
    come(page)
    ended: list[str] = []
    page.on("requestfailed", lambda request: ended.append(request.method))
    with slow_uploads(page):
        choose(page, photos["girl"])
        wait_for(page, "busy")
        page.get_by_role("button", name="Remove girl.png from the list").click()
        expect(entries(page)).to_have_count(0)
    choose(page, photos["hockey"])
    wait_for(page, "done")
    assert "POST" in ended


def test_the_list_is_cleared(page: Page, photos: dict[str, Path]) -> None:
    cut_out(page, photos["girl"], photos["hockey"])
    page.get_by_role("button", name="Clear the list").click()
    expect(entries(page)).to_have_count(0)
    expect(page.locator("#status")).to_contain_text("An example")
    choose(page, photos["girl"])
    wait_for(page, "done")


def test_nothing_is_left_in_the_browser_and_that_is_said(page: Page, photos: dict[str, Path]) -> None:
    cut_out(page, photos["girl"])
    expect(page.get_by_text("Photos are worked on in memory and never stored.")).to_be_visible()
    left = page.evaluate(LEFT_BEHIND)
    assert left == {"local": {}, "session": {}, "cookies": "", "caches": [], "databases": [], "workers": 0}
    assert page.context.cookies() == []
    page.reload()
    expect(page.locator("#sample")).to_have_count(0)
    expect(entries(page)).to_have_count(0)


def test_the_model_and_its_time_are_told(page: Page, photos: dict[str, Path]) -> None:
    cut_out(page, photos["girl"])
    assert page.locator("#status").inner_text().startswith("400 × 267 px · u2netp · ")
    assert page.locator("#status").inner_text().endswith(" s")
    expect(page.locator("#notice")).to_be_hidden()


def test_the_network_that_comes_with_the_app_is_told_like_any_other(
    visit: Visit, server_without_u2netp: Server, photos: dict[str, Path]
) -> None:
    page = visit(url=server_without_u2netp.url)
    cut_out(page, photos["girl"])
    expect(page.locator("#status")).to_contain_text("400 × 267 px · tinycut · ")
    expect(page.locator("#notice")).not_to_contain_text("OpenCV")


def test_the_fallback_is_told(visit: Visit, server_without_networks: Server, photos: dict[str, Path]) -> None:
    page = visit(url=server_without_networks.url)
    cut_out(page, photos["girl"])
    expect(page.locator("#status")).to_contain_text("OpenCV")
    expect(page.locator("#notice")).to_contain_text("A simpler method (OpenCV) was used")
