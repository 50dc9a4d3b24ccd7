"""Where a request is, told to the client that gave it its id."""

from __future__ import annotations

import contextvars
import io
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.services import stages
from app.services.admission import Deadline
from tests.support import app_with, encoded, picture

PATH = "/api/remove-background"
PHOTO = encoded(picture())
MINE = {"X-Request-ID": "mine"}
UNKNOWN = {"state": "unknown"}
WORKING = [{"state": "working", "stage": stage} for stage in ("decode", "infer", "refine", "composite", "encode")]

Watch = Callable[[Callable[[], object]], None]


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Have something done whenever a request that waits or is worked on looks whether its client is still there, and
    while its file is written."""
    encode = stages.encode_pictures

    def begin(look: Callable[[], object]) -> None:
        def is_gone(_environ: object) -> bool:
            contextvars.Context().run(look)  # as another thread would
            return False

        def looked_at(*words: object) -> bytes:
            contextvars.Context().run(look)
            return encode(*words)  # type: ignore[arg-type]

        monkeypatch.setattr("app.routes.work.is_gone", is_gone)
        monkeypatch.setattr(stages, "encode_pictures", looked_at)

    return begin


def where(app: Flask, request_id: str = "mine") -> object:
    answer = app.test_client().get(f"/api/progress/{request_id}")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    return answer.get_json()


def in_order(told: list[object]) -> list[object]:
    """What was told, each once."""
    return [state for index, state in enumerate(told) if state not in told[:index]]


DOORS = {
    "a form": lambda client: client.post(PATH, data={"file": (io.BytesIO(PHOTO), "a.png")}, headers=MINE),
    "the photo itself": lambda client: client.post(PATH, data=PHOTO, headers=MINE),
    "rembg's": lambda client: client.post("/api/remove", data={"file": (io.BytesIO(PHOTO), "a.png")}, headers=MINE),
    "remove.bg's": lambda client: client.post(
        "/v1.0/removebg", data={"image_file": (io.BytesIO(PHOTO), "a.png")}, headers=MINE
    ),
    "the page's form": lambda client: client.post("/", data={"file": (io.BytesIO(PHOTO), "a.png")}, headers=MINE),
}


@pytest.mark.parametrize("door", DOORS)
def test_each_stage_is_told_while_it_lasts_and_nothing_before_and_after(
    app: Flask, client: FlaskClient, watch: Watch, door: str
) -> None:
    told: list[object] = []
    watch(lambda: told.append(where(app)))
    assert where(app) == UNKNOWN
    assert DOORS[door](client).status_code == 200
    assert in_order(told) == WORKING
    assert where(app) == UNKNOWN


def test_who_waits_is_told_its_place_though_every_slot_is_taken(app: Flask, client: FlaskClient, watch: Watch) -> None:
    admission = app.extensions["tinycut"].admission
    before = [Deadline(60) for _ in range(3)]
    admission.enter(Deadline(60))
    admission._line += before
    told: list[object] = []

    def look() -> None:
        told.append(where(app))
        if before:
            admission._line.remove(before.pop())
        elif admission.waiting:
            admission.leave()

    watch(look)
    assert client.post(PATH, data=PHOTO, headers=MINE).status_code == 200
    assert in_order(told) == [*({"state": "queued", "place": place} for place in (4, 3, 2, 1)), *WORKING]


def test_nothing_is_told_of_requests_with_another_id_or_none(app: Flask, client: FlaskClient, watch: Watch) -> None:
    told: list[object] = []
    watch(lambda: told.append(where(app)))
    for headers in ({}, {"X-Request-ID": "m ine"}, {"X-Request-ID": "mine2"}):
        assert client.post(PATH, data=PHOTO, headers=headers).status_code == 200
    assert in_order(told) == [UNKNOWN]


def test_of_two_requests_with_one_id_neither_breaks_the_other(app: Flask, client: FlaskClient, watch: Watch) -> None:
    told: list[object] = []
    second: list[int] = []

    def look() -> None:
        state = where(app)
        told.append(state)
        if state == WORKING[1] and not second:
            second.append(0)
            second[0] = app.test_client().post(PATH, data=PHOTO, headers=MINE).status_code

    app.extensions["tinycut"].admission.slots = 2
    watch(look)
    assert client.post(PATH, data=PHOTO, headers=MINE).status_code == 200
    assert second == [200]
    assert told == [*WORKING[:2], *WORKING, *WORKING[2:]], "the later is told while there is one, then the first again"
    assert where(app) == UNKNOWN


def test_nothing_is_kept_of_a_request_that_failed(app: Flask, client: FlaskClient) -> None:
    assert client.post(PATH, data=b"text", headers=MINE).status_code == 415
    assert where(app) == UNKNOWN
    assert app.extensions["tinycut"].progress._requests == []


def test_it_counts_to_no_rate_and_wants_the_key() -> None:
    app = app_with(rate_limit="1/hour", api_keys="correct-horse")
    assert app.test_client().get("/api/progress/mine").status_code == 401
    client = app.test_client()
    for _ in range(3):
        answer = client.get("/api/progress/mine", headers={"X-Api-Key": "correct-horse"})
        assert answer.get_json() == UNKNOWN
    assert client.post(PATH, data=PHOTO, headers={"X-Api-Key": "correct-horse"}).status_code == 200
