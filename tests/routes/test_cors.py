"""Which other sites' pages may call the API, and what they may read of its answers."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import config
from app.routes.security_headers import SECURITY_HEADERS
from tests.support import app_with, encoded, page_file, picture

PATH = "/api/remove-background"
PHOTO = encoded(picture())
SHOP, BLOG, OTHER = "https://shop.example", "http://localhost:3000", "https://evil.example"
ASKED_HEADERS = ("authorization", "content-type", "if-none-match", "x-api-key", "x-request-id")
ALLOWED = "Access-Control-Allow-Origin"


@pytest.fixture
def app() -> Flask:
    """The application, open to pages of two sites, with a key and a rate."""
    return app_with(cors_origins=f"{SHOP}, {BLOG}", api_keys="correct-horse", rate_limit="100/hour")


def preflight(client: FlaskClient, *, origin: str = SHOP, path: str = PATH, method: str = "POST") -> TestResponse:
    return client.options(
        path,
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": f"{', '.join(ASKED_HEADERS)}, x-evil",
        },
    )


def send(client: FlaskClient, *, origin: str = SHOP, path: str = PATH, **how: object) -> TestResponse:
    headers = {"X-Api-Key": "correct-horse", "Accept": "image/*", **({"Origin": origin} if origin else {})}
    return client.post(path, data=PHOTO, headers=headers, **how)


def words(answer: TestResponse, header: str) -> set[str]:
    return {word.strip().lower() for word in answer.headers.get(header, "").split(",") if word.strip()}


@pytest.mark.parametrize("origin", [SHOP, BLOG, SHOP.upper()])
def test_a_page_of_an_allowed_site_may_read_the_answer(client: FlaskClient, origin: str) -> None:
    answer = send(client, origin=origin)
    assert answer.status_code == 200
    assert answer.headers.getlist(ALLOWED) == [origin]
    assert words(answer, "Vary") == {"accept", "origin"}
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_everything_that_an_answer_tells_in_headers_may_be_read(client: FlaskClient) -> None:
    answer = send(client)
    exposed = words(answer, "Access-Control-Expose-Headers")
    told = {name for name, _ in answer.headers if name.startswith("X-")} - set(SECURITY_HEADERS)
    assert {name.lower() for name in told} <= exposed
    assert {"x-width", "x-method", "x-request-id", "x-ratelimit-remaining", "server-timing"} <= exposed


def test_when_to_come_back_may_be_read() -> None:
    client = app_with(cors_origins=SHOP, rate_limit="1/hour").test_client()
    assert send(client).status_code == 200
    assert "retry-after" in words(send(client), "Access-Control-Expose-Headers")


@pytest.mark.parametrize(
    "origin", [OTHER, "https://shop.example.evil.example", "https://shopxexample", "http://shop.example", "null", ""]
)
def test_a_page_of_any_other_site_may_not(client: FlaskClient, origin: str) -> None:
    answer = send(client, origin=origin)
    assert answer.status_code == 200
    assert ALLOWED not in answer.headers
    assert "origin" in words(answer, "Vary"), "a cache keeps it apart from the answer to an allowed site"
    assert "Access-Control-Allow-Methods" not in preflight(client, origin=origin or OTHER).headers


def test_a_preflight_is_answered_without_a_key_and_is_not_counted(client: FlaskClient) -> None:
    answer = preflight(client)
    assert answer.status_code == 200
    assert answer.headers[ALLOWED] == SHOP
    assert words(answer, "Access-Control-Allow-Methods") == {"get", "head", "post"}
    assert words(answer, "Access-Control-Allow-Headers") == set(ASKED_HEADERS)
    assert int(answer.headers["Access-Control-Max-Age"]) > 0
    assert "X-RateLimit-Limit" not in answer.headers


@pytest.mark.parametrize(
    ("path", "key", "status"), [(PATH, "wrong-key", 401), ("/api/nothing", "correct-horse", 404), (PATH, "", 401)]
)
def test_errors_may_be_read_too(client: FlaskClient, path: str, key: str, status: int) -> None:
    answer = client.post(path, data=PHOTO, headers={"Origin": SHOP, "X-Api-Key": key})
    assert answer.status_code == status
    assert answer.headers[ALLOWED] == SHOP


@pytest.mark.parametrize("path", ["/", "/health", "/ready", page_file("style.css"), "/nothing"])
def test_only_the_api_is_open_to_other_sites(client: FlaskClient, path: str) -> None:
    assert ALLOWED not in client.get(path, headers={"Origin": SHOP}).headers


def test_a_star_opens_the_api_to_all_sites() -> None:
    client = app_with(cors_origins="*").test_client()
    answer = send(client, origin=OTHER)
    assert answer.headers.getlist(ALLOWED) == ["*"]
    assert words(answer, "Vary") == {"accept"}
    assert preflight(client, origin=OTHER).headers[ALLOWED] == "*"


def test_without_the_setting_no_other_site_may_call_the_api() -> None:
    client = app_with().test_client()
    for answer in (send(client), preflight(client)):
        assert not [name for name, _ in answer.headers if name.startswith("Access-Control-")]


@pytest.mark.parametrize("origin", [OTHER, ""])
def test_without_the_setting_remove_bgs_paths_are_open_to_all_sites_errors_included(origin: str) -> None:
    client = app_with(api_keys="correct-horse").test_client()
    for answer in (
        send(client, origin=origin, path="/v1.0/nothing"),
        client.post("/v1.0/nothing", headers={"Origin": origin} if origin else {}),
        preflight(client, origin=origin, path="/v1.0/nothing"),
    ):
        assert answer.headers.getlist(ALLOWED) == ["*"]
    assert "x-api-key" in words(preflight(client, path="/v1.0/nothing"), "Access-Control-Allow-Headers")


def test_with_the_setting_it_rules_remove_bgs_paths_too(client: FlaskClient) -> None:
    assert send(client, path="/v1.0/nothing").headers[ALLOWED] == SHOP
    assert send(client, path="/v1.0/nothing", origin=OTHER).headers.get(ALLOWED) is None


@pytest.mark.parametrize(
    "origins",
    ["shop.example", "https://shop.example/", "https://shop.example/path", "https://*.example", "null", ",",
     f"{SHOP}, *", "https://user@shop.example", "ftp://shop.example", "https://shop.example:port"],
)  # fmt: skip
def test_an_origin_that_is_none_ends_the_start_with_an_example(origins: str) -> None:
    with pytest.raises(config.ConfigError, match="CORS_ORIGINS=.*https://shop.example"):
        config.load({"CORS_ORIGINS": origins})


@pytest.mark.parametrize("origins", ["*", SHOP, f"{SHOP},{BLOG}", "http://[::1]:8000"])
def test_origins_are_taken_as_browsers_write_them(origins: str) -> None:
    client = app_with(cors_origins=config.load({"CORS_ORIGINS": origins}).cors_origins).test_client()
    for origin in origins.split(","):
        assert send(client, origin=origin).headers[ALLOWED] == origin
