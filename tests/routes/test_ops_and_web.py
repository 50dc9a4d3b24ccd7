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
from PIL import Image

from app.routes import language
from app.services.admission import Deadline
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


def test_a_warm_up_that_waits_for_its_turn_is_not_joined_by_another(app: Flask, client: FlaskClient) -> None:
    service = app.extensions["tinycut"]
    slots = service.admission.slots
    for _ in range(slots):
        service.admission.enter(Deadline(60))
    begun = []
    for _ in range(3):
        service._warm_up_begun = False
        assert client.get("/ready").status_code == 503
        begun.append(service._warm_up_thread)
    for _ in range(slots):
        service.admission.leave()
    for thread in begun:
        thread.join(60)
    assert len(set(begun)) == 1
    assert client.get("/ready").status_code == 200


def test_a_photo_of_a_server_that_ends_is_answered_in_time(
    app: Flask, client: FlaskClient, models: FakeModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    infer = models.session.infer

    def infer_at_the_end(rgb: np.ndarray, **how: object) -> np.ndarray:
        app.extensions["tinycut"].end(batches_go_on_s=60, photos_go_on_s=0)
        return infer(rgb, **how)

    monkeypatch.setattr(models.session, "infer", infer_at_the_end)
    answer = client.post("/api/remove-background", data=PHOTO)
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (503, "deadline_exceeded")
    assert "Please send it again." in answer.get_json()["error"]["message"]
    assert "Retry-After" in answer.headers


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
    assert 'download="my.photo.png"' in answer.text
    assert "80 × 60 px" in answer.text


def test_a_plain_form_post_puts_the_subject_on_the_colour_only_when_colour_is_chosen(client: FlaskClient) -> None:
    answer = client.post("/", data=form(background="color"))
    assert picture_on(answer.text)[0, 0].tolist() == [0, 255, 0]
    assert re.search(r'value="color"\s+checked', answer.text), "the choice is kept"


def test_a_plain_form_post_of_a_jpeg_stands_on_white(client: FlaskClient) -> None:
    answer = client.post("/", data=form(format="jpeg"))
    assert picture_on(answer.text)[0, 0].min() > 250
    assert 'download="my.photo.jpg"' in answer.text


@pytest.mark.parametrize(
    ("data", "status", "sentence"),
    [
        (form(b""), 400, "Please choose a photo first."),
        (form(b"text"), 415, "not a photo we can read"),
        (form(PHOTO + bytes(11 << 20)), 413, "the limit here is 10 MB"),
        (form(PHOTO, format="gif"), 400, "cannot be written in this file format"),
    ],
)
def test_what_is_wrong_is_said_on_the_page_and_the_form_is_there_again(
    client: FlaskClient, data: dict[str, object], status: int, sentence: str
) -> None:
    answer = client.post("/", data=data)
    assert answer.status_code == status
    assert sentence in answer.text
    assert 'type="file"' in answer.text


@pytest.mark.parametrize(
    ("fields", "corner"),
    [
        ({"background": "gradient", "gradient_from": "#ff0000", "gradient_to": "#0000ff"}, [254, 0, 1]),
        ({"background": "blur", "background_blur": "4"}, [0, 128, 0]),
        ({"background": "color", "shadow": "true", "shadow_opacity": "100"}, [0, 255, 0]),
    ],
)
def test_a_plain_form_post_knows_every_background_of_the_page(
    client: FlaskClient, fields: dict[str, str], corner: list[int]
) -> None:
    shown = picture_on(client.post("/", data=form(**fields)).text)[0, 0].astype(int)
    assert np.abs(shown - corner).max() <= 8


def test_a_plain_form_post_puts_an_image_behind(client: FlaskClient) -> None:
    behind = io.BytesIO(encoded(Image.new("RGB", (8, 8), "#3366cc")))
    answer = client.post("/", data=form(background="image") | {"background_image": (behind, "wall.png")})
    assert picture_on(answer.text)[0, 0].tolist() == [0x33, 0x66, 0xCC]


def test_a_plain_form_post_makes_a_preset_and_a_crop(client: FlaskClient) -> None:
    assert picture_on(client.post("/", data=form(preset="passport")).text).shape[:2] == (600, 600)
    cropped = picture_on(client.post("/", data=form(crop="true", crop_margin="0")).text)
    assert cropped.shape[0] < 60
    assert cropped.shape[1] < 80


@pytest.mark.parametrize(
    ("wanted", "asked", "language", "sentence"),
    [
        ("es-MX,es;q=0.9", "/", "es", "Elegir fotos"),
        ("es-MX,en;q=0.5", "/", "es", "Elegir fotos"),
        ("pt-BR", "/", "pt", "Escolher fotos"),
        ("fr", "/", "en", "Choose photos"),
        ("es", "/?lang=pt", "pt", "Escolher fotos"),
        ("es", "/?lang=xx", "es", "Elegir fotos"),
    ],
)
def test_the_page_speaks_the_language_that_is_asked_for(
    client: FlaskClient, wanted: str, asked: str, language: str, sentence: str
) -> None:
    answer = client.get(asked, headers={"Accept-Language": wanted})
    assert f'<html lang="{language}"' in answer.text
    assert sentence in answer.text
    assert answer.headers["Content-Language"] == language
    assert "Accept-Language" in answer.headers["Vary"]


def test_an_error_on_the_page_is_said_in_its_language(client: FlaskClient) -> None:
    answer = client.post("/?lang=es", data=form(b"text"))
    assert answer.status_code == 415
    assert "No es una foto que podamos leer" in answer.text


def test_all_languages_have_the_same_texts_with_the_same_gaps() -> None:
    english = language.STRINGS["en"]
    for strings in language.STRINGS.values():
        assert list(strings) == list(english)
        for key, text in strings.items():
            assert set(re.findall(r"{\w+}", text)) == set(re.findall(r"{\w+}", english[key])), key


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
