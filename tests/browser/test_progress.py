"""Where a photo is on its way, and what is said when it goes no further."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

import pytest
import requests
from PIL import Image
from playwright.sync_api import Page, Request, expect

from scripts.box import Server
from tests.browser.conftest import Visit
from tests.browser.people import CUT_OUT, answer_once, choose, come, entries, slow_uploads, wait_for
from tests.support import encoded

CROWD = 3
LARGE_PX = (6000, 4000)
# Keeps every line that is said while the photo is worked on.
_LISTEN = """() => {
  const line = document.getElementById("busy-line"), progress = document.getElementById("progress");
  window.heard = [];
  new MutationObserver(() => window.heard.push({ text: line.textContent, share: progress.position }))
    .observe(line, { childList: true, characterData: true, subtree: true });
}"""


def listen(page: Page) -> None:
    page.evaluate(_LISTEN)


def heard(page: Page) -> list[str]:
    """The lines so far; one that is said again at once counts as one."""
    return [text for text, _again in groupby(line["text"] for line in page.evaluate("() => window.heard"))]


@pytest.fixture(scope="module")
def one_slot(model_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that works on one photo at a time, however many processors there are."""
    env = {**model_env, "CONCURRENCY": "1", "DEADLINE_S": "120"}
    with Server(env=env, log=tmp_path_factory.mktemp("one-slot") / "log") as server:
        server.wait_for("/ready")
        yield server


@contextmanager
def crowd(server: Server, photo: Path) -> Iterator[None]:
    """Others whose photo is worked on or waits while the block runs, and who send it again until it ends. The photo is
    so large that whoever comes after them waits for seconds on any machine."""
    over = threading.Event()
    first = threading.Semaphore(0)
    large = encoded(Image.open(photo).resize(LARGE_PX), "JPEG")

    def person() -> None:
        while not over.is_set():
            answer = requests.post(f"{server.url}/api/remove-background", files={"file": large}, timeout=120)
            assert answer.status_code == 200, answer.text
            first.release()

    with ThreadPoolExecutor(CROWD) as people:
        asked = [people.submit(person) for _ in range(CROWD)]
        try:
            assert first.acquire(timeout=120)  # one is done, so the others wait
            yield
        finally:
            over.set()
    for each in asked:
        each.result()


def test_the_upload_is_told_in_per_cent(page: Page, photos: dict[str, Path]) -> None:
    come(page)
    listen(page)
    with slow_uploads(page, bytes_per_s=500_000):
        choose(page, photos["bike"])
        wait_for(page, "done")
    lines = page.evaluate("() => window.heard")
    told = [
        (int(found[1]), line["share"]) for line in lines if (found := re.match(r"Uploading: (\d+) %", line["text"]))
    ]
    percents = [percent for percent, _share in told]
    assert percents == sorted(percents)
    assert len({percent for percent in percents if 0 < percent < 100}) > 1
    assert all(abs(100 * share - percent) <= 1 for percent, share in told)


def test_the_stage_of_the_work_is_told(page: Page, photos: dict[str, Path]) -> None:
    come(page)
    listen(page)
    choose(page, photos["bike"])
    wait_for(page, "done")
    stages = {"Opening the photo…", "Finding the subject…", "Refining the edge…", "Putting the picture together…"}
    assert {*stages, "Writing the file…"} & {*heard(page)}, "which of them depends on when the page asks"


def test_the_place_in_the_queue_is_told_and_a_photo_can_be_called_back(
    visit: Visit, one_slot: Server, photos: dict[str, Path]
) -> None:
    def is_photo(request: Request) -> bool:
        return request.url.endswith("/api/remove-background")

    page = visit(url=one_slot.url)
    come(page)
    gone: list[Request] = []
    page.on("requestfailed", lambda request: gone.append(request))
    with crowd(one_slot, photos["bike"]):
        choose(page, photos["girl"])
        expect(page.locator("#busy-line")).to_contain_text("In the queue:")
        with page.expect_event("requestfailed", is_photo):
            page.get_by_role("button", name="Cancel").click()
        wait_for(page, "cancelled")
    assert [request.method for request in gone if is_photo(request)] == ["POST"]
    expect(page.get_by_role("button", name="Try again")).to_be_focused()
    choose(page, photos["hockey"])
    wait_for(page, "done")
    assert entries(page, "cancelled").count() == 1


def test_the_place_is_counted_in_photos_that_are_before_it(
    visit: Visit, one_slot: Server, photos: dict[str, Path]
) -> None:
    # The real queue moves as it likes: here it has the lengths that are to be said.
    places = iter([3, 2, 1])
    page = visit(url=one_slot.url)
    page.route("**/api/progress/*", lambda route: route.fulfill(json={"state": "queued", "place": next(places, 1)}))
    come(page)
    listen(page)
    with crowd(one_slot, photos["bike"]):
        choose(page, photos["girl"])
        expect(page.locator("#busy-line")).to_have_text("In the queue: yours is next")
    wait_for(page, "done")
    said = [
        "In the queue: 2 photos are before yours",
        "In the queue: one photo is before yours",
        "In the queue: yours is next",
    ]
    assert [line for line in heard(page) if line in said] == said


def test_a_photo_that_was_called_back_can_be_tried_again(page: Page, photos: dict[str, Path]) -> None:
    come(page)
    with slow_uploads(page):
        choose(page, photos["girl"])
        page.get_by_role("button", name="Cancel").press("Enter")
        wait_for(page, "cancelled")
    page.get_by_role("button", name="Try again").press("Enter")
    wait_for(page, "done")


def test_a_busy_server_is_asked_again_when_it_said(visit: Visit, photos: dict[str, Path]) -> None:
    page = visit(may_fail=True)
    come(page)
    listen(page)
    answer_once(page, 429, "busy", 2)
    choose(page, photos["girl"])
    wait_for(page, "done")
    counted = [line for line in heard(page) if line.startswith("The server is busy.")]
    assert counted == [
        "The server is busy. Trying again in 2 seconds.",
        "The server is busy. Trying again in one second.",
    ]


def test_waiting_for_a_busy_server_can_be_ended(visit: Visit, photos: dict[str, Path]) -> None:
    page = visit(may_fail=True)
    come(page)
    answer_once(page, 503, "unavailable", 50)
    choose(page, photos["girl"])
    expect(page.locator("#busy-line")).to_contain_text("The server is busy.")
    page.get_by_role("button", name="Cancel").click()
    wait_for(page, "cancelled")
    choose(page, photos["hockey"])
    wait_for(page, "done")


def test_a_wait_too_long_for_anybody_is_told_at_once(visit: Visit, photos: dict[str, Path]) -> None:
    page = visit(may_fail=True)
    come(page)
    answer_once(page, 429, "rate_limit_exceeded", 3600)
    choose(page, photos["girl"])
    wait_for(page, "failed")
    expect(page.get_by_role("alert")).to_contain_text("as many photos as this server takes from one person")


@pytest.fixture
def bad_files(tmp_path: Path, photos: dict[str, Path]) -> dict[str, Path]:
    """Files that cannot be cut out."""
    files = {
        "notes.jpg": b"These are only words.",
        "empty.png": b"",
        "large.jpg": bytes(10 * 2**20 + 1),
        "damaged.png": photos["girl"].read_bytes()[:2000],
        "plain.png": encoded(Image.new("RGB", (64, 64), "#808080")),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    return {name: tmp_path / name for name in files}


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("notes.jpg", "This is not a photo we can read."),
        ("empty.png", "This file is empty."),
        ("large.jpg", "This photo is too large: the limit here is 10 MB."),
        ("damaged.png", "This photo is damaged and cannot be opened."),
        ("plain.png", "Nothing in this photo stands out as its subject."),
    ],
)
def test_what_is_wrong_with_a_file_is_said(
    visit: Visit, bad_files: dict[str, Path], photos: dict[str, Path], name: str, sentence: str
) -> None:
    page = visit(may_fail=True)
    come(page)
    choose(page, bad_files[name])
    wait_for(page, "failed")
    expect(page.get_by_role("alert")).to_contain_text(sentence)
    expect(entries(page, "failed")).to_contain_text("Failed")
    choose(page, photos["girl"])
    wait_for(page, "done")
    expect(page.locator("#alert")).to_be_hidden()


@pytest.mark.parametrize("name", ["empty.png", "large.jpg"])
def test_what_the_page_can_see_itself_is_not_sent(page: Page, bad_files: dict[str, Path], name: str) -> None:
    come(page)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    choose(page, bad_files[name])
    wait_for(page, "failed")
    assert "POST" not in sent


def test_one_bad_photo_does_not_hold_up_the_others(
    visit: Visit, bad_files: dict[str, Path], photos: dict[str, Path]
) -> None:
    page = visit(may_fail=True)
    come(page)
    choose(page, bad_files["notes.jpg"], photos["girl"], photos["hockey"])
    expect(entries(page, "failed")).to_have_count(1)
    expect(entries(page, "done")).to_have_count(2)


def test_a_server_out_of_reach_is_said_and_tried_again(visit: Visit, photos: dict[str, Path]) -> None:
    page = visit(may_fail=True)
    come(page)
    page.context.set_offline(True)
    choose(page, photos["girl"])
    wait_for(page, "failed")
    expect(page.get_by_role("alert")).to_contain_text("The server could not be reached.")
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    wait_for(page, "done")
    expect(page.locator("#alert")).to_be_hidden()


def test_an_answer_that_is_no_picture_is_an_error_with_a_sentence(visit: Visit, photos: dict[str, Path]) -> None:
    page = visit(may_fail=True)
    come(page)
    page.route(CUT_OUT, lambda route: route.fulfill(status=502, body="<h1>Bad gateway</h1>"))
    choose(page, photos["girl"])
    wait_for(page, "failed")
    expect(page.get_by_role("alert")).to_contain_text("an answer that this page does not understand (502)")
