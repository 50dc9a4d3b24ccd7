"""API keys: what they guard, what stays open, and that they are never shown."""

from __future__ import annotations

import hmac
import io
import logging
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner
from flask import Blueprint, Flask
from flask.testing import FlaskClient

from app import cli, config
from app.routes import guard
from app.services.tiny_u2net_service import TinyU2NetService
from scripts.box import MIB, Server
from tests.support import app_with, encoded, page_file, picture

PATH = "/api/remove-background"
FIRST, SECOND = "canary-first-key", "canary-second-key"
PHOTO = encoded(picture())
OPEN_PREFIXES = (
    "/health",
    "/ready",
    "/metrics",
    "/static/",
    "/docs",
    "/openapi.json",
)  # /metrics has a token of its own


@pytest.fixture
def app() -> Flask:
    """The application with two keys, and a path of remove.bg's."""
    app = app_with(api_keys=f"{FIRST}, {SECOND}")
    if "/v1.0/removebg" not in {rule.rule for rule in app.url_map.iter_rules()}:
        remove_bg = Blueprint("a_test_of_remove_bg", __name__, url_prefix="/v1.0")
        remove_bg.post("/removebg")(lambda: "a photo")
        app.register_blueprint(remove_bg)
    return app


def page_form(**fields: str) -> dict[str, object]:
    return {"file": (io.BytesIO(PHOTO), "photo.png"), **fields}


@pytest.mark.parametrize("header", ["Basic p\xe4ss", "Bearer p\xe4ss", "Bearer", "p\xe4ss"])
def test_a_header_that_is_no_ascii_is_no_key_and_no_fault(client: FlaskClient, header: str) -> None:
    assert client.post(PATH, data=PHOTO, headers={"Authorization": header}).status_code == 401


@pytest.mark.parametrize("key", [FIRST, SECOND])
@pytest.mark.parametrize("header", ["X-Api-Key", "x-api-key", "Authorization"])
def test_each_key_opens_the_api_in_either_header(client: FlaskClient, header: str, key: str) -> None:
    value = f"Bearer {key}" if header == "Authorization" else key
    assert client.post(PATH, data=PHOTO, headers={header: value}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Api-Key": ""},
        {"X-Api-Key": "canary-wrong-key"},
        {"X-Api-Key": FIRST[:-1]},
        {"X-Api-Key": FIRST + "x"},
        {"X-Api-Key": FIRST.upper()},
        {"X-Api-Key": f"{FIRST}, {SECOND}"},
        {"X-Api-Key": "\xff\xfe"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer canary-wrong-key"},
        {"Authorization": f"Basic {FIRST}"},
        {"Authorization": FIRST},
    ],
)
@pytest.mark.parametrize("path", [PATH, "/api/nothing", "/v1.0/removebg", "/v1.0/nothing"])
def test_without_a_key_nothing_of_the_api_answers(client: FlaskClient, path: str, headers: dict[str, str]) -> None:
    answer = client.post(path, data=PHOTO, headers=headers)
    assert answer.status_code in ((401,) if path.startswith("/api/") else (401, 403))  # remove.bg says 403
    assert "X-Api-Key" in answer.text, "it says what to send"
    assert "canary" not in answer.text


def test_a_refusal_is_a_401_that_names_the_scheme(client: FlaskClient) -> None:
    answer = client.post(PATH, data=PHOTO)
    assert answer.status_code == 401
    assert answer.get_json()["error"]["code"] == "invalid_api_key"
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_key_in_the_address_opens_nothing(client: FlaskClient) -> None:
    for name in ("api_key", "key", "X-Api-Key", "access_token"):
        assert client.post(PATH, data=PHOTO, query_string={name: FIRST}).status_code == 401


@pytest.mark.parametrize(
    "path", ["//api/remove-background", "/api//remove-background", "/api/./remove-background", "/api/../api/models"]
)
def test_no_other_spelling_of_a_path_goes_round_the_key(client: FlaskClient, path: str) -> None:
    answer = client.post("/", data=PHOTO, environ_overrides={"PATH_INFO": path, "RAW_URI": path})
    assert answer.status_code == 401


def test_every_path_needs_a_key_except_those_that_are_open_on_purpose(app: Flask, client: FlaskClient) -> None:
    asked = set()
    for rule in app.url_map.iter_rules():
        for method in (rule.methods or set()) - {"OPTIONS"}:
            answer = client.open(rule.rule.replace("<", "").replace(">", ""), method=method)
            if answer.status_code in (401, 403):
                asked.add((method, rule.rule))
            else:
                assert method in ("GET", "HEAD")
                assert rule.rule == "/" or rule.rule.startswith(OPEN_PREFIXES), f"{method} {rule.rule} is open"
    assert asked >= {("POST", PATH), ("POST", "/v1.0/removebg"), ("POST", "/")}


@pytest.mark.parametrize("path", ["/", "/health", "/ready", page_file("style.css"), "/docs", "/openapi.json"])
def test_the_page_its_files_its_documents_and_the_probes_stay_open(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code not in (401, 403)


def test_a_preflight_needs_no_key(client: FlaskClient) -> None:
    assert client.options(PATH).status_code == 200


def test_the_key_is_asked_for_before_the_body_is_read_and_memory_is_held(app: Flask, client: FlaskClient) -> None:
    service: TinyU2NetService = app.extensions["tinycut"]
    everything = service.budget.holding()
    everything.add(service.budget.total_bytes)

    class Unread:
        def read(self, *_size: int) -> bytes:
            raise AssertionError("the body was read")

    answer = client.post(
        PATH, environ_overrides={"wsgi.input": Unread(), "CONTENT_LENGTH": "9000000", "CONTENT_TYPE": "image/png"}
    )
    everything.release()
    assert answer.status_code == 401


def test_every_key_is_compared_in_constant_time_whichever_is_right(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def watched(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return compare(one, other)

    compare = hmac.compare_digest
    monkeypatch.setattr(guard.hmac, "compare_digest", watched)
    for key, status in ((FIRST, 404), (SECOND, 404), ("wrong", 401), ("", 401)):
        compared.clear()
        assert client.get("/api/nothing", headers={"X-Api-Key": key}).status_code == status
        assert len(compared) == 2
        assert {len(digest) for pair in compared for digest in pair} == {32}, "of digests, so lengths tell nothing"


def test_the_plain_form_of_the_page_asks_for_the_key_too(client: FlaskClient) -> None:
    for fields in ({}, {"api_key": ""}, {"api_key": "canary-wrong-key"}):
        answer = client.post("/", data=page_form(**fields))
        assert answer.status_code == 401
        assert "This server needs an API key" in answer.text
        assert 'type="file"' in answer.text, "the form is there again"
        assert "canary" not in answer.text
    answer = client.post("/", data=page_form(api_key=SECOND))
    assert answer.status_code == 200
    assert "data:image/png" in answer.text
    assert SECOND not in answer.text


def test_the_page_has_a_field_for_the_key_only_where_there_are_keys(client: FlaskClient) -> None:
    assert 'name="api_key" type="password"' in client.get("/").text
    assert 'name="api_key"' not in app_with().test_client().get("/").text


def test_without_keys_everything_is_open_and_a_key_does_no_harm() -> None:
    client = app_with().test_client()
    assert client.post(PATH, data=PHOTO).status_code == 200
    assert client.post(PATH, data=PHOTO, headers={"X-Api-Key": "anything"}).status_code == 200
    assert client.post("/", data=page_form(api_key="anything")).status_code == 200


def test_no_key_is_ever_in_an_answer_or_in_the_log(
    app: Flask, client: FlaskClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    answers = [
        client.post(path, data=data, headers=headers)
        for path in (PATH, "/api/nothing", "/v1.0/nothing", "/")
        for data in (PHOTO, b"no photo", page_form(api_key=FIRST), page_form(api_key="canary-wrong"))
        for headers in ({}, {"X-Api-Key": FIRST}, {"X-Api-Key": "canary-wrong"}, {"Authorization": f"Bearer {SECOND}"})
        if not isinstance(data, dict) or path == "/" and not headers
    ]

    def broken(*_words: object, **_how: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(app.extensions["tinycut"], "cut_out", broken)
    answers.append(client.post(PATH, data=PHOTO, headers={"X-Api-Key": FIRST}))
    assert {answer.status_code for answer in answers} >= {200, 401, 404, 500}
    for answer in answers:
        assert "canary" not in answer.text
        assert "canary" not in str(answer.headers)
    assert "a bug" in caplog.text
    assert "canary" not in caplog.text


@pytest.mark.parametrize("text", ["short", f"{FIRST},short", "two words here", ",", "schlüssel-lang"])
def test_keys_that_are_weak_or_cannot_be_sent_end_the_start_and_are_not_shown(text: str) -> None:
    with pytest.raises(config.ConfigError, match="API_KEYS: expected keys of 8 or more") as caught:
        config.load({"API_KEYS": text})
    assert repr(text) not in str(caught.value)
    assert FIRST not in str(caught.value)


def test_secret_settings_are_not_shown_by_the_command_line_or_in_the_settings_own_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secrets = {"API_KEYS": FIRST, "RATE_LIMIT_STORAGE": "redis://:canary-password@store:6379"}
    settings = config.load(secrets)
    monkeypatch.setattr(cli, "current", lambda: settings)
    output = CliRunner().invoke(cli.tinycut, ["settings"]).output
    for name in secrets:
        assert f"{name}=(set, not shown)" in output
    assert "canary" not in output
    assert "canary" not in repr(settings)


def test_keys_are_read_from_the_setting_with_or_without_spaces() -> None:
    settings = config.load({"API_KEYS": f" {FIRST} ,{SECOND}, "})
    client = app_with(api_keys=settings.api_keys).test_client()
    for key in (FIRST, SECOND):
        assert client.get("/api/nothing", headers={"X-Api-Key": key}).status_code == 404


def test_a_real_server_refuses_a_client_that_is_still_sending_and_logs_no_key(tmp_path: Path) -> None:
    env = {"API_KEYS": FIRST, "U2NET_HOME": str(tmp_path), "AUTO_DOWNLOAD": "0"}
    with Server(env=env, log=tmp_path / "log") as server:
        for headers in ({}, {"X-Api-Key": "canary-wrong-key"}):
            answer = requests.post(server.url + PATH, data=bytes(8 * MIB), headers=headers, timeout=60)
            assert answer.status_code == 401
        for path, status in ((f"/x{PATH}", 404), (PATH, 401)):
            answer = requests.post(server.url + path, data=PHOTO, headers={"SCRIPT_NAME": "/x"}, timeout=60)
            assert answer.status_code == status, "no header moves the API to another path"
        answer = requests.post(server.url + PATH, data=PHOTO, headers={"X-Api-Key": FIRST}, timeout=60)
        assert answer.status_code == 200
    assert "canary" not in (tmp_path / "log").read_text()
