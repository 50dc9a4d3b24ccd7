"""The OpenAPI document is sound, has every path, and says what the server does; its page asks nothing of others."""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from werkzeug.test import TestResponse

from app import __version__
from app.config import Settings
from app.errors import AppError
from app.imaging.encode import FORMATS
from app.routes.openapi import document
from app.services.option_schemas import OPTION_SCHEMAS
from app.services.presets import PRESETS
from scripts.bad_input import JPEG
from scripts.box import REPO
from tests.support import app_with, encoded, page_file, picture

DOCUMENT: dict[str, Any] = document(Settings())
PATHS: dict[str, dict[str, Any]] = DOCUMENT["paths"]
OPERATIONS = {
    (path, method.upper()): operation
    for path, operations in PATHS.items()
    for method, operation in operations.items()
    if method != "parameters"
}
# The page and its files are for people.
FOR_PEOPLE = ("/", "/docs", "/openapi.json")
# Told under codes of remove.bg's, which its operation leaves open.
REMOVE_BGS_OWN = (
    "missing_source",
    "multiple_sources",
    "multiple_bg_sources",
    "failed_to_read_image",
    "failed_bg_download",
)
# Never the answer of a route: of the family's base, of what OpenCV stands in for, of what nobody reads.
NEVER_SENT = (
    *REMOVE_BGS_OWN,
    *("bad_request", "model_unavailable", "client_closed_request"),
)
PHOTO = encoded(picture())
PATH = "/api/remove-background"


def resolved(piece: Any) -> Any:
    """A piece of the document with what its references name."""
    if isinstance(piece, list):
        return [resolved(part) for part in piece]
    if not isinstance(piece, dict):
        return piece
    piece = dict(piece)
    if "$ref" in piece:
        target: Any = DOCUMENT
        for name in piece.pop("$ref").removeprefix("#/").split("/"):
            target = target[name]
        piece = {**target, **piece}
    return {name: resolved(part) for name, part in piece.items()}


def check_against_document(answer: TestResponse, path: str) -> None:
    """An answer has a status, a type, headers and a body that the document has for its operation."""
    described = resolved(OPERATIONS[path, answer.request.method]["responses"])[str(answer.status_code)]
    for name, header in described["headers"].items():
        if name in answer.headers:
            text = answer.headers[name]
            Draft202012Validator(header["schema"]).validate(typed(text, header["schema"].get("type")))
    assert "X-Request-ID" in answer.headers
    assert answer.mimetype in described["content"]
    if answer.mimetype == "application/json":
        Draft202012Validator(described["content"]["application/json"]["schema"]).validate(answer.get_json())


def typed(text: str, kind: str | None) -> object:
    """A header's text as a value of its schema's type."""
    if kind == "boolean":
        return {"true": True, "false": False}.get(text, text)
    return {"integer": int, "number": float}.get(str(kind), str)(text)


def test_the_document_is_openapi_3_1(client: FlaskClient) -> None:
    answer = client.get("/openapi.json")
    assert answer.mimetype == "application/json"
    served = answer.get_json()
    assert served == DOCUMENT
    assert served["openapi"].startswith("3.1.")
    assert served["info"]["version"] == __version__
    assert [error.message for error in OpenAPIV31SpecValidator(served).iter_errors()] == []


def test_every_path_and_method_is_in_it_and_no_other(app: Flask) -> None:
    served = {
        (re.sub("<(.+?)>", r"{\1}", rule.rule), method)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule not in FOR_PEOPLE and not (rule.endpoint or "").endswith("static")
    }
    assert served == set(OPERATIONS)


def test_every_operation_has_a_name_of_its_own_and_a_known_tag() -> None:
    names = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(set(names)) == len(names)
    tags = {tag["name"] for tag in DOCUMENT["tags"]}
    assert {tag for operation in OPERATIONS.values() for tag in operation["tags"]} == tags


def test_options_are_those_that_are_read_with_their_words_and_bounds() -> None:
    described = resolved(DOCUMENT["components"]["parameters"]["Options"])["schema"]["properties"]
    assert described == OPTION_SCHEMAS
    assert described["format"]["enum"] == list(FORMATS)
    assert described["preset"]["enum"] == list(PRESETS)
    for kind, content in resolved(OPERATIONS[PATH, "POST"])["requestBody"]["content"].items():
        if kind not in ("image/*", "application/octet-stream"):
            assert content["schema"]["properties"].items() >= OPTION_SCHEMAS.items(), kind


def test_limits_are_those_of_the_settings() -> None:
    text = str(document(Settings(max_upload_mb=3.5, max_batch_photos=7, max_batch_mb=21)))
    for words in ("at most 3.5 MB", "'maxItems': 7", "21 MB together"):
        assert words in text
        assert words not in str(DOCUMENT)


def test_a_key_is_asked_for_only_where_the_server_has_keys() -> None:
    assert {} in DOCUMENT["security"]
    with_keys = document(Settings(api_keys="a-key-of-mine"))
    assert with_keys["security"] == [{"ApiKey": []}, {"Bearer": []}]
    assert with_keys["paths"]["/health"]["get"]["security"] == []
    assert "a-key-of-mine" not in str(with_keys)


def codes_of_the_app() -> set[str]:
    """Every code of an error that stands in the code of the app, and those that are made of a field's name."""
    codes = set()
    for path in sorted((REPO / "app").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "code" and isinstance(node.value, ast.Constant):
                codes.add(str(node.value.value))
    return codes | {kind.code for kind in AppError.__subclasses__()}


def test_every_code_of_an_error_is_in_it() -> None:
    described = str([resolved(operation["responses"]) for operation in OPERATIONS.values()])
    assert [code for code in codes_of_the_app() - set(NEVER_SENT) if f"'{code}'" not in described] == []


def form(**fields: object) -> dict[str, object]:
    return {"data": {"file": (io.BytesIO(PHOTO), "photo.png"), **fields}}


ANSWERS: dict[str, tuple[str, Callable[[FlaskClient, str], TestResponse], int]] = {
    "a cut-out in JSON": (PATH, lambda client, path: client.post(path, **form()), 200),
    "a cut-out with a field that is wrong": (PATH, lambda client, path: client.post(path, **form(format="gif")), 400),
    "no photo": (PATH, lambda client, path: client.post(path), 400),
    "too large a photo": (PATH, lambda client, path: client.post(path, data=bytes(11 << 20)), 413),
    "what is no photo": (PATH, lambda client, path: client.post(path, data=b"text"), 415),
    "half a photo": (PATH, lambda client, path: client.post(path, data=JPEG[: len(JPEG) // 2]), 422),
    "no background": ("/api/change-background", lambda client, path: client.post(path, **form()), 400),
    "a background": (
        *("/api/change-background", lambda client, path: client.post(path, **form(background_color="red"))),
        200,
    ),
    "a batch": ("/api/batch", lambda client, path: client.post(path, **form()), 200),
    "a batch of nothing": ("/api/batch", lambda client, path: client.post(path), 400),
    "a photo as rembg's clients send it": ("/api/remove", lambda client, path: client.post(path, **form()), 200),
    "a word that rembg would not take": ("/api/remove", lambda client, path: client.post(path, **form(a="so")), 400),
    "no address": ("/api/remove", lambda client, path: client.get(path), 400),
    "no address to fetch": ("/api/fetch-photo", lambda client, path: client.post(path, json={}), 400),
    "the models": ("/api/models", lambda client, path: client.get(path), 200),
    "the presets": ("/api/presets", lambda client, path: client.get(path), 200),
    "where a photo is": (
        *("/api/progress/{request_id}", lambda client, path: client.get(path.format(request_id="mine"))),
        200,
    ),
    "its health": ("/health", lambda client, path: client.get(path), 200),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_answers_are_as_the_document_has_them(client: FlaskClient, case: str) -> None:
    path, send, status = ANSWERS[case]
    answer = send(client, path)
    assert answer.status_code == status
    check_against_document(answer, path)


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_and_its_headers_are_as_the_document_has_them(client: FlaskClient, name: str) -> None:
    mimetype = FORMATS[name].mimetype
    answer = client.post(PATH, data=PHOTO, headers={"Accept": mimetype})
    assert (answer.status_code, answer.mimetype) == (200, mimetype)
    check_against_document(answer, PATH)
    described = resolved(OPERATIONS[PATH, "POST"]["responses"])["200"]["headers"]
    assert {header for header, _ in answer.headers if header.startswith("X-")} <= {
        *described, "X-Content-Type-Options", "X-Frame-Options"
    }  # fmt: skip


def test_ready_is_as_the_document_has_it_before_and_after(app: Flask, client: FlaskClient) -> None:
    service = app.extensions["tinycut"]
    service._warm_up_begun = True  # nobody warms it up meanwhile
    for status in (503, 200):
        answer = client.get("/ready")
        assert answer.status_code == status
        check_against_document(answer, "/ready")
        service.warm_up()


def test_a_missing_key_is_as_the_document_has_it() -> None:
    client = app_with(api_keys="a-key-of-mine").test_client()
    for path, method in OPERATIONS:
        if path.startswith("/api/"):
            answer = client.open(path, method=method)
            assert answer.status_code == 401
            check_against_document(answer, path)


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_a_fault_of_the_server_is_as_the_document_has_it(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch, path: str, method: str
) -> None:
    def broken(**_values: object) -> None:
        raise KeyError

    endpoint, _ = app.url_map.bind("").match(path, method=method)
    monkeypatch.setitem(app.view_functions, endpoint, broken)
    answer = client.open(path, method=method)
    assert answer.status_code == 500
    check_against_document(answer, path)


def test_too_many_photos_are_as_the_document_has_them() -> None:
    client = app_with(rate_limit="1/hour").test_client()
    for status in (200, 429):
        answer = client.post(PATH, data=PHOTO)
        assert answer.status_code == status
        check_against_document(answer, PATH)


EXAMPLES = resolved(OPERATIONS[PATH, "POST"])["requestBody"]["content"]["application/json"]["examples"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_work(client: FlaskClient, name: str) -> None:
    answer = client.post(PATH, json=EXAMPLES[name]["value"])
    assert answer.status_code == 200
    check_against_document(answer, PATH)


@pytest.mark.parametrize("path", ["/docs", "/docs/"])
def test_the_page_of_the_document_names_no_other_site_and_all_it_names_is_there(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    named = re.findall(r'(?:src|href|data-document)="([^"]*)"', answer.text)
    assert len(named) >= 5
    for address in named:
        assert address.startswith("/")
        assert not address.startswith("//")
        assert client.get(address).status_code == 200
    assert "validatorUrl: null" in client.get(page_file("docs.js")).text


def test_the_page_of_the_document_has_no_script_or_style_of_its_own(client: FlaskClient) -> None:
    page = client.get("/docs")
    assert re.findall(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=", page.text) == []
    assert "unsafe" not in page.headers["Content-Security-Policy"]
