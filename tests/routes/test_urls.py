"""Pictures at addresses, through every API that takes one; the internet is fake."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pillow_heif
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.services.remote_image import RemoteImages
from tests.fake_internet import PUBLIC, FakeInternet, FakeServer, page, serving
from tests.support import app_with, encoded, opened, picture

pillow_heif.register_heif_opener()

URL = "http://photos.example/a.png"
BEHIND = "http://photos.example/behind.png"
GOOD = encoded(picture(40, 30))
PATH = "/api/remove-background"
PICTURE = {"Accept": "image/png"}


@pytest.fixture
def host() -> Iterator[FakeServer]:
    """A host with two pictures."""
    with serving() as server:
        server.answer("/a.png", page(GOOD))
        server.answer("/behind.png", page(encoded(picture(9, 9))))
        server.answer("/page.html", page(b"<html>"))
        yield server


@pytest.fixture
def internet(host: FakeServer) -> FakeInternet:
    """An internet with that host alone."""
    fake = FakeInternet()
    fake.doors[PUBLIC, 80] = host.server_address[1]
    return fake


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
        client.post("/api/fetch-photo", json={"image_url": url}),
    ):
        assert (answer.status_code, answer.get_json()["error"]["code"]) == (status, code)
        assert url not in answer.text
    assert {address for address, _ in internet.dialled} <= {PUBLIC}
    assert client.post(PATH, json={"image_url": URL}).status_code == 200


FILES = {
    "JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "AVIF": "image/avif", "HEIF": "image/heif",
    "TIFF": "image/tiff", "BMP": "image/bmp", "GIF": "image/gif", "MPO": "image/jpeg",
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_a_photo_at_an_address_is_handed_on_as_it_is_and_never_shown_as_ours(
    client: FlaskClient, host: FakeServer, kind: str
) -> None:
    photo = encoded(picture(), kind) + b"<script>alert(1)</script>"
    host.answer("/a.png", page(photo))
    answer = client.post("/api/fetch-photo", json={"image_url": URL})
    assert answer.status_code == 200, answer.text
    assert answer.data == photo
    assert answer.mimetype == FILES[kind]
    assert answer.headers["Content-Disposition"] == "attachment"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("kind", ["multipart/form-data", "application/x-www-form-urlencoded"])
def test_its_address_may_be_in_a_form(client: FlaskClient, kind: str) -> None:
    assert client.post("/api/fetch-photo", data={"image_url": URL}, content_type=kind).data == GOOD


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({"json": {}}, "missing_file"),
        ({"json": {"image_url": ""}}, "missing_file"),
        ({"data": GOOD}, "missing_file"),
        ({"json": {"image_url": URL, "format": "png"}}, "unknown_field"),
        ({"data": {"image_url": URL, "file": (io.BytesIO(GOOD), "a.png")}}, "unknown_field"),
        ({"data": {"image_url": (io.BytesIO(GOOD), "a.png")}}, "missing_file"),
    ],
)
def test_nothing_but_an_address_is_taken_to_fetch(
    client: FlaskClient, internet: FakeInternet, how: dict[str, Any], code: str
) -> None:
    answer = client.post("/api/fetch-photo", **how)
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (400, code)
    assert "image_url" in answer.get_json()["error"]["message"]
    assert internet.dialled == []


def test_what_is_handed_on_counts_as_memory_until_it_is_sent(app: Flask, client: FlaskClient) -> None:
    budget = app.extensions["tinycut"].budget
    with client.post("/api/fetch-photo", json={"image_url": URL}) as answer:
        assert budget.held_bytes >= len(answer.data)
    assert budget.held_bytes == 0
    everything = budget.holding()
    everything.add(budget.total_bytes - 200)
    with client.post("/api/fetch-photo", json={"image_url": URL}) as answer:
        assert (answer.status_code, answer.get_json()["error"]["code"]) == (429, "busy")
    everything.release()
    assert budget.held_bytes == 0


def test_what_is_handed_on_counts_to_the_rate() -> None:
    limited = app_with(rate_limit="1/hour").test_client()
    assert [limited.post("/api/fetch-photo", json={}).status_code for _ in range(2)] == [400, 429]


def test_what_was_fetched_counts_as_memory_until_the_answer_is_sent(app: Flask, client: FlaskClient) -> None:
    budget = app.extensions["tinycut"].budget
    with client.post(PATH, json={"image_url": URL}, headers=PICTURE) as answer:
        assert budget.held_bytes == len(GOOD) + len(answer.data)
    assert budget.held_bytes == 0


@pytest.mark.parametrize("path", [PATH, "/api/fetch-photo"])
def test_switched_off_no_address_is_taken(path: str) -> None:
    answer = app_with(allow_urls=False).test_client().post(path, json={"image_url": URL})
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (400, "urls_not_allowed")
