"""Ways in for photos: chosen, dropped, pasted, taken with a camera, or fetched from an address."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pillow_heif
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from scripts.box import Server
from tests import fake_internet
from tests.browser.conftest import Visit
from tests.browser.people import choose, come, cut_out, entries, wait_for
from tests.support import encoded

ADDRESS = "http://photos.example/a%20girl.png"
PUT_PICTURE = """async (bytes) => navigator.clipboard.write([
  new ClipboardItem({ "image/png": new Blob([Uint8Array.fromBase64(bytes)], { type: "image/png" }) }),
])"""


@pytest.fixture(scope="module")
def server_online(
    model_env: dict[str, str], photos: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server that finds one photo on the internet, at ADDRESS."""
    with fake_internet.serving() as host:
        host.answer("/a%20girl.png", fake_internet.page(photos["girl"].read_bytes()))
        env = {**model_env, "TEST_HOST_PORT": str(host.server_address[1])}
        log = tmp_path_factory.mktemp("server-online") / "log"
        with Server(env=env, log=log, app="tests.browser.internet:app") as server:
            server.wait_for("/ready")
            yield server


@pytest.fixture
def page_online(visit: Visit, server_online: Server) -> Page:
    return visit(url=server_online.url, may_fail=True, permissions=["clipboard-read", "clipboard-write"])


def names(page: Page) -> list[str]:
    return entries(page).locator(".thumb-name").all_inner_texts()


def test_a_photo_is_chosen_and_cut_out(page: Page, photos: dict[str, Path]) -> None:
    come(page)
    with page.expect_file_chooser() as chooser:
        page.get_by_label("Choose photos").click()
    chooser.value.set_files(photos["girl"])
    wait_for(page, "done")
    assert names(page) == ["girl.png"]
    assert page.locator("#status").inner_text().startswith("400 × 267 px")


def test_the_button_is_opened_by_the_keyboard(page: Page) -> None:
    come(page)
    page.locator("#file").focus()
    with page.expect_file_chooser():
        page.keyboard.press("Space")


def test_several_photos_are_chosen_at_once(page: Page, photos: dict[str, Path]) -> None:
    cut_out(page, photos["girl"], photos["hockey"], photos["whisk"])
    assert names(page) == ["girl.png", "hockey.png", "whisk.png"]


def test_the_same_photo_can_be_chosen_again(page: Page, photos: dict[str, Path]) -> None:
    cut_out(page, photos["girl"])
    choose(page, photos["girl"])
    expect(entries(page, "done")).to_have_count(2)


def test_photos_are_dropped_anywhere_on_the_page(page: Page, photos: dict[str, Path]) -> None:
    come(page)
    devtools = page.context.new_cdp_session(page)
    files = [str(photos["girl"]), str(photos["hockey"])]

    def drag(kind: str) -> None:
        data = {"items": [], "files": files, "dragOperationsMask": 1}
        devtools.send("Input.dispatchDragEvent", {"type": kind, "x": 20, "y": 20, "data": data})

    drag("dragEnter")
    drag("dragOver")
    expect(page.get_by_text("Drop photos here")).to_be_visible()
    drag("drop")
    expect(page.get_by_text("Drop photos here")).to_be_hidden()
    expect(entries(page, "done")).to_have_count(2)


def test_a_picture_is_pasted_from_the_clipboard(visit: Visit, photos: dict[str, Path]) -> None:
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    come(page)
    page.evaluate(PUT_PICTURE, base64.b64encode(photos["girl"].read_bytes()).decode())
    page.keyboard.press("ControlOrMeta+V")
    wait_for(page, "done")
    assert names(page) == ["image.png"]


def test_a_photo_is_taken_with_the_camera_of_a_phone(visit: Visit, photos: dict[str, Path]) -> None:
    page = visit(has_touch=True, is_mobile=True, viewport={"width": 360, "height": 740})
    come(page)
    camera = page.locator("#camera")
    assert camera.get_attribute("capture") == "environment"
    with page.expect_file_chooser() as chooser:
        page.get_by_label("Take a photo").tap()
    chooser.value.set_files(photos["girl"])
    wait_for(page, "done")


def test_a_photo_of_an_iphone_is_cut_out_and_seen_before_and_after(
    page: Page, photos: dict[str, Path], tmp_path: Path
) -> None:
    heic = tmp_path / "IMG_1.HEIC"
    pillow_heif.from_pillow(Image.open(photos["girl"]).convert("RGB")).save(heic)
    cut_out(page, heic)
    expect(page.locator("#split")).to_be_visible()
    expect(entries(page).locator("canvas")).to_be_visible()


def test_an_address_is_typed(page_online: Page) -> None:
    come(page_online)
    page_online.locator("#address").fill(ADDRESS)
    page_online.keyboard.press("Enter")
    wait_for(page_online, "done")
    assert names(page_online) == ["a girl.png"]
    assert page_online.locator("#address").input_value() == ""


def test_an_address_is_pasted_anywhere(page_online: Page) -> None:
    come(page_online)
    page_online.evaluate("(text) => navigator.clipboard.writeText(text)", ADDRESS)
    page_online.keyboard.press("ControlOrMeta+V")
    wait_for(page_online, "done")
    assert names(page_online) == ["a girl.png"]


def test_an_address_without_a_photo_is_told(page_online: Page) -> None:
    come(page_online)
    page_online.locator("#address").fill("http://photos.example/none.png")
    page_online.get_by_role("button", name="Add", exact=True).click()
    wait_for(page_online, "failed")
    expect(page_online.get_by_role("alert")).to_contain_text("No photo could be fetched from this address.")


def test_an_address_within_the_servers_own_network_is_refused(visit: Visit) -> None:
    page = visit(may_fail=True)
    come(page)
    page.locator("#address").fill("http://127.0.0.1:9/photo.jpg")
    page.get_by_role("button", name="Add", exact=True).click()
    wait_for(page, "failed")
    expect(page.get_by_role("alert")).to_contain_text("No public site could be found at this address")


def test_what_is_no_address_is_not_sent(page: Page) -> None:
    come(page)
    page.locator("#address").fill("no address")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#address")).to_be_focused()
    expect(entries(page)).to_have_count(0)


def test_a_photo_that_is_turned_by_its_exif_stands_upright(page: Page, photos: dict[str, Path], tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = tmp_path / "turned.jpg"
    turned.write_bytes(encoded(Image.open(photos["car"]), "JPEG", exif=exif))
    cut_out(page, turned)
    assert page.locator("#status").inner_text().startswith("360 × 480 px")
