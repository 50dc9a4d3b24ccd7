"""Every error of the API: the right status, a code, a sentence to act on, one shape; and the next request works."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.errors import ModelUnavailable
from app.logs import make_formatter
from scripts.bad_input import JPEG, SVG, png_with_size
from tests.support import FakeModels, encoded, picture

PATH = "/api/remove-background"
GOOD = encoded(picture())


def photo(
    data: bytes, name: str = "photo.jpg", field: str = "file", **options: str
) -> Callable[[FlaskClient], TestResponse]:
    return lambda client: client.post(PATH, data={field: (io.BytesIO(data), name), **options})


def form(**fields: object) -> Callable[[FlaskClient], TestResponse]:
    return lambda client: client.post(PATH, data=fields, content_type="multipart/form-data")


def raw(data: bytes, **how: object) -> Callable[[FlaskClient], TestResponse]:
    return lambda client: client.post(PATH, data=data, **how)


def nameless(filename: str = "") -> Callable[[FlaskClient], TestResponse]:
    """A form of one part that has no name."""
    head = f"--edge\r\nContent-Disposition: form-data{filename}\r\n\r\n".encode()
    return raw(head + GOOD + b"\r\n--edge--\r\n", content_type="multipart/form-data; boundary=edge")


def json_body(**words: object) -> Callable[[FlaskClient], TestResponse]:
    return lambda client: client.post(PATH, json=words)


CASES = {
    "an empty body": (raw(b""), 400, "missing_file", "field 'file'"),
    "an empty form": (form(), 400, "missing_file", "field 'file'"),
    "a form with options only": (form(format="png"), 400, "missing_file", "field 'file'"),
    "an empty file": (photo(b""), 400, "missing_file", "field 'file'"),
    "the photo under another name": (photo(GOOD, field="photo"), 400, "unknown_field", "'file'"),
    "a file and an address": (photo(GOOD, image_url="http://a.example/b.jpg"), 400, "multiple_files", "one in"),
    "a picture that is no base64": (json_body(image="photo.jpg!"), 400, "invalid_image", "base64"),
    "no background to change to": (
        lambda client: client.post("/api/change-background", data=GOOD),
        *(400, "missing_background", "background_color"),
    ),
    "a batch of nothing": (lambda client: client.post("/api/batch", data={}), 400, "missing_file", "'file'"),
    "no address to fetch": (lambda client: client.post("/api/fetch-photo"), 400, "missing_file", "image_url"),
    "a text without a name": (nameless(), 400, "missing_file", "'file'"),
    "a photo without a name": (nameless('; filename="a.png"'), 400, "unknown_field", "'file'"),
    "a photo sent as text": (form(file="photo.jpg"), 400, "missing_file", "as a file"),
    "a second file under another name": (
        form(file=(io.BytesIO(GOOD), "a"), mask=(io.BytesIO(GOOD), "b")),
        *(400, "unknown_field", "'mask'"),
    ),
    "a name that is no model's": (photo(GOOD, model="../../etc\nFAKE"), 400, "invalid_model", "letters"),
    "text named .jpg": (photo(b"this is no photo"), 415, "unsupported_format", "AVIF, HEIC, TIFF, BMP or GIF"),
    "a PPM": (photo(encoded(picture(), "PPM")), 415, "unsupported_format", "AVIF, HEIC, TIFF, BMP or GIF"),
    "an SVG": (photo(SVG, "a.svg"), 415, "unsupported_format", "AVIF, HEIC, TIFF, BMP or GIF"),
    "an empty JSON body": (json_body(), 400, "missing_file", "image_url"),
    "broken JSON": (raw(b"{", content_type="application/json"), 400, "invalid_json", "form"),
    "JSON that is a list": (raw(b"[]", content_type="application/json"), 400, "invalid_json", "object"),
    "JSON in JSON": (json_body(image={"data": ""}), 400, "invalid_json", "text"),
    "an unknown word in JSON": (json_body(image="", hue=1), 400, "missing_file", ""),
    "a JPEG cut short": (photo(JPEG[: len(JPEG) // 2]), 422, "unreadable_image", "send it again"),
    "a JPEG cut in its header": (photo(JPEG[:30]), 422, "unreadable_image", "send it again"),
    "an image without pixels": (photo(png_with_size(0, 0)), 422, "unreadable_image", ""),
    "a PNG bomb": (photo(png_with_size(30_000, 30_000)), 422, "too_many_pixels", "smaller one"),
    "an upload of 11 MB": (photo(GOOD + bytes(11 << 20)), 413, "file_too_large", "10 MB"),
    "a raw body of 11 MB": (raw(GOOD + bytes(11 << 20)), 413, "file_too_large", "10 MB"),
    "a file just over the limit": (photo(GOOD + bytes(10 << 20)), 413, "file_too_large", "10 MB"),
    "a form field of 400 kB": (photo(GOOD, background_color="0" * 400_000), 413, "form_too_large", "too long"),
    "a hundred fields": (photo(GOOD, **dict.fromkeys(map(str, range(100)), "1")), 413, "form_too_large", "too many"),
    "an unknown format": (photo(GOOD, format="gif"), 400, "invalid_format", "png, jpeg, webp"),
    "an unknown colour": (photo(GOOD, background_color="reddish"), 400, "invalid_background_color", "#ff8800"),
    "an unknown resize": (photo(GOOD, resize="stretch"), 400, "invalid_resize", "static"),
    "an unknown field": (photo(GOOD, backgroundcolour="red"), 400, "unknown_field", "background_color"),
    "an unknown option in the address": (raw(GOOD, query_string="hue=red"), 400, "unknown_field", "background_color"),
    "a webp that is too long": (photo(encoded(picture(17000, 1)), format="webp"), 400, "invalid_format", "another"),
    "a photo that is too long for any file": (photo(encoded(picture(1_100_000, 1))), 400, "invalid_format", "smaller"),
    "no such path": (lambda client: client.get("/api/nothing"), 404, "not_found", ""),
    "a wrong method": (lambda client: client.get(PATH), 405, "method_not_allowed", ""),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_every_error_has_one_shape_and_a_sentence_to_act_on(client: FlaskClient, case: str) -> None:
    send, status, code, words = CASES[case]
    answer = send(client)
    body = answer.get_json()
    assert (answer.status_code, body["error"]["code"]) == (status, code)
    assert set(body) == {"success", "error", "request_id"}
    assert set(body["error"]) == {"code", "message"}
    assert body["success"] is False
    assert body["request_id"] == answer.headers["X-Request-ID"]
    assert words in body["error"]["message"]
    assert body["error"]["message"].endswith(".")
    assert client.post(PATH, data=GOOD).status_code == 200, "the next request works"


def test_an_error_stays_json_for_a_client_that_wants_images(client: FlaskClient) -> None:
    answer = client.post(PATH, data=b"text", headers={"Accept": "image/*"})
    assert answer.status_code == 415
    assert answer.get_json()["error"]["code"] == "unsupported_format"


def test_a_bug_is_a_500_that_tells_nothing_and_a_log_that_tells_where_but_not_what(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_words: object, **_how: object) -> None:
        raise KeyError("/secret/path")

    monkeypatch.setattr(app.extensions["tinycut"], "cut_out", broken)
    answer = client.post(PATH, data=GOOD)
    assert answer.status_code == 500
    assert answer.get_json()["error"]["code"] == "internal_error"
    assert "secret" not in answer.text
    lines = "".join(make_formatter("text").format(record) for record in caplog.records)
    assert "KeyError in app.routes." in lines
    assert "broken" in lines
    assert "secret" not in lines
    in_full = make_formatter("text", with_tracebacks=True)
    assert "KeyError: '/secret/path'" in "".join(in_full.format(record) for record in caplog.records)


def test_the_reason_why_the_network_is_missing_never_reaches_a_client(client: FlaskClient, models: FakeModels) -> None:
    assert "/home" not in ModelUnavailable("/home/me/u2netp.onnx is gone").message
    models.unavailable = "/home/me/u2netp.onnx is gone"
    assert "/home/me" not in client.post(PATH, data=GOOD).text


def test_a_page_that_is_not_there_is_html_for_a_browser_and_json_for_a_program(client: FlaskClient) -> None:
    browser = client.get("/nothing", headers={"Accept": "text/html,*/*;q=0.8"})
    assert browser.status_code == 404
    assert browser.mimetype == "text/html"
    program = client.get("/nothing", headers={"Accept": "application/json"})
    assert program.get_json()["error"]["code"] == "not_found"
