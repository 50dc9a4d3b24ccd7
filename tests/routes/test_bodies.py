"""A photo arrives the same however it is sent."""

from __future__ import annotations

import base64
import io
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask, g, request
from flask.testing import FlaskClient
from gunicorn.config import Config
from gunicorn.http.parser import RequestParser
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.exceptions import ClientDisconnected

from app.errors import BadRequest, ClientGone
from app.hosting import MIB
from app.routes import bodies
from app.routes.bodies import TEXT_COPIES, decode_base64, reading
from app.routes.connection import is_gone, least_pace, stop_reading
from app.services.admission import Deadline
from tests.properties import bounded
from tests.support import app_with, encoded, opened, picture

PATH = "/api/remove-background"
GOOD = encoded(picture(40, 30))
TEXT = base64.b64encode(GOOD).decode()
BEHIND = encoded(picture(10, 10))
PICTURE = {"Accept": "image/png"}
OPTIONS = {"background_color": "red", "crop": "true", "threshold": "128"}

WAYS: dict[str, Callable[[FlaskClient], Any]] = {
    "a form": lambda client: client.post(PATH, data={"file": (io.BytesIO(GOOD), "a.png"), **OPTIONS}, headers=PICTURE),
    "the raw body": lambda client: client.post(PATH, data=GOOD, query_string=OPTIONS, headers=PICTURE),
    "the raw body, called a form by curl": lambda client: client.post(
        PATH, data=GOOD, query_string=OPTIONS, headers=PICTURE, content_type="application/x-www-form-urlencoded"
    ),
    "JSON in base64": lambda client: client.post(PATH, json={"image": TEXT, **OPTIONS}, headers=PICTURE),
    "JSON with numbers, truths and nothing": lambda client: client.post(
        PATH,
        json={"image": TEXT, "background_color": "red", "crop": True, "threshold": 128, "roi": None},
        headers=PICTURE,
    ),
    "a data URL": lambda client: client.post(
        PATH, json={"image": f"data:image/png;base64,{TEXT}", **OPTIONS}, headers=PICTURE
    ),
    "base64 in lines": lambda client: client.post(
        PATH, json={"image": base64.encodebytes(GOOD).decode(), **OPTIONS}, headers=PICTURE
    ),
    "JSON with whole numbers written with a point": lambda client: client.post(
        PATH, json={"image": TEXT, "background_color": "red", "crop": 1.0, "threshold": 128.0}, headers=PICTURE
    ),
    "base64 without its padding": lambda client: client.post(
        PATH, json={"image": TEXT.rstrip("="), **OPTIONS}, headers=PICTURE
    ),
    "a form whose base64 nobody escaped": lambda client: client.post(
        PATH,
        data=f"{urlencode(OPTIONS)}&image={TEXT}",
        headers=PICTURE,
        content_type="application/x-www-form-urlencoded",
    ),
    "a form of words, as curl -d sends it": lambda client: client.post(
        PATH,
        data=urlencode({**OPTIONS, "image": TEXT}),
        headers=PICTURE,
        content_type="application/x-www-form-urlencoded",
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_same_photo_and_options_give_the_same_picture_however_they_are_sent(client: FlaskClient, way: str) -> None:
    answer = WAYS[way](client)
    assert answer.status_code == 200, answer.text
    assert answer.data == WAYS["a form"](client).data


@pytest.mark.parametrize("path", [PATH, "/api/change-background"])
def test_a_picture_behind_may_come_in_json_too(client: FlaskClient, path: str) -> None:
    words = {"image": TEXT, "background_image": base64.b64encode(BEHIND).decode(), "background_fit": "tile"}
    answer = client.post(path, json=words, headers=PICTURE)
    as_form = client.post(
        path,
        data={"file": (io.BytesIO(GOOD), "a"), "background_image": (io.BytesIO(BEHIND), "b"), "background_fit": "tile"},
        headers=PICTURE,
    )
    assert answer.data == as_form.data
    assert opened(answer.data).mode == "RGB"


def test_a_background_is_changed_to_any_kind(client: FlaskClient) -> None:
    for words in (
        {"background_color": "red"},
        {"background_blur": 20},
        {"background_gradient": "linear-gradient(red, red)"},
    ):
        answer = client.post("/api/change-background", json={"image": TEXT, **words}, headers=PICTURE)
        assert opened(answer.data).mode == "RGB"


def test_a_photo_of_the_largest_size_arrives_as_json_and_a_larger_one_is_refused(client: FlaskClient) -> None:
    largest = GOOD + bytes(10 * MIB - len(GOOD))
    assert client.post(PATH, json={"image": base64.b64encode(largest).decode()}).status_code == 200
    larger = client.post(PATH, json={"image": base64.b64encode(largest + b"x").decode()})
    assert (larger.status_code, larger.get_json()["error"]["code"]) == (413, "file_too_large")
    much_larger = client.post(PATH, json={"image": "A" * 20 * MIB})
    assert (much_larger.status_code, much_larger.get_json()["error"]["code"]) == (413, "file_too_large")


def test_the_memory_that_text_takes_is_held_until_it_is_read(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    service = app.extensions["tinycut"]
    held = []
    read = bodies._json_words

    def look(data: bytes) -> Any:
        held.append(service.budget.held_bytes)
        return read(data)

    monkeypatch.setattr(bodies, "_json_words", look)
    client = app.test_client()
    body = f'{{"image": "{TEXT}"}}'.encode()
    with client.post(PATH, data=body, content_type="application/json"):
        assert held == [TEXT_COPIES * len(body)]
        assert service.budget.held_bytes < len(body) + 10_000, "the photo, and its result"
    assert service.budget.held_bytes == 0


@bounded
@given(st.binary(max_size=200), st.sampled_from(["", "data:image/png;base64,", "data:;base64,"]))
def test_what_was_written_in_base64_is_read_back(data: bytes, start: str) -> None:
    assert decode_base64(start + base64.encodebytes(data).decode(), "image") == data


@bounded
@given(st.text(max_size=100))
def test_any_text_is_bytes_or_a_clear_refusal(text: str) -> None:
    try:
        decode_base64(text, "image")
    except BadRequest as refusal:
        assert refusal.code == "invalid_image"


def test_a_client_that_hung_up_is_seen_and_one_that_waits_or_sends_on_is_not() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(5)
        environ = {"gunicorn.socket": ours}
        assert not is_gone(environ)
        theirs.send(b"GET /next")
        assert not is_gone(environ)
        assert ours.recv(9) == b"GET /next", "it was only looked at"
        theirs.close()
        assert is_gone(environ)
    assert is_gone(environ), "closed on our side"
    assert not is_gone({}), "nothing is known under Flask's own server"


def test_nothing_is_cut_out_for_a_client_that_hung_up(app: Flask) -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    with ours:
        answer = app.test_client().post(PATH, data=GOOD, environ_overrides={"gunicorn.socket": ours})
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (499, "client_closed_request")
    answer.close()
    assert app.extensions["tinycut"].models.asked == []
    assert app.extensions["tinycut"].admission.busy == 0
    assert app.extensions["tinycut"].budget.held_bytes == 0


def test_a_client_that_hangs_up_in_the_queue_leaves_its_place_to_the_next(app: Flask) -> None:
    service = app_with(queue_size=1, concurrency=1).extensions["tinycut"]
    service.admission.enter(Deadline(5))
    looks = iter([False, False, True])
    with pytest.raises(ClientGone):
        service.cut_out(GOOD, deadline=Deadline(20, abandoned=lambda: next(looks)))
    assert service.admission.waiting == 0
    service.admission.leave()
    assert service.cut_out(GOOD).width == 40


def test_models_and_presets_are_told(client: FlaskClient) -> None:
    models = client.get("/api/models").get_json()["models"]
    assert {"name": "u2netp", "default": True, "installed": True, "loaded": True} in models
    presets = client.get("/api/presets").get_json()["presets"]
    for preset in presets:
        by_name = client.post(PATH, json={"image": TEXT, "preset": preset["name"], "format": "webp"})
        by_options = client.post(PATH, json={"image": TEXT, "format": "webp", **preset["options"]})
        assert by_name.get_json()["image"] == by_options.get_json()["image"], preset["name"]


def test_when_the_queue_is_full_what_was_kept_is_answered_all_the_same(tmp_path: Path) -> None:
    app = app_with(queue_size=0, concurrency=1, result_cache_mb=8, result_cache_dir=str(tmp_path))
    client = app.test_client()
    with client.post(PATH, data=GOOD) as first:
        assert first.get_json()["cached"] is False
    app.extensions["tinycut"].admission.enter(Deadline(5))
    with client.post(PATH, data=GOOD) as again:
        assert again.get_json()["cached"] is True
    assert client.post(PATH, data=BEHIND).status_code == 429


def test_when_the_queue_is_full_a_photo_is_refused_unread() -> None:
    class Unread(io.BytesIO):
        def read(self, *_words: Any) -> bytes:
            pytest.fail("the body was read")

    app = app_with(queue_size=0, concurrency=1)
    app.extensions["tinycut"].admission.enter(Deadline(5))
    answer = app.test_client().post(PATH, input_stream=Unread(), content_length=100)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "3")
    assert app.test_client().get("/api/presets").status_code == 200


def begun_request(connection: socket.socket, client: socket.socket) -> tuple[RequestParser, dict[str, Any]]:
    """A request of gunicorn's, of whose 1,000 bytes one has come: its connection's reader, and its environment."""
    client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx")
    parser = RequestParser(Config(), connection, ("127.0.0.1", 1))
    environ = {"gunicorn.socket": connection, "wsgi.input": next(parser).body, "CONTENT_LENGTH": "1000"}
    return parser, environ


def test_what_is_read_of_a_client_that_drips_ends_when_its_time_is_up() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        _parser, environ = begun_request(ours, theirs)
        with least_pace(environ, lambda: 1, grace_s=0.05):
            assert environ["wsgi.input"].read() == b"x", "the read ends, though the client has not hung up"
        theirs.settimeout(5)
        ours.sendall(b"an answer")
        assert theirs.recv(9) == b"an answer", "and it can still be answered"


def test_the_rest_of_a_body_that_was_given_up_is_never_read_as_another_request(app: Flask) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours, _address = listener.accept()
    with ours, theirs:
        parser, environ = begun_request(ours, theirs)
        with app.test_request_context("/", method="POST", environ_overrides=environ):
            g.holding = app.extensions["tinycut"].budget.holding()
            with reading(request), pytest.raises(ClientDisconnected):
                stop_reading(request.environ)
                request.environ["wsgi.input"].read()
        theirs.sendall(b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
        assert ours.recv(3, socket.MSG_PEEK) == b"GET", "Linux hands it out"
        assert not parser.finish_body(), "gunicorn closes the connection"


def test_a_photo_that_was_cut_short_on_its_way_is_not_called_a_bad_photo(client: FlaskClient) -> None:
    photo = encoded(picture(), "JPEG")
    announced = {"wsgi.input_terminated": True, "CONTENT_LENGTH": str(len(photo) * 2)}
    answer = client.post("/api/remove-background", data=photo[:100], environ_overrides=announced)
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (400, "incomplete_body")


def test_a_body_that_comes_as_fast_as_from_a_phone_is_read_to_its_end() -> None:
    ours, theirs = socket.socketpair()
    looks: list[int] = []

    def received() -> int:
        looks.append(1)
        theirs.sendall(b"more")
        return 10_000_000

    with ours, theirs:
        ours.settimeout(60)
        with least_pace({"gunicorn.socket": ours}, received, grace_s=0.01):
            assert ours.recv(4) == b"more"
            assert ours.recv(4) == b"more"
        assert not is_gone({"gunicorn.socket": ours})
        assert looks
