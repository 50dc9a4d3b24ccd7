"""Pictures at addresses, through every API that takes one; the internet is fake."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.services.remote_image import RemoteImages
from tests.fake_internet import PUBLIC, FakeInternet, page, serving
from tests.support import app_with, encoded, opened, picture

URL = "http://photos.example/a.png"
BEHIND = "http://photos.example/behind.png"
GOOD = encoded(picture(40, 30))
PATH = "/api/remove-background"
PICTURE = {"Accept": "image/png"}


@pytest.fixture
def internet() -> Iterator[FakeInternet]:
    """An internet with one host, and two pictures on it."""
    fake = FakeInternet()
    with serving() as server:
        server.answer("/a.png", page(GOOD))
        server.answer("/behind.png", page(encoded(picture(9, 9))))
        server.answer("/page.html", page(b"<html>"))
        fake.doors[PUBLIC, 80] = server.server_address[1]
        yield fake


@pytest.fixture
def app(internet: FakeInternet) -> Flask:
    """The application on that internet."""
    made = app_with()
    service = made.extensions["tinycut"]
    images = RemoteImages(allowed=True, most_bytes=10 << 20, resolve=internet.resolve, connect=internet.connect)
    service._made_gates = service._gates._replace(remote_images=images)
    return made


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client of it."""
    return app.test_client()


@pytest.mark.parametrize(
    "how",
    [
        {"json": {"image_url": URL}},
        {"data": {"image_url": URL}, "content_type": "multipart/form-data"},
        {"data": {"image_url": URL}, "content_type": "application/x-www-form-urlencoded"},
        {"query_string": {"image_url": URL}},
    ],
)
def test_a_photo_at_an_address_is_cut_out_as_if_it_had_been_sent(client: FlaskClient, how: dict[str, Any]) -> None:
    answer = client.post(PATH, headers=PICTURE, **how)
    assert answer.status_code == 200, answer.text
    assert answer.data == client.post(PATH, data=GOOD, headers=PICTURE).data


@pytest.mark.parametrize("method", ["get", "post"])
def test_rembgs_clients_may_name_an_address_too(client: FlaskClient, method: str) -> None:
    answer = getattr(client, method)("/api/remove", query_string={"url": URL, "om": "true"})
    assert (answer.status_code, opened(answer.data).mode) == (200, "L")


def test_a_picture_behind_may_be_at_an_address(client: FlaskClient) -> None:
    answer = client.post(
        "/api/change-background", json={"image_url": URL, "background_image_url": BEHIND}, headers=PICTURE
    )
    assert opened(answer.data).mode == "RGB"


def test_a_batch_may_have_one_too(client: FlaskClient) -> None:
    files = [(io.BytesIO(GOOD), "a.png"), (io.BytesIO(GOOD), "b.png")]
    assert client.post("/api/batch", data={"file": files, "background_image_url": BEHIND}).status_code == 200


@pytest.mark.parametrize(
    ("url", "status", "code"),
    [
        ("http://127.0.0.1/a.png", 400, "invalid_image_url"),
        ("http://2130706433/a.png", 400, "invalid_image_url"),
        ("http://[::1]/a.png", 400, "invalid_image_url"),
        ("http://169.254.169.254/latest", 400, "invalid_image_url"),
        ("file:///etc/passwd", 400, "invalid_image_url"),
        ("http://photos.example/none.png", 400, "image_download_failed"),
        ("http://photos.example/page.html", 415, "unsupported_format"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_and_the_next_request_works(
    client: FlaskClient, internet: FakeInternet, url: str, status: int, code: str
) -> None:
    for answer in (
        client.post(PATH, json={"image_url": url}),
        client.get("/api/remove", query_string={"url": url}),
    ):
        assert (answer.status_code, answer.get_json()["error"]["code"]) == (status, code)
        assert url not in answer.text
    assert {address for address, _ in internet.dialled} <= {PUBLIC}
    assert client.post(PATH, json={"image_url": URL}).status_code == 200


def test_what_was_fetched_counts_as_memory_until_the_answer_is_sent(app: Flask, client: FlaskClient) -> None:
    budget = app.extensions["tinycut"].budget
    with client.post(PATH, json={"image_url": URL}, headers=PICTURE) as answer:
        assert budget.held_bytes == len(GOOD) + len(answer.data)
    assert budget.held_bytes == 0


def test_switched_off_no_address_is_taken() -> None:
    answer = app_with(allow_urls=False).test_client().post(PATH, json={"image_url": URL})
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (400, "urls_not_allowed")
