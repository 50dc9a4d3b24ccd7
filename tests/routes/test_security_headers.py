"""Headers that every answer has, limits of a form, and the id of a request."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from app.routes.bodies import PARTS
from app.routes.forms import BACKGROUND_FIELD, PHOTO_FIELDS
from app.routes.security_headers import SECURITY_HEADERS
from app.services.option_words import OPTION_FIELDS
from tests.support import app_with, encoded, page_file, picture

PATH = "/api/remove-background"
PHOTO = encoded(picture())
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
APP = app_with()


def not_modified(client: FlaskClient) -> TestResponse:
    tag = client.get(page_file("style.css")).headers["ETag"]
    return client.get(page_file("style.css"), headers={"If-None-Match": tag})


ANSWERS: dict[str, tuple[Callable[[FlaskClient], TestResponse], int]] = {
    "the page": (lambda client: client.get("/"), 200),
    "a file of the page": (lambda client: client.get(page_file("favicon.svg")), 200),
    "a file that did not change": (not_modified, 304),
    "a HEAD": (lambda client: client.head("/"), 200),
    "an OPTIONS": (lambda client: client.options(PATH), 200),
    "a probe": (lambda client: client.get("/health"), 200),
    "a photo": (lambda client: client.post(PATH, data=PHOTO, headers={"Accept": "image/*"}), 200),
    "a photo in JSON": (lambda client: client.post(PATH, data=PHOTO), 200),
    "a photo on the page": (lambda client: client.post("/", data={"file": (io.BytesIO(PHOTO), "a.png")}), 200),
    "a page that is not there": (lambda client: client.get("/nothing", headers={"Accept": "text/html"}), 404),
    "a path that is not there": (lambda client: client.get("/api/nothing"), 404),
    "a wrong method": (lambda client: client.get(PATH), 405),
    "no photo": (lambda client: client.post(PATH), 400),
    "too large a photo": (lambda client: client.post(PATH, data=bytes(11 << 20)), 413),
    "what is no photo": (lambda client: client.post(PATH, data=b"text"), 415),
    "another spelling of a path": (lambda client: client.post("/api//remove-background"), 404),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_every_answer_has_every_security_header_and_a_request_id(client: FlaskClient, case: str) -> None:
    send, status = ANSWERS[case]
    answer = send(client)
    assert answer.status_code == status
    for name, value in SECURITY_HEADERS.items():
        assert answer.headers.getlist(name) == [value], name
    assert REQUEST_ID.fullmatch(answer.headers["X-Request-ID"])


def test_refusals_by_key_and_rate_and_bugs_have_them_too(monkeypatch: pytest.MonkeyPatch) -> None:
    app = app_with(api_keys="correct-horse", rate_limit="1/hour")
    client, key = app.test_client(), {"X-Api-Key": "correct-horse"}

    def broken(*_words: object, **_how: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(app.extensions["tinycut"], "cut_out", broken)
    answers = [client.post(PATH, data=PHOTO, headers=headers) for headers in ({}, key, key)]
    assert [answer.status_code for answer in answers] == [401, 500, 429]
    for answer in answers:
        assert SECURITY_HEADERS.items() <= dict(answer.headers).items()


def test_the_policy_lets_the_page_load_nothing_but_its_own_files() -> None:
    policy = dict(part.strip().split(" ", 1) for part in SECURITY_HEADERS["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["manifest-src"] == policy["worker-src"] == "'self'"
    assert "unsafe" not in str(policy)


@pytest.mark.parametrize("feature", ["clipboard-write", "web-share"])
def test_the_page_may_copy_and_share(feature: str) -> None:
    assert feature not in SECURITY_HEADERS["Permissions-Policy"], "what is not named is the page's own to use"


@pytest.mark.parametrize("path", ["/", "/nothing"])
def test_no_page_has_a_script_a_style_or_a_handler_in_its_own_text(client: FlaskClient, path: str) -> None:
    page = client.get(path, headers={"Accept": "text/html"}).text
    assert "<style" not in page
    assert not re.search(r'<script(?![^>]*\bsrc=)(?! type="application/json")', page), "texts are data, never run"
    assert not re.search(r"\s(style|on\w+)=", page)
    assert "javascript:" not in page


def test_https_is_insisted_on_only_where_it_came_by_https() -> None:
    client = app_with(proxy_hops=1).test_client()
    header = "Strict-Transport-Security"
    assert header not in client.get("/").headers
    assert header not in client.get("/", headers={"X-Forwarded-Proto": "https, http"}).headers
    assert client.get("/", headers={"X-Forwarded-Proto": "https"}).headers[header] == "max-age=31536000"


def test_nobody_but_a_router_in_front_is_believed_about_https_or_the_host() -> None:
    client = app_with(proxy_hops=0).test_client()
    forged = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example", "X-Forwarded-Prefix": "/evil"}
    answer = client.get("/", headers=forged)
    assert "Strict-Transport-Security" not in answer.headers
    assert "evil" not in answer.text
    assert "evil" not in app_with(proxy_hops=1).test_client().get("/", headers=forged).text


FORMS = {
    "too many parts": dict.fromkeys(map(str, range(PARTS + 1)), "1"),
    "a long value": {"format": "p" * 400_000},
    "a long name": {"f" * 400_000: "png"},
}


@pytest.mark.parametrize(
    ("path", "sentence"), [(PATH, "too many or too long fields"), ("/", "The form holds too much beside the photo.")]
)
@pytest.mark.parametrize("case", FORMS)
def test_a_form_of_too_many_or_too_long_parts_is_refused(
    client: FlaskClient, path: str, sentence: str, case: str
) -> None:
    answer = client.post(path, data=FORMS[case], content_type="multipart/form-data")
    assert answer.status_code == 413
    assert sentence in answer.text


def test_a_part_whose_headers_never_end_is_refused(client: FlaskClient) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="file"\r\nX-Long: ' + b"x" * 400_000
    answer = client.post(PATH, data=body, content_type="multipart/form-data; boundary=b")
    assert answer.status_code == 413


def test_a_form_has_room_for_every_option_and_every_file() -> None:
    assert len(OPTION_FIELDS) + len(PHOTO_FIELDS) + len([BACKGROUND_FIELD]) <= PARTS < 64


@settings(deadline=None, derandomize=True)
@given(st.from_regex(REQUEST_ID, fullmatch=True))
def test_a_sound_request_id_of_the_client_comes_back(given_id: str) -> None:
    answer = APP.test_client().get("/api/nothing", headers={"X-Request-ID": given_id})
    assert answer.headers["X-Request-ID"] == answer.get_json()["request_id"] == given_id


@settings(deadline=None, derandomize=True)
@given(st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=300))
def test_any_other_request_id_is_replaced_and_never_shown(given_id: str) -> None:
    answer = APP.test_client().get("/api/nothing", headers={"X-Request-ID": given_id})
    used = answer.headers["X-Request-ID"]
    assert REQUEST_ID.fullmatch(used)
    assert answer.get_json()["request_id"] == used
    assert used == given_id or (not REQUEST_ID.fullmatch(given_id) and re.fullmatch("[0-9a-f]{32}", used))


def test_two_requests_have_two_ids(app: Flask) -> None:
    client = app.test_client()
    assert len({client.get("/health").headers["X-Request-ID"] for _ in range(5)}) == 5
