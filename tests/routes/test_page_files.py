"""The page's files: addresses of their own for each version, kept by browsers, text compressed, never the API."""

from __future__ import annotations

import gzip
import io
import re
from pathlib import Path
from urllib.parse import urljoin

import pytest
from flask import Flask, url_for
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.routes.page_files import PageFiles
from tests.support import REPO, encoded, opened, page_file, picture

FOLDER = REPO / "app/static"
NAMES = [path.relative_to(FOLDER).as_posix() for path in sorted(FOLDER.rglob("*")) if path.is_file()]
TEXT_SUFFIXES = (".css", ".js", ".svg", ".webmanifest")
TEXTS = [name for name in NAMES if name.endswith(TEXT_SUFFIXES)]
GZIP = {"Accept-Encoding": "br, gzip, deflate"}
STYLE = page_file("style.css")


def plain(answer: TestResponse) -> bytes:
    """The text of an answer that may be compressed."""
    return gzip.decompress(answer.data) if answer.content_encoding == "gzip" else answer.data


@pytest.mark.parametrize("name", NAMES)
def test_every_file_has_an_address_of_its_version_and_may_be_kept_for_ever(
    app: Flask, client: FlaskClient, name: str
) -> None:
    with app.test_request_context():
        address = url_for("static", filename=name)
    assert address == page_file(name)
    answer = client.get(address, headers=GZIP)
    assert (answer.status_code, plain(answer)) == (200, (FOLDER / name).read_bytes())
    words = set(answer.headers["Cache-Control"].split(", "))
    assert {"public", "immutable", "max-age=31536000"} <= words


@pytest.mark.parametrize("name", TEXTS)
def test_text_is_compressed_for_those_who_read_it_and_told_apart_by_caches(client: FlaskClient, name: str) -> None:
    whole = (FOLDER / name).read_bytes()
    small, large = client.get(page_file(name), headers=GZIP), client.get(page_file(name))
    assert (small.content_encoding, gzip.decompress(small.data)) == ("gzip", whole)
    assert len(small.data) == small.content_length < len(whole)
    assert (large.content_encoding, large.data) == (None, whole)
    assert small.content_type == large.content_type
    for answer in (small, large):
        assert "accept-encoding" in answer.vary
    assert small.headers["ETag"] != large.headers["ETag"]
    assert client.get(page_file(name), headers={"Accept-Encoding": "gzip;q=0"}).data == whole


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("style.css", "text/css"),
        ("docs.js", "text/javascript"),
        ("favicon.svg", "image/svg+xml"),
        ("manifest.webmanifest", "application/manifest+json"),
    ],
)
def test_text_has_the_type_that_a_browser_asks_for(client: FlaskClient, name: str, kind: str) -> None:
    assert client.get(page_file(name)).mimetype == kind


@pytest.mark.parametrize("name", [name for name in NAMES if name not in TEXTS])
def test_pictures_are_sent_as_they_are(client: FlaskClient, name: str) -> None:
    answer = client.get(page_file(name), headers=GZIP)
    assert answer.content_encoding is None
    assert "accept-encoding" not in answer.vary


@pytest.mark.parametrize("path", ["/api/models", "/api/presets", "/api/nothing", "/health", "/openapi.json"])
def test_no_answer_of_the_api_is_compressed(client: FlaskClient, path: str) -> None:
    assert client.get(path, headers=GZIP).content_encoding is None


@pytest.mark.parametrize("accept", ["application/json", "image/png", "text/html"])
def test_neither_a_cut_out_nor_the_page_that_shows_it_is_compressed(client: FlaskClient, accept: str) -> None:
    photo = encoded(picture())
    answer = client.post("/api/remove-background", data=photo, headers={"Accept": accept, **GZIP})
    assert (answer.status_code, answer.content_encoding) == (200, None)
    assert "accept-encoding" not in answer.vary
    shown = client.post("/", data={"file": (io.BytesIO(photo), "a.png")}, headers=GZIP)
    assert (shown.status_code, shown.content_encoding) == (200, None)


@pytest.mark.parametrize("path", ["/", "/docs", "/nothing"])
def test_pages_are_compressed_for_those_who_read_it(client: FlaskClient, path: str) -> None:
    html = {"Accept": "text/html"}
    small, large = client.get(path, headers={**html, **GZIP}), client.get(path, headers=html)
    assert (small.content_encoding, large.content_encoding) == ("gzip", None)
    assert gzip.decompress(small.data) == large.data
    assert small.content_length == len(small.data)
    assert "accept-encoding" in small.vary
    assert "accept-encoding" in large.vary


@pytest.mark.parametrize("headers", [{}, GZIP])
@pytest.mark.parametrize("path", ["/", STYLE, page_file("sample.jpg")])
def test_a_head_has_the_headers_of_a_get(client: FlaskClient, path: str, headers: dict[str, str]) -> None:
    got, asked = client.get(path, headers=headers), client.head(path, headers=headers)
    assert asked.data == b""
    for name in ("Content-Length", "Content-Encoding", "Content-Type", "ETag", "Vary", "Cache-Control"):
        assert got.headers.get(name) == asked.headers.get(name)


@pytest.mark.parametrize("headers", [{}, GZIP])
def test_who_has_a_file_already_is_told_so(client: FlaskClient, headers: dict[str, str]) -> None:
    tag = client.get(STYLE, headers=headers).headers["ETag"]
    answer = client.get(STYLE, headers={**headers, "If-None-Match": tag})
    assert (answer.status_code, answer.data, answer.headers["ETag"]) == (304, b"", tag)
    assert "accept-encoding" in answer.vary
    assert client.get(STYLE, headers={**headers, "If-None-Match": '"another"'}).status_code == 200


@pytest.mark.parametrize("headers", [{}, GZIP])
def test_a_download_that_broke_off_goes_on_with_the_same_bytes(client: FlaskClient, headers: dict[str, str]) -> None:
    whole = client.get(STYLE, headers=headers)
    again = {**headers, "Range": "bytes=100-", "If-Range": whole.headers["ETag"]}
    rest = client.get(STYLE, headers=again)
    assert (rest.status_code, rest.content_encoding) == (206, whole.content_encoding)
    assert rest.data == whole.data[100:]


def test_a_download_that_broke_off_does_not_go_on_in_another_encoding(client: FlaskClient) -> None:
    tag = client.get(STYLE).headers["ETag"]
    answer = client.get(STYLE, headers={**GZIP, "Range": "bytes=100-", "If-Range": tag})
    assert answer.status_code == 200
    assert plain(answer) == (FOLDER / "style.css").read_bytes()


@pytest.mark.parametrize(
    "address",
    [
        "/static/style.css",
        "/static/00000000/style.css",
        page_file("none.css"),
        page_file("../factory.py"),
        page_file("%2e%2e/factory.py"),
        page_file(""),
    ],
)
def test_nothing_but_the_files_of_this_version_is_there(client: FlaskClient, address: str) -> None:
    assert client.get(address).status_code == 404


@pytest.mark.parametrize("root", ["", "/tools/cut"])
def test_what_is_installed_begins_at_the_page_wherever_the_server_is(app: Flask, root: str) -> None:
    with app.test_request_context(environ_overrides={"SCRIPT_NAME": root}):
        address = url_for("static", filename="manifest.webmanifest")
    manifest = app.test_client().get(page_file("manifest.webmanifest")).get_json(force=True)
    assert {urljoin(address, manifest[name]) for name in ("start_url", "scope")} == {f"{root}/"}
    assert manifest["display"] == "standalone"
    assert manifest["name"] == "TinyCut"


def test_the_icons_of_what_is_installed_are_as_the_manifest_says(client: FlaskClient) -> None:
    icons = client.get(page_file("manifest.webmanifest")).get_json(force=True)["icons"]
    assert {(icon["sizes"], icon.get("purpose", "any")) for icon in icons} >= {
        ("192x192", "any"), ("512x512", "any"), ("512x512", "maskable")
    }  # fmt: skip
    for icon in icons:
        answer = client.get(page_file(icon["src"]))
        assert (answer.status_code, answer.mimetype) == (200, icon["type"])
        if icon["type"] == "image/png":
            assert "{}x{}".format(*opened(answer.data).size) == icon["sizes"]


def test_what_is_installed_has_the_colours_of_the_page(client: FlaskClient) -> None:
    manifest = client.get(page_file("manifest.webmanifest")).get_json(force=True)
    light = dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6})", client.get(STYLE).text.split("@media")[0]))
    assert (manifest["background_color"], manifest["theme_color"]) == (light["page"], light["accent"])


def test_the_version_is_another_when_a_file_or_its_name_is_and_the_same_otherwise(tmp_path: Path) -> None:
    (tmp_path / "js").mkdir()
    script = tmp_path / "js/one.js"
    versions = []
    for text in ("one", "two", "one"):
        script.write_text(text)
        versions.append(PageFiles(tmp_path).version)
    script.rename(tmp_path / "js/other.js")
    versions.append(PageFiles(tmp_path).version)
    first, second, third, fourth = versions
    assert first == third
    assert len({first, second, fourth}) == 3
