"""Many photos in, one ZIP out."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Busy
from app.services.cutout_zip import _clean, _free_name
from app.services.tiny_u2net_service import TinyU2NetService
from tests.properties import bounded
from tests.support import FakeModels, app_with, encoded, opened, picture

PATH = "/api/batch"
GOOD = encoded(picture(40, 30))


def send(client: FlaskClient, photos: list[tuple[bytes, str]], path: str = PATH, **options: str) -> Any:
    return client.post(path, data={"file": [(io.BytesIO(data), name) for data, name in photos], **options})


def opened_zip(answer: Any) -> tuple[zipfile.ZipFile, dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    assert answer.mimetype == "application/zip"
    archive = zipfile.ZipFile(io.BytesIO(answer.data))
    answer.close()
    assert archive.testzip() is None
    return archive, json.loads(archive.read("manifest.json"))


@pytest.mark.parametrize("path", [PATH, "/api/remove-background"])
def test_every_photo_has_its_cut_out_and_every_failure_its_reason(client: FlaskClient, path: str) -> None:
    photos = [(GOOD, "a.png"), (b"no photo", "b.jpg"), (encoded(picture(20, 50), "JPEG"), "c.jpg"), (b"", "d.png")]
    archive, manifest = opened_zip(send(client, photos, path))
    assert archive.namelist() == ["a.png", "c.png", "manifest.json"]
    assert opened(archive.read("a.png")).size == (40, 30)
    assert opened(archive.read("c.png")).size == (20, 50)
    assert (manifest["succeeded"], manifest["failed"]) == (2, 2)
    assert [entry["name"] for entry in manifest["photos"]] == ["a.png", "b.jpg", "c.jpg", "d.png"]
    assert [entry["status"] for entry in manifest["photos"]] == [200, 415, 200, 400]
    first, second = manifest["photos"][:2]
    assert (first["file"], first["method"], first["model"]) == ("a.png", "tiny_u2net", "u2netp")
    assert first["timings_ms"]["total"] > 0
    assert second["error"]["code"] == "unsupported_format"
    assert "file" not in second


def test_a_batch_of_a_server_that_ends_is_whole_and_says_what_to_send_again(
    client: FlaskClient, service: TinyU2NetService, models: FakeModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    infer = models.session.infer

    def infer_at_the_end(rgb: np.ndarray, **how: object) -> np.ndarray:
        service.end(batches_go_on_s=0, photos_go_on_s=60)
        return infer(rgb, **how)

    monkeypatch.setattr(models.session, "infer", infer_at_the_end)
    archive, manifest = opened_zip(send(client, [(GOOD, "a.png"), (GOOD, "b.png")]))
    assert archive.namelist() == ["a.png", "manifest.json"]
    assert [entry["status"] for entry in manifest["photos"]] == [200, 503]
    assert "Please send this photo again." in manifest["photos"][1]["error"]["message"]


def test_a_batch_takes_the_options_of_one_photo_for_all(client: FlaskClient) -> None:
    photos = [(GOOD, "a.png"), (GOOD, "b.png")]
    archive, _ = opened_zip(send(client, photos, background_color="red", format="jpeg", size="16x16"))
    pictures = [opened(archive.read(name)) for name in ("a.jpg", "b.jpg")]
    assert [one.size for one in pictures] == [(16, 16)] * 2
    red, green, blue = pictures[0].getpixel((0, 0))
    assert red > 240 and green < 15 and blue < 15


def test_photos_of_one_name_and_of_names_with_folders_all_arrive(client: FlaskClient) -> None:
    names = ["x/a.jpg", "..\\a.png", "A.webp", "", "manifest.json"]
    archive, manifest = opened_zip(send(client, [(GOOD, name) for name in names], format="webp"))
    written = archive.namelist()
    assert len({name.lower() for name in written}) == len(names) + 1
    assert not any("/" in name or "\\" in name or name.startswith("..") for name in written)
    assert manifest["succeeded"] == len(names)


def test_a_wrong_option_is_one_error_before_anything_is_made(client: FlaskClient) -> None:
    answer = send(client, [(GOOD, "a.png"), (GOOD, "b.png")], format="gif")
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (400, "invalid_format")


def test_more_photos_than_allowed_are_refused() -> None:
    app = app_with(max_batch_photos=2)
    answer = send(app.test_client(), [(GOOD, "a.png")] * 3)
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (413, "too_many_photos")


def test_a_batch_may_be_larger_than_one_photo_but_each_of_its_photos_may_not() -> None:
    app = app_with(max_upload_mb=0.5, max_batch_mb=3)
    large = GOOD + bytes(600_000)
    _, manifest = opened_zip(send(app.test_client(), [(GOOD + bytes(400_000), "a.png")] * 4 + [(large, "b.png")]))
    assert [entry["status"] for entry in manifest["photos"]] == [200] * 4 + [413]
    answer = send(app.test_client(), [(large, "a.png")] * 7)
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (413, "file_too_large")


def test_a_third_batch_is_sent_away_and_a_finished_one_leaves_its_place(app: Flask, client: FlaskClient) -> None:
    under_way = [client.post(PATH, data=form(), buffered=False) for _ in range(2)]
    refused = client.post(PATH, data=form())
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "3")
    for answer in under_way:
        answer.close()  # even unread
    opened_zip(client.post(PATH, data=form()))
    service: TinyU2NetService = app.extensions["tinycut"]
    assert service.batches.busy == 0
    assert service.budget.held_bytes == 0


def test_a_batch_waits_where_others_are_sent_away(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    service: TinyU2NetService = app.extensions["tinycut"]
    real, refusals = service.cut_out, [Busy("full"), Busy("full")]

    def busy_at_first(*words: Any, **how: Any) -> Any:
        assert how["patient"]
        if refusals:
            raise refusals.pop()
        return real(*words, **how)

    monkeypatch.setattr(service, "cut_out", busy_at_first)
    monkeypatch.setattr("app.routes.batch.time.sleep", lambda _s: None)
    _, manifest = opened_zip(send(app.test_client(), [(GOOD, "a.png")]))
    assert manifest["succeeded"] == 1


def test_uploads_of_a_batch_wait_on_disk_and_are_let_go_one_by_one(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tempfile

    files: list[Any] = []
    made = tempfile.TemporaryFile

    def kept_file(*words: Any, **how: Any) -> Any:
        files.append(made(*words, **how))
        return files[-1]

    monkeypatch.setattr("app.routes.bodies.tempfile.TemporaryFile", kept_file)
    answer = client.post(PATH, data=form(3), buffered=False)
    assert [file.closed for file in files] == [True, False, False], "the first piece has come"
    answer.close()
    assert [file.closed for file in files] == [True] * 3


def test_a_result_counts_as_memory_until_its_client_has_taken_it(app: Flask, client: FlaskClient) -> None:
    budget = app.extensions["tinycut"].budget
    with client.post(PATH, data=form(2), buffered=False):
        assert budget.held_bytes > 2 * 100, "the first is made, and not taken"
    assert budget.held_bytes == 0


def test_a_batch_takes_files_only_and_says_so(client: FlaskClient) -> None:
    for words in ({"image_url": "http://a.example/b.jpg"}, {"image": "iVBO"}):
        answer = send(client, [(GOOD, "a.png")], **words)
        assert (answer.status_code, answer.get_json()["error"]["code"]) == (400, "multiple_files")


def test_who_accepts_a_zip_gets_one_zip_of_pictures(client: FlaskClient) -> None:
    data = {"file": [(io.BytesIO(GOOD), "a.jpg"), (io.BytesIO(GOOD), "b.jpg")]}
    archive, _ = opened_zip(client.post(PATH, data=data, headers={"Accept": "application/zip"}))
    assert archive.namelist() == ["a.png", "b.png", "manifest.json"]


def test_without_a_folder_for_temporary_files_it_is_said_that_there_is_no_room(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_usable() -> Any:
        raise FileNotFoundError(2, "No usable temporary directory found in ['/secret']")

    monkeypatch.setattr("app.routes.bodies.tempfile.TemporaryFile", none_usable)
    answer = client.post(PATH, data=form())
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (503, "no_room")
    assert "secret" not in answer.text


def test_too_large_a_batch_is_told_its_own_limit() -> None:
    client = app_with(max_batch_mb=1).test_client()
    answer = client.post(PATH, data={"file": [(io.BytesIO(bytes(2 << 20)), "a.png")]})
    assert (answer.status_code, "1 MB" in answer.get_json()["error"]["message"]) == (413, True)


def test_no_room_on_the_disk_is_said_and_nothing_is_left(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("app.routes.bodies.tempfile.TemporaryFile", Full)
    answer = client.post(PATH, data=form())
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (503, "no_room")
    monkeypatch.undo()
    opened_zip(client.post(PATH, data=form()))


def form(count: int = 2) -> dict[str, Any]:
    return {"file": [(io.BytesIO(GOOD), f"{number}.png") for number in range(count)]}


@bounded
@given(st.lists(st.text(max_size=100), max_size=8))
def test_names_in_the_zip_are_never_the_same_nor_a_path(names: list[str]) -> None:
    taken = {"manifest.json"}
    made = [_free_name(_clean(name), ".png", taken) for name in names]
    assert len({name.lower() for name in made}) == len(names)
    for name in made:
        assert name.isprintable() and not set(name) & set('/\\<>:"|?*')
        assert not name.startswith(".") and name.endswith(".png")
