"""Whatever goes wrong, at whichever door: the right status, the error as the clients of that door know it, a time to
come back where there is one, nothing left held, and the next request works."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.services.admission import Deadline
from scripts.bad_input import JPEG, png_with_size
from tests.support import FakeSession, app_with, encoded, picture

GOOD = encoded(picture())
KEY = "correct-horse-battery"


@dataclass(frozen=True)
class Said:
    """An error, as a client reads it."""

    status: int
    code: str
    message: str


def said_by_us(answer: TestResponse) -> Said:
    body = answer.get_json()
    assert set(body) == {"success", "error", "request_id"}
    return _ours(answer, body)


def said_to_rembg(answer: TestResponse) -> Said:
    body = answer.get_json()
    assert set(body) == {"success", "error", "request_id", "detail"}
    assert body["detail"] == body["error"]["message"]
    return _ours(answer, body)


def _ours(answer: TestResponse, body: dict[str, Any]) -> Said:
    assert body["success"] is False
    assert body["request_id"] == answer.headers["X-Request-ID"]
    assert set(body["error"]) == {"code", "message"}
    return Said(answer.status_code, body["error"]["code"], body["error"]["message"])


def said_to_removebg(answer: TestResponse) -> Said:
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    body = answer.get_json()
    assert set(body) == {"errors"}
    (error,) = body["errors"]
    assert {"title", "code"} <= set(error) <= {"title", "code", "detail"}
    return Said(answer.status_code, error["code"], error.get("detail", error["title"]))


def said_on_the_page(answer: TestResponse) -> Said:
    assert answer.mimetype == "text/html"
    alert = re.search(r'role="alert"[^>]*>(.*?)</', answer.text, re.DOTALL)
    return Said(answer.status_code, "", " ".join(alert[1].split()) if alert else answer.text)


def said_in_the_manifest(answer: TestResponse) -> Said:
    if answer.status_code != 200:
        return said_by_us(answer)
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        (entry,) = json.loads(archive.read("manifest.json"))["photos"]
    return Said(entry["status"], entry["error"]["code"], entry["error"]["message"])


@dataclass(frozen=True)
class Door:
    """A way in: where a photo is posted, in which field, and how its errors look."""

    path: str
    said: Callable[[TestResponse], Said]
    file_field: str = "file"
    words: dict[str, str] = field(default_factory=dict)

    def send(self, client: FlaskClient, data: bytes | None, **how: Any) -> TestResponse:
        fields: dict[str, Any] = dict(self.words)
        if data is not None:
            fields[self.file_field] = (io.BytesIO(data), "photo.jpg")
        return client.post(self.path, data=fields, content_type="multipart/form-data", **how)


DOORS = {
    "remove-background": Door("/api/remove-background", said_by_us),
    "change-background": Door("/api/change-background", said_by_us, words={"background_color": "red"}),
    "batch": Door("/api/batch", said_in_the_manifest),
    "rembg": Door("/api/remove", said_to_rembg),
    "remove.bg": Door("/v1.0/removebg", said_to_removebg, file_field="image_file"),
    "the page": Door("/", said_on_the_page),
}


@dataclass(frozen=True)
class Trouble:
    """What goes wrong, and what is said of it: our status and code, and remove.bg's where they differ."""

    status: int
    code: str
    theirs: tuple[int, str] | None = None
    data: bytes | None = GOOD
    settings: dict[str, Any] = field(default_factory=dict)
    method: str = "POST"
    prepare: Callable[[Flask, pytest.MonkeyPatch], Any] = lambda _app, _monkeypatch: None
    repair: Callable[[Flask, pytest.MonkeyPatch], Any] = lambda _app, _monkeypatch: None
    # A batch waits where others are sent away, and is under way when its photos fail.
    not_at: tuple[str, ...] = ()
    without_a_key: bool = False


def take_all_places(app: Flask, _monkeypatch: pytest.MonkeyPatch) -> None:
    app.extensions["tinycut"].admission.enter(Deadline(5))


def give_them_back(app: Flask, _monkeypatch: pytest.MonkeyPatch) -> None:
    app.extensions["tinycut"].admission.leave()


def take_all_memory(app: Flask, _monkeypatch: pytest.MonkeyPatch) -> None:
    budget = app.extensions["tinycut"].budget
    budget.take(budget.total_bytes - 4 * len(GOOD) - 2000)


def give_it_back(app: Flask, _monkeypatch: pytest.MonkeyPatch) -> None:
    budget = app.extensions["tinycut"].budget
    budget.give(budget.held_bytes)


def see_nothing(_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeSession, "infer", lambda *_words, **_how: np.zeros((64, 64), np.float32))


def break_down(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_words: object, **_how: object) -> None:
        raise KeyError("/secret/path")

    monkeypatch.setattr(app.extensions["tinycut"], "cut_out", broken)


def hang_up(_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.routes.work.is_gone", lambda _environ: True)


def undo(_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()


TROUBLES = {
    "no photo": Trouble(400, "missing_file", (400, "missing_source"), data=None),
    "an empty file": Trouble(400, "missing_file", (400, "missing_source"), data=b"", not_at=("batch",)),
    "text": Trouble(415, "unsupported_format", (400, "invalid_file_type"), data=b"this is no photo"),
    "a photo cut short": Trouble(422, "unreadable_image", (400, "failed_to_read_image"), data=JPEG[: len(JPEG) // 2]),
    "too many pixels": Trouble(422, "too_many_pixels", (400, "resolution_too_high"), data=png_with_size(30000, 30000)),
    "too many bytes": Trouble(
        413, "file_too_large", (400, "file_too_large"), data=GOOD + bytes(1 << 20), settings={"max_upload_mb": 0.5}
    ),
    "nothing to be seen": Trouble(
        422, "unknown_foreground", (400, "unknown_foreground"), prepare=see_nothing, repair=undo
    ),
    "a full queue": Trouble(
        *(429, "busy", (429, "rate_limit_exceeded")),
        settings={"queue_size": 0, "concurrency": 1},
        prepare=take_all_places,
        repair=give_them_back,
        not_at=("batch",),
    ),
    "no memory left": Trouble(
        *(429, "busy", (429, "rate_limit_exceeded")),
        prepare=take_all_memory,
        repair=give_it_back,
        not_at=("batch",),
    ),
    "too late": Trouble(503, "deadline_exceeded", settings={"deadline_s": 1e-6}),
    "no key": Trouble(401, "invalid_api_key", (403, "auth_failed"), settings={"api_keys": KEY}, without_a_key=True),
    "too many photos": Trouble(429, "rate_limit_exceeded", settings={"rate_limit": "1/hour"}),
    "a wrong method": Trouble(405, "method_not_allowed", method="DELETE"),
    "a client that hung up": Trouble(499, "client_closed_request", prepare=hang_up, repair=undo, not_at=("batch",)),
    "a fault of ours": Trouble(500, "internal_error", prepare=break_down, repair=undo, not_at=("batch",)),
}  # fmt: skip

CASES = [(door, trouble) for door in DOORS for trouble in TROUBLES if door not in TROUBLES[trouble].not_at]


@pytest.mark.parametrize(("door_name", "trouble_name"), CASES)
def test_every_error_is_told_as_the_clients_of_its_door_know_it(
    monkeypatch: pytest.MonkeyPatch, door_name: str, trouble_name: str
) -> None:
    door, trouble = DOORS[door_name], TROUBLES[trouble_name]
    app = app_with(**trouble.settings)
    client = app.test_client()
    headers = {} if trouble.without_a_key else {"X-Api-Key": KEY}
    if "rate_limit" in trouble.settings:
        with closing(door.send(client, GOOD)) as first:
            assert first.status_code == 200
    trouble.prepare(app, monkeypatch)
    if trouble.method == "POST":
        answer = door.send(client, trouble.data, headers=headers)
    else:
        answer = client.open(door.path, method=trouble.method, headers={"Accept": "application/json"})
    said = said_by_us(answer) if trouble.method != "POST" and door.path == "/" else door.said(answer)
    answer.close()

    expected = (trouble.status, trouble.code)
    if door_name == "remove.bg" and trouble.theirs:
        expected = trouble.theirs
    assert said.status == expected[0], said
    assert said.code in ("", expected[1])
    assert said.message and said.message.endswith((".", "images")), "a sentence"
    assert b"secret" not in answer.data
    if answer.status_code in (429, 503):
        assert int(answer.headers["Retry-After"]) >= 1
    trouble.repair(app, monkeypatch)
    assert app.extensions["tinycut"].budget.held_bytes == 0
    assert app.extensions["tinycut"].admission.busy == 0
    if not {"deadline_s", "api_keys", "rate_limit"} & set(trouble.settings):
        with closing(door.send(client, GOOD)) as again:
            assert again.status_code == 200, "the next request works"


def test_a_place_that_is_not_there_is_told_as_the_clients_of_its_door_know_it() -> None:
    client = app_with().test_client()
    for path, said_by in {"/api/nothing": said_by_us, "/v1.0/nothing": said_to_removebg}.items():
        said = said_by(client.get(path))
        assert (said.status, said.code) == (404, "not_found")
