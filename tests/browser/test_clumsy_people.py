"""What people do that no plan of a page has: in a hurry, by mistake, with odd files, on odd screens."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
import requests
from PIL import Image
from playwright.sync_api import Page, expect

from app.routes import language
from scripts.box import Server
from tests.browser.conftest import Visit
from tests.browser.people import (
    LINE,
    Gate,
    across,
    alpha_of,
    answer_once,
    choose,
    come,
    cut_out,
    download,
    entries,
    eventually,
    fingers,
    is_drawn,
    middle,
    open_part,
    pick,
    result_on,
    slow_answers,
    stage,
    take,
    wait_for,
)
from tests.support import encoded, opened

SENTENCES = language.STRINGS["en"]
ORIENTATION = 0x0112
PHONE = {"has_touch": True, "is_mobile": True, "viewport": {"width": 360, "height": 740}}
CLICK = "(buttons, numbers) => { for (const number of numbers) buttons[number].click(); }"
# Chooses the second photo as soon as the exact picture of the first, 2000 pixels wide, is begun.
LEAVE_EARLY = """const { getContext } = HTMLCanvasElement.prototype;
HTMLCanvasElement.prototype.getContext = function (kind, options) {
  if (this.width === 2000 && options?.willReadFrequently && !window.hasLeft) {
    window.hasLeft = true;
    setTimeout(() => [...document.querySelectorAll("#list .thumb")].at(-1).click());
  }
  return getContext.call(this, kind, options);
};"""
# Whether the middle of what has the focus is covered by the stage.
UNDER_THE_STAGE = """() => {
  const held = document.activeElement, stage = document.getElementById("stage");
  const { left, top, width, height } = held.getBoundingClientRect();
  const onTop = document.elementFromPoint(left + width / 2, top + height / 2);
  return { name: held.id || held.outerHTML.slice(0, 80), isUnder: stage.contains(onTop) && !stage.contains(held) };
}"""


# ---- in a hurry


@pytest.mark.parametrize(
    ("clicks", "size"), [([1, 0], "3000 × 2000 px"), ([1, 0, 1], "480 × 360 px"), ([1, 0, 1, 0], "3000 × 2000 px")]
)
def test_who_clicks_quickly_sees_the_photo_of_the_last_click(
    page: Page, photos: dict[str, Path], clicks: list[int], size: str
) -> None:
    cut_out(page, photos["bike"], photos["car"])
    thumbs = entries(page).locator(".thumb")
    thumbs.nth(1 - clicks[-1]).click()
    thumbs.nth(clicks[-1]).click()
    expect(page.locator("#status")).to_contain_text(size)
    assert is_drawn(page)
    seen = stage(page)
    thumbs.nth(0).click()
    expect(page.locator("#status")).to_contain_text("3000 × 2000 px")
    thumbs.evaluate_all(CLICK, clicks)
    assert eventually(page, lambda: bool((stage(page) == seen).all()))
    expect(page.locator("#status")).to_contain_text(size)
    expect(thumbs.nth(clicks[-1])).to_have_attribute("aria-current", "true")


def test_another_photo_can_be_chosen_while_the_exact_picture_is_made(page: Page, photos: dict[str, Path]) -> None:
    page.add_init_script(LEAVE_EARLY)
    cut_out(page, photos["bike"], photos["car"])
    open_part(page, "Size and crop")
    page.get_by_label("Shadow").check()
    page.locator("#preset").select_option("shop")
    expect(entries(page).nth(1).locator(".thumb")).to_have_attribute("aria-current", "true")
    expect(page.locator("#status")).to_contain_text("2000 × 2000 px")
    assert is_drawn(page)


# ---- keys


@pytest.fixture(scope="module")
def server_with_a_key(model_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that wants the key "right-key"."""
    log = tmp_path_factory.mktemp("server-with-a-key") / "log"
    with Server(env={**model_env, "API_KEYS": "right-key"}, log=log) as server:
        server.wait_for("/ready")
        yield server


@pytest.fixture
def page_with_a_key(visit: Visit, server_with_a_key: Server) -> Page:
    return visit(url=server_with_a_key.url, may_fail=True)


@pytest.mark.parametrize("wrong", ["wrong-key", "clé", "ключ", ""])
def test_a_wrong_key_is_told_and_the_right_one_sends_the_photo_again(
    page_with_a_key: Page, photos: dict[str, Path], wrong: str
) -> None:
    page = page_with_a_key
    come(page)
    page.locator("#api-key").fill(wrong)
    choose(page, photos["girl"])
    wait_for(page, "failed")
    expect(page.get_by_role("alert")).to_have_text(SENTENCES["error.invalid_api_key"])
    expect(page.locator("#api-key")).to_have_attribute("aria-invalid", "true")
    page.locator("#api-key").fill("right-key")
    page.locator("#api-key").press("Enter")
    wait_for(page, "done")
    expect(page.locator("#api-key")).to_have_attribute("aria-invalid", "false")


# ---- odd files


def test_a_webp_that_is_turned_by_its_exif_is_the_same_way_up_before_and_after(
    visit: Visit, server: Server, photos: dict[str, Path], tmp_path: Path
) -> None:
    page = visit(viewport={"width": 1280, "height": 1000})
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    turned = tmp_path / "turned.webp"
    turned.write_bytes(encoded(Image.open(photos["car"]).convert("RGB"), "WEBP", exif=exif))
    words = {"output": "photo", "format": "jpeg"}
    answer = requests.post(
        f"{server.url}/api/remove-background",
        headers={"Accept": "image/*"},
        files={"file": turned.read_bytes()},
        data=words,
        timeout=60,
    )
    assert answer.ok, answer.text
    upright = np.asarray(opened(answer.content)).astype(int)
    assert upright.shape == (480, 360, 3)
    cut_out(page, turned)
    expect(page.locator("#status")).to_contain_text("360 × 480 px")
    expect(page.locator("#split")).to_be_visible()
    before = result_on(page, 360, 480, split=100)
    assert np.abs(before - upright).max() <= 2
    file = np.asarray(opened(download(page)[1]))
    after = result_on(page, 360, 480)
    solid = file[:, :, 3] == 255
    assert solid.any()
    assert np.abs(after - upright)[solid].mean() < 5


@pytest.fixture
def heic(photos: dict[str, Path], tmp_path: Path) -> Path:
    """A photo that Chromium cannot read."""
    path = tmp_path / "IMG_1.HEIC"
    pillow_heif.from_pillow(Image.open(photos["girl"]).convert("RGB")).save(path)
    return path


def test_who_cannot_see_the_original_yet_can_work_on_the_cut_out(
    page: Page, photos: dict[str, Path], heic: Path
) -> None:
    gate = Gate(page, but_for=1)
    cut_out(page, heic)
    gate.wait()
    assert is_drawn(page)
    expect(page.locator("#split")).to_be_hidden()
    take(page, "erase")
    across(page)
    assert alpha_of(page)[LINE].max() == 0
    gate.open()
    pick(page, "brush", "off")
    expect(page.locator("#split")).to_be_visible()
    original = np.asarray(Image.open(photos["girl"]).convert("RGB")).astype(int)
    assert np.abs(result_on(page, 400, 267, split=100) - original).mean() < 10
    assert alpha_of(page)[LINE].max() == 0, "the stroke is still there"


def test_an_original_that_cannot_be_shown_is_told(visit: Visit, heic: Path) -> None:
    page = visit(may_fail=True)
    gate = Gate(page, but_for=1)
    cut_out(page, heic)
    gate.wait()
    expect(page.locator("#notice")).to_be_hidden()
    gate.held[0].fulfill(status=500, json={"error": {"code": "internal_error", "message": "No."}})
    expect(page.locator("#notice")).to_have_text(SENTENCES["facts.no_original"])
    expect(page.locator("#split")).to_be_hidden()
    assert is_drawn(page)


def test_a_file_that_is_gone_when_its_turn_comes_is_told(visit: Visit, photos: dict[str, Path], tmp_path: Path) -> None:
    page = visit(may_fail=True)
    gone = tmp_path / "gone.png"
    gone.write_bytes(photos["whisk"].read_bytes())
    come(page)
    gate = Gate(page)
    choose(page, photos["girl"], photos["hockey"], gone)
    gate.wait(2)
    gone.unlink()
    gate.open()
    expect(entries(page, "failed")).to_have_count(1)
    expect(entries(page, "done")).to_have_count(2)
    entries(page, "failed").locator(".thumb").click()
    expect(page.get_by_role("alert")).to_have_text(SENTENCES["error.unreadable_file"])


def drop(page: Page, **data: object) -> None:
    """Drop files or links on the page's corner."""
    devtools = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        event = {"type": kind, "x": 20, "y": 20, "data": {"items": [], "dragOperationsMask": 1, **data}}
        devtools.send("Input.dispatchDragEvent", event)


def test_a_folder_is_told_to_be_unreadable(visit: Visit, tmp_path: Path) -> None:
    page = visit(may_fail=True)
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.txt").write_text("so that it is not empty")
    come(page)
    drop(page, files=[str(folder)])
    wait_for(page, "failed")
    expect(page.get_by_role("alert")).to_have_text(SENTENCES["error.unreadable_file"])


@pytest.mark.parametrize(("address", "count"), [("{own}/static/sample.jpg", 0), ("http://127.0.0.1:9/photo.jpg", 1)])
def test_only_links_to_elsewhere_can_be_dropped(visit: Visit, server: Server, address: str, count: int) -> None:
    page = visit(may_fail=True)
    come(page)
    drop(page, items=[{"mimeType": "text/uri-list", "data": address.format(own=server.url)}])
    expect(page.get_by_text("Drop photos here")).to_be_hidden()
    expect(entries(page)).to_have_count(count)


def test_an_address_of_no_web_page_is_told_where_it_is_typed(page: Page) -> None:
    come(page)
    field = page.locator("#address")
    field.fill("ftp://x")
    field.press("Enter")
    assert field.evaluate("(field) => field.validationMessage") == SENTENCES["error.invalid_image_url"]
    expect(entries(page)).to_have_count(0)
    field.press("End")
    field.press("y")
    assert field.evaluate("(field) => field.validity.valid")


def test_removing_the_only_photo_leaves_a_page_that_works_without_the_example(
    visit: Visit, photos: dict[str, Path]
) -> None:
    page = visit(may_fail=True)
    page.route("**/sample*", lambda route: route.abort())
    page.goto("/")
    choose(page, photos["girl"])
    wait_for(page, "done")
    page.get_by_role("button", name="Remove girl.png from the list").click()
    expect(entries(page)).to_have_count(0)
    expect(page.locator("#file")).to_be_focused()
    page.mouse.click(*middle(page, "#download"))
    expect(page.locator("#alert")).to_be_hidden()
    pick(page, "background", "color")
    choose(page, photos["car"])
    wait_for(page, "done")
    expect(page.locator("#status")).to_contain_text("480 × 360 px")
    assert is_drawn(page)


# ---- files that are made while something is changed


def test_another_image_of_the_same_name_and_size_makes_another_file(
    page: Page, photos: dict[str, Path], tmp_path: Path
) -> None:
    cut_out(page, photos["girl"])
    pick(page, "background", "image")
    corners = []
    for name, color in (("red", (255, 0, 0)), ("blue", (0, 0, 255))):
        image = tmp_path / name / "behind.bmp"
        image.parent.mkdir()
        image.write_bytes(encoded(Image.new("RGB", (64, 64), color), "BMP"))
        page.set_input_files("#background-image", image)
        assert eventually(page, lambda: bool((stage(page)[..., :3] == color).all(-1).any()))  # noqa: B023
        corners.append(opened(download(page)[1]).convert("RGB").getpixel((0, 0)))
    assert corners == [(255, 0, 0), (0, 0, 255)]


def test_a_file_under_way_keeps_its_format_when_another_is_chosen(page: Page, photos: dict[str, Path]) -> None:
    cut_out(page, photos["girl"])
    open_part(page, "File format")
    pick(page, "format", "webp")
    gate = Gate(page)
    with page.expect_download() as saved:
        page.locator("#download").click()
        gate.wait()
        pick(page, "format", "jpeg")
        gate.open()
    assert saved.value.suggested_filename == "girl.webp"
    assert opened(Path(saved.value.path()).read_bytes()).format == "WEBP"


def test_a_zip_under_way_stays_in_one_format(page: Page, photos: dict[str, Path]) -> None:
    cut_out(page, photos["girl"], photos["hockey"])
    open_part(page, "File format")
    pick(page, "format", "webp")
    gate = Gate(page)
    with page.expect_download() as saved:
        page.locator("#zip").click()
        gate.wait()
        pick(page, "format", "jpeg")
        gate.open()
    with zipfile.ZipFile(saved.value.path()) as archive:
        names = archive.namelist()
        assert sorted(names) == ["girl.webp", "hockey.webp"]
        assert {opened(archive.read(name)).format for name in names} == {"WEBP"}


def test_a_photo_that_is_not_in_the_zip_is_named_and_the_others_are_in_it(
    visit: Visit, photos: dict[str, Path]
) -> None:
    page = visit(may_fail=True)
    cut_out(page, photos["girl"], photos["hockey"], photos["whisk"])
    open_part(page, "File format")
    pick(page, "format", "webp")
    answer_once(page, 500, "internal_error")
    _name, file = download(page, "#zip")
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        assert sorted(archive.namelist()) == ["hockey.webp", "whisk.webp"]
    expect(page.get_by_role("alert")).to_contain_text("Not in the ZIP: girl.png.")


def test_a_photo_can_be_called_back_while_its_answer_comes(page: Page, photos: dict[str, Path]) -> None:
    come(page)
    with slow_answers(page):
        choose(page, photos["girl"])
        expect(page.locator("#busy-line")).to_have_text(SENTENCES["state.receiving"])
        page.get_by_role("button", name="Cancel").click()
        wait_for(page, "cancelled")
    page.get_by_role("button", name="Try again").click()
    wait_for(page, "done")


# ---- the brush


def test_two_fingers_beside_the_picture_take_back_no_stroke(visit: Visit, photos: dict[str, Path]) -> None:
    page = visit(**PHONE)
    cut_out(page, photos["girl"])
    page.locator("#touch summary").tap()
    pick(page, "brush", "erase")
    before = alpha_of(page)
    box = page.locator("#view").bounding_box()
    assert box
    x, y = middle(page, "#view")
    fingers(page, ((x - 60, y), (x + 60, y)))
    erased = alpha_of(page)
    assert (erased != before).any()
    top = box["y"] + 4
    fingers(page, ((x - 20, top), (x - 40, top)), ((x + 20, top), (x + 40, top)))
    assert (alpha_of(page) == erased).all()


def test_undo_in_a_field_of_text_takes_back_no_stroke(page: Page, photos: dict[str, Path]) -> None:
    cut_out(page, photos["girl"])
    take(page, "erase")
    across(page)
    erased = alpha_of(page)
    page.locator("#address").press("a")
    page.locator("#address").press("ControlOrMeta+z")
    assert page.locator("#address").input_value() == ""
    assert (alpha_of(page) == erased).all()


# ---- odd screens


def test_a_window_that_comes_to_a_finer_screen_is_drawn_on_as_before(page: Page, photos: dict[str, Path]) -> None:
    cut_out(page, photos["girl"])
    width = "(canvas) => canvas.width"
    before = page.locator("#canvas").evaluate(width)
    screen = {"width": 1280, "height": 720, "deviceScaleFactor": 2, "mobile": False}
    page.context.new_cdp_session(page).send("Emulation.setDeviceMetricsOverride", screen)
    page.emulate_media(reduced_motion="reduce")  # Chromium looks at an emulated screen again only with another change
    assert eventually(page, lambda: page.locator("#canvas").evaluate(width) == 2 * before)
    assert alpha_of(page)[LINE].max() == 255
    take(page, "erase", 30)
    across(page, 50)
    after = alpha_of(page)
    assert after[LINE].max() == 0
    assert after[:80].max() == after[190:].max() == 255


@pytest.mark.parametrize(("width", "height"), [(640, 360), (320, 256)])
def test_what_has_the_focus_is_not_under_the_stage_of_a_low_window(
    visit: Visit, photos: dict[str, Path], width: int, height: int
) -> None:
    page = visit(viewport={"width": width, "height": height})
    cut_out(page, photos["girl"])
    under = []
    for _ in range(40):
        page.keyboard.press("Tab")
        under.append(page.evaluate(UNDER_THE_STAGE))
    assert len({each["name"] for each in under}) > 15
    assert [each["name"] for each in under if each["isUnder"]] == []
