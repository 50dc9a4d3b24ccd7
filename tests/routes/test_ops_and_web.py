"""/health, /ready, and the page without JavaScript."""

from __future__ import annotations

import base64
import io
import re
import threading

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.support import FakeModels, encoded, opened, page_file, picture

PHOTO = encoded(picture(80, 60), "JPEG")


def form(photo: bytes = PHOTO, name: str = "my.photo.jpg", **fields: str) -> dict[str, object]:
    return {"file": (io.BytesIO(photo), name), "background": "transparent", "background_color": "#00ff00", **fields}


def picture_on(page: str) -> np.ndarray:
    """The pixels of the result that a page shows."""
    found = re.search(r'src="data:image/\w+;base64,([^"]+)"', page)
    assert found
    return np.asarray(opened(base64.b64decode(found[1])))


def test_health_answers_while_a_photo_is_worked_on(
    app: Flask, models: FakeModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work, may_end = threading.Event(), threading.Event()
    infer = models.session.infer

    def slow(rgb: np.ndarray, **_how: object) -> np.ndarray:
        at_work.set()
        may_end.wait(60)
        return infer(rgb)

    monkeypatch.setattr(models.session, "infer", slow)
    statuses: list[int] = []
    worker = threading.Thread(
        target=lambda: statuses.append(app.test_client().post("/api/remove-background", data=PHOTO).status_code)
    )
    worker.start()
    assert at_work.wait(60)
    answer = app.test_client().get("/health")
    assert answer.get_json()["status"] == "ok"
    assert answer.headers["Cache-Control"] == "no-store"
    assert statuses == []
    may_end.set()
    worker.join(60)
    assert statuses == [200]


def test_ready_is_503_until_a_first_photo_was_cut_out_and_then_tells_how(app: Flask, client: FlaskClient) -> None:
    service = app.extensions["tinycut"]
    service._warm_up_begun = True  # nobody warms it up meanwhile
    answer = client.get("/ready")
    assert answer.status_code == 503
    assert answer.get_json()["ready"] is False
    assert "Retry-After" in answer.headers
    service.warm_up()
    answer = client.get("/ready")
    assert answer.status_code == 200
    assert answer.get_json()["method"] == "tiny_u2net"
    assert answer.get_json()["models"] == ["u2netp"]


def test_a_host_without_the_network_is_ready_all_the_same(app: Flask, client: FlaskClient, models: FakeModels) -> None:
    models.unavailable = "no file"
    service = app.extensions["tinycut"]
    service._warm_up_begun = True
    service.warm_up()
    answer = client.get("/ready")
    assert answer.status_code == 200
    assert answer.get_json()["method"] == "opencv"


def test_the_page_offers_every_format_and_names_the_limit(client: FlaskClient) -> None:
    page = client.get("/").text
    assert "up to 10 MB" in page
    for name in ("png", "jpeg", "webp"):
        assert f'value="{name}"' in page
    assert client.get(page_file("sample.jpg")).status_code == 200
    assert client.get(page_file("sample-cutout.png")).status_code == 200


def test_a_plain_form_post_shows_the_cut_out_to_be_downloaded_under_its_name(client: FlaskClient) -> None:
    answer = client.post("/", data=form())
    assert answer.status_code == 200
    assert picture_on(answer.text)[0, 0, 3] == 0
    assert 'download="my.photo-cutout.png"' in answer.text
    assert "80 × 60 px" in answer.text


def test_a_plain_form_post_puts_the_subject_on_the_colour_only_when_colour_is_chosen(client: FlaskClient) -> None:
    answer = client.post("/", data=form(background="color"))
    assert picture_on(answer.text)[0, 0].tolist() == [0, 255, 0]
    assert re.search(r'value="color"\s+checked', answer.text), "the choice is kept"


def test_a_plain_form_post_of_a_jpeg_stands_on_white(client: FlaskClient) -> None:
    answer = client.post("/", data=form(format="jpeg"))
    assert picture_on(answer.text)[0, 0].min() > 250
    assert 'download="my.photo-cutout.jpg"' in answer.text


@pytest.mark.parametrize(
    ("data", "status", "sentence"),
    [
        (form(b""), 400, "Please choose a photo first."),
        (form(b"text"), 415, "not a photo we can read"),
        (form(PHOTO + bytes(11 << 20)), 413, "larger than the 10 MB"),
        (form(PHOTO, format="gif"), 400, "png, jpeg, webp"),
    ],
)
def test_what_is_wrong_is_said_on_the_page_and_the_form_is_there_again(
    client: FlaskClient, data: dict[str, object], status: int, sentence: str
) -> None:
    answer = client.post("/", data=data)
    assert answer.status_code == status
    assert sentence in answer.text
    assert 'type="file"' in answer.text


def test_a_hostile_file_name_is_only_text_on_the_page(client: FlaskClient) -> None:
    page = client.post("/", data=form(name='"><script>alert(1)</script>.jpg')).text
    assert "<script>alert" not in page


def test_the_page_may_run_nothing_but_its_own_script(client: FlaskClient) -> None:
    answer = client.get("/")
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "onclick=" not in answer.text
    assert "<style" not in answer.text
    assert 'style="' not in answer.text
