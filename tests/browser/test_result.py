"""The result on the stage: before and after, closer, and on every background; and its file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.browser.people import (
    Pixels,
    cut_out,
    download,
    drag,
    eventually,
    fingers,
    middle,
    open_part,
    pick,
    result_on,
    set_range,
    stage,
)
from tests.support import opened

WIDTH, HEIGHT = 400, 267  # of the photo that most is tried with
MOST_OFF = 2  # of 255
PHONE = {"has_touch": True, "is_mobile": True, "viewport": {"width": 360, "height": 740}}


def pixels_of(photo: Path) -> Pixels:
    return np.asarray(Image.open(photo).convert("RGB"))


def most_off(one: Pixels, other: Pixels) -> int:
    assert one.shape == other.shape
    return int(np.abs(one.astype(int) - other).max(initial=0))


def drawn_size(page: Page) -> tuple[int, int]:
    """Width and height of what is drawn on the stage, pixels; the rest of the canvas is see-through."""
    opaque = stage(page)[:, :, 3] > 0
    return int(opaque.any(0).sum()), int(opaque.any(1).sum())


# ---- before and after


def share_before(page: Page, photo: Path) -> float:
    """The share of the result's columns that show the photo as it came."""
    page.locator("#zoom-actual").click()
    whole = stage(page)
    top, left = (whole.shape[0] - HEIGHT + 1) // 2, (whole.shape[1] - WIDTH + 1) // 2
    shown = whole[top : top + HEIGHT, left : left + WIDTH, :3]
    return float((np.abs(shown.astype(int) - pixels_of(photo)).max(axis=(0, 2)) <= MOST_OFF).mean())


def test_the_first_result_is_seen_whole(page: Page, photos: dict[str, Path]) -> None:
    cut_out(page, photos["girl"])
    assert share_before(page, photos["girl"]) < 0.1


def test_before_is_the_photo_itself(page: Page, photos: dict[str, Path]) -> None:
    cut_out(page, photos["girl"])
    set_range(page, "#split", 100)
    assert share_before(page, photos["girl"]) == 1


def test_the_slider_is_drawn_by_the_mouse(page: Page, photos: dict[str, Path]) -> None:
    cut_out(page, photos["girl"])
    box = page.locator("#split").bounding_box()
    assert box
    _x, y = middle(page, "#split")
    drag(page, (box["x"] + 22, y), (box["x"] + box["width"] / 2, y))
    assert 48 <= int(page.locator("#split").input_value()) <= 52
    assert 0.4 < share_before(page, photos["girl"]) < 0.65


def test_the_slider_is_moved_by_keys(page: Page, photos: dict[str, Path]) -> None:
    cut_out(page, photos["girl"])
    page.locator("#split").press("End")
    assert share_before(page, photos["girl"]) == 1
    page.locator("#split").press("Home")
    assert share_before(page, photos["girl"]) < 0.1
    page.locator("#split").press("ArrowRight")
    assert page.locator("#split").input_value() == "1"


def test_the_slider_is_moved_by_a_finger(visit: Visit, photos: dict[str, Path]) -> None:
    page = visit(**PHONE)
    cut_out(page, photos["girl"])
    box = page.locator("#split").bounding_box()
    assert box
    _x, y = middle(page, "#split")
    fingers(page, ((box["x"] + 22, y), (box["x"] + box["width"] / 2, y)))
    assert 45 <= int(page.locator("#split").input_value()) <= 55


# ---- closer


def test_100_per_cent_shows_the_photos_own_pixels(page: Page, photos: dict[str, Path]) -> None:
    cut_out(page, photos["girl"])
    set_range(page, "#split", 100)
    page.locator("#zoom-actual").click()
    assert drawn_size(page) == (WIDTH, HEIGHT)


def test_the_buttons_zoom(page: Page, photos: dict[str, Path]) -> None:
    cut_out(page, photos["girl"])
    fitting = drawn_size(page)
    page.get_by_role("button", name="Zoom in").click()
    larger = drawn_size(page)
    assert larger > fitting
    page.get_by_role("button", name="Zoom out").click()
    assert drawn_size(page) == fitting
    page.get_by_role("button", name="100 %").click()
    assert drawn_size(page) == (WIDTH, HEIGHT)
    page.get_by_role("button", name="Fit").click()
    assert drawn_size(page) == fitting


def test_keys_zoom(page: Page, photos: dict[str, Path]) -> None:
    cut_out(page, photos["girl"])
    fitting = drawn_size(page)
    view = page.locator("#view")
    view.press("+")
    assert drawn_size(page) > fitting
    view.press("-")
    assert drawn_size(page) == fitting
    view.press("1")
    assert drawn_size(page) == (WIDTH, HEIGHT)
    view.press("0")
    assert drawn_size(page) == fitting


def test_the_wheel_zooms_with_ctrl_and_scrolls_the_page_without(visit: Visit, photos: dict[str, Path]) -> None:
    page = visit(viewport={"width": 1280, "height": 500})
    cut_out(page, photos["girl"])
    fitting = drawn_size(page)
    page.mouse.move(*middle(page, "#view"))
    page.keyboard.down("Control")
    page.mouse.wheel(0, -100)
    assert eventually(page, lambda: drawn_size(page) > fitting)
    page.mouse.wheel(0, 400)
    assert eventually(page, lambda: drawn_size(page) == (WIDTH, HEIGHT) or drawn_size(page) == fitting)
    page.keyboard.up("Control")
    page.mouse.wheel(0, 100)
    assert eventually(page, lambda: page.evaluate("() => scrollY > 0"))


def test_two_fingers_zoom(visit: Visit, photos: dict[str, Path]) -> None:
    page = visit(**PHONE)
    cut_out(page, photos["girl"])
    fitting = drawn_size(page)
    x, y = middle(page, "#view")
    fingers(page, ((x - 20, y + 60), (x - 20, y + 30)), ((x + 20, y + 60), (x + 20, y + 150)))
    assert eventually(page, lambda: drawn_size(page) > fitting)


@pytest.fixture
def close_up(page: Page, photos: dict[str, Path]) -> Page:
    """A photo larger than the stage, at 100 %, as it came: nothing in it is see-through."""
    cut_out(page, photos["bike"])
    set_range(page, "#split", 100)
    page.locator("#zoom-actual").click()
    return page


def moved(before: Pixels, after: Pixels, right: int, down: int) -> bool:
    """Whether what is seen went so many pixels to the right and down."""
    height, width = before.shape[:2]
    then = before[max(0, -down) : height - max(0, down), max(0, -right) : width - max(0, right)]
    now = after[max(0, down) : height - max(0, -down), max(0, right) : width - max(0, -right)]
    return bool((then == now).all()) and not bool((before == after).all())


def test_the_mouse_pans(close_up: Page) -> None:
    before = stage(close_up)
    x, y = middle(close_up, "#view")
    drag(close_up, (x, y + 90), (x + 60, y + 50))
    assert moved(before, stage(close_up), 60, -40)


@pytest.mark.parametrize(
    ("key", "right", "down"), [("ArrowLeft", 48, 0), ("ArrowRight", -48, 0), ("ArrowUp", 0, 48), ("ArrowDown", 0, -48)]
)
def test_keys_pan(close_up: Page, key: str, right: int, down: int) -> None:
    before = stage(close_up)
    close_up.locator("#view").press(key)
    assert moved(before, stage(close_up), right, down)


def test_a_finger_pans(visit: Visit, photos: dict[str, Path]) -> None:
    page = visit(**PHONE)
    cut_out(page, photos["bike"])
    set_range(page, "#split", 100)
    page.locator("#zoom-actual").click()
    before = stage(page)
    x, y = middle(page, "#view")
    fingers(page, ((x, y + 80), (x + 60, y + 40)))
    assert moved(before, stage(page), 60, -40)


# ---- backgrounds

Choice = Callable[[Page, dict[str, Path]], None]


def swatch(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def white(page: Page, _photos: dict[str, Path]) -> None:
    pick(page, "background", "color")


def sky(page: Page, _photos: dict[str, Path]) -> None:
    pick(page, "background", "color")
    swatch(page, "Sky blue")


def own_color(page: Page, _photos: dict[str, Path]) -> None:
    pick(page, "background", "color")
    page.locator("#color").fill("#8040c0")


def sunset(page: Page, _photos: dict[str, Path]) -> None:
    pick(page, "background", "gradient")
    swatch(page, "Sunset")


def own_gradient(page: Page, _photos: dict[str, Path]) -> None:
    pick(page, "background", "gradient")
    page.locator("#gradient-from").fill("#102030")
    page.locator("#gradient-to").fill("#ff8800")
    page.locator("#gradient-direction").select_option(label="From the middle")


def own_image(page: Page, photos: dict[str, Path]) -> None:
    pick(page, "background", "image")
    page.set_input_files("#background-image", photos["car"])


def blurred(page: Page, _photos: dict[str, Path]) -> None:
    pick(page, "background", "blur")
    set_range(page, "#blur", 40)


def shadow_on_white(page: Page, photos: dict[str, Path]) -> None:
    white(page, photos)
    page.get_by_label("Shadow").check()
    set_range(page, "#shadow-opacity", 80)


@pytest.mark.parametrize(
    "choose_it", [white, sky, own_color, sunset, own_gradient, own_image, blurred, shadow_on_white]
)
def test_a_background_is_seen_without_a_request_and_the_servers_file_is_the_same(
    page: Page, photos: dict[str, Path], choose_it: Choice
) -> None:
    cut_out(page, photos["girl"])
    before = result_on(page, WIDTH, HEIGHT)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    choose_it(page, photos)
    assert eventually(page, lambda: most_off(result_on(page, WIDTH, HEIGHT), before) > MOST_OFF)
    assert asked == []
    _name, file = download(page)
    assert [url.rpartition("/")[2] for url in asked if url.startswith("http")][:1] == ["remove-background"]
    expected = np.asarray(opened(file).convert("RGB"))
    assert eventually(page, lambda: most_off(result_on(page, WIDTH, HEIGHT), expected) <= MOST_OFF)


def test_without_a_background_there_are_checks_and_the_file_is_see_through(page: Page, photos: dict[str, Path]) -> None:
    cut_out(page, photos["girl"])
    file = np.asarray(opened(download(page)[1]))
    shown, alpha = result_on(page, WIDTH, HEIGHT), file[:, :, 3]
    assert alpha.min() == 0
    assert most_off(shown[alpha == 255], file[alpha == 255][:, :3]) <= MOST_OFF
    assert len(np.unique(shown[alpha == 0], axis=0)) == 2


def test_a_jpeg_is_seen_on_white_as_its_file_is(page: Page, photos: dict[str, Path]) -> None:
    cut_out(page, photos["girl"])
    file = np.asarray(opened(download(page)[1]))
    open_part(page, "File format")
    pick(page, "format", "jpeg")
    shown = result_on(page, WIDTH, HEIGHT)
    assert (shown[file[:, :, 3] == 0] == 255).all()
    assert opened(download(page)[1]).getpixel((0, 0)) == tuple(int(value) for value in shown[0, 0])


def test_an_image_that_cannot_be_opened_is_told(visit: Visit, photos: dict[str, Path], tmp_path: Path) -> None:
    page = visit(may_fail=True)
    cut_out(page, photos["girl"])
    words = tmp_path / "words.png"
    words.write_bytes(b"These are only words.")
    pick(page, "background", "image")
    page.set_input_files("#background-image", words)
    expect(page.get_by_role("alert")).to_contain_text("The image for the background cannot be used.")


# ---- sizes


def square(page: Page) -> None:
    page.locator("#preset").select_option("square")


def shop(page: Page) -> None:
    page.locator("#preset").select_option("shop")


def passport(page: Page) -> None:
    page.locator("#preset").select_option("passport")


def banner(page: Page) -> None:
    page.locator("#preset").select_option("banner")


def cropped(page: Page) -> None:
    page.get_by_label("Crop to the subject").check()


def cropped_with_a_margin(page: Page) -> None:
    cropped(page)
    set_range(page, "#margin", 40)


@pytest.mark.parametrize(
    ("choose_it", "size"),
    [
        (square, None),
        (shop, (2000, 2000)),
        (passport, (600, 600)),
        (banner, (1500, 500)),
        (cropped, None),
        (cropped_with_a_margin, None),
    ],
)
def test_the_file_has_the_size_that_is_seen(
    page: Page, photos: dict[str, Path], choose_it: Callable[[Page], None], size: tuple[int, int] | None
) -> None:
    cut_out(page, photos["girl"])
    open_part(page, "Size and crop")
    choose_it(page)
    file = opened(download(page)[1])
    assert file.size == (size or file.size) != (WIDTH, HEIGHT)
    expect(page.locator("#status")).to_contain_text(f"{file.width} × {file.height} px")
    width, height = drawn_size(page)
    assert abs(width / height - file.width / file.height) < 0.02 * file.width / file.height
