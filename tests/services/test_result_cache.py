"""Results kept for those who send the same again."""

from __future__ import annotations

import dataclasses
import logging
import os
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from PIL import Image

from app.config import Settings
from app.errors import ModelUnavailable
from app.services import result_cache
from app.services.cutout import Cutout
from app.services.model_manager import ModelManager
from app.services.option_words import read_options
from app.services.result_cache import ResultCache
from app.services.tiny_u2net_service import TinyU2NetService
from tests.support import FakeModels, app_with, encoded, picture

GOOD = encoded(picture())
PATH = "/api/remove-background"
PICTURE = {"Accept": "image/*"}


@pytest.fixture
def service(tmp_path: Path) -> TinyU2NetService:
    """A service that keeps results."""
    return service_with(tmp_path)


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    """A client of an application that keeps results."""
    return app_with(result_cache_mb=8, result_cache_dir=str(tmp_path)).test_client()


def service_with(folder: Path, **settings: Any) -> TinyU2NetService:
    settings = {"result_cache_mb": 8, "result_cache_dir": str(folder), **settings}
    return TinyU2NetService(Settings(**settings), FakeModels())  # type: ignore[arg-type]


def asked(service: TinyU2NetService) -> int:
    """How often a model was asked for."""
    return len(service.models.asked)  # type: ignore[attr-defined]


def test_the_same_photo_and_options_are_cut_out_once(service: TinyU2NetService) -> None:
    options = read_options({"crop": "true", "background_color": "red"})
    first, second = service.cut_out(GOOD, options), service.cut_out(GOOD, options)
    assert (first.cached, second.cached) == (False, True)
    assert asked(service) == 1
    changed = {"cached", "timings_ms", "memory"}
    for field in dataclasses.fields(Cutout):
        if field.name not in changed:
            assert getattr(first, field.name) == getattr(second, field.name)
    assert set(second.timings_ms) == {"probe", "cache", "total"}
    assert second.memory["limit_mb"] == 512


@pytest.mark.parametrize(
    "words", [{"format": "webp"}, {"feather": "3"}, {"background_color": "red"}, {"quality": "fast"}]
)
def test_any_other_option_is_another_result(service: TinyU2NetService, words: dict[str, str]) -> None:
    service.cut_out(GOOD, read_options({}))
    assert not service.cut_out(GOOD, read_options(words)).cached


def test_another_photo_or_background_is_another_result(service: TinyU2NetService) -> None:
    service.cut_out(GOOD)
    assert not service.cut_out(encoded(picture(65))).cached
    for behind in (encoded(picture(9, 9)), encoded(picture(8, 8))):
        assert not service.cut_out(GOOD, read_options({}, background_image=behind)).cached


def test_results_outlive_the_process_but_not_a_change_of_the_server(tmp_path: Path) -> None:
    service_with(tmp_path).cut_out(GOOD)
    assert service_with(tmp_path).cut_out(GOOD).cached
    assert not service_with(tmp_path, resize_mode="static").cut_out(GOOD).cached


def test_a_kept_result_counts_as_memory_while_it_is_read(
    service: TinyU2NetService, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.cut_out(GOOD)
    held, make = [], result_cache._cutout

    def watched(facts: dict[str, object], image: bytes) -> Cutout:
        held.append(service.budget.held_bytes - len(image))
        return make(facts, image)

    monkeypatch.setattr(result_cache, "_cutout", watched)
    assert service.cut_out(GOOD).cached
    assert held[0] >= 0
    assert service.budget.held_bytes == 0


def test_the_box_of_the_subject_is_kept_too(service: TinyU2NetService) -> None:
    options = dataclasses.replace(read_options({}), locate=True)
    assert service.cut_out(GOOD, options).foreground == service.cut_out(GOOD, options).foreground is not None


def test_what_was_made_for_want_of_the_model_is_not_kept(service: TinyU2NetService) -> None:
    service.models.unavailable = "gone"  # type: ignore[attr-defined]
    photo = encoded(picture(200, 150))
    assert service.cut_out(photo).method == "opencv"
    service.models.unavailable = ""  # type: ignore[attr-defined]
    again = service.cut_out(photo)
    assert (again.method, again.cached) == ("tiny_u2net", False)


@pytest.mark.parametrize(("model_name", "is_kept"), [("u2netp", False), ("tinycut", True)])
def test_what_the_shipped_network_made_is_kept_only_where_it_is_the_model(
    tmp_path: Path, model_name: str, is_kept: bool
) -> None:
    cache = {"result_cache_mb": 8, "result_cache_dir": str(tmp_path / "cache")}
    settings = Settings(u2net_home=str(tmp_path), model_name=model_name, auto_download=False, **cache)  # type: ignore[arg-type]
    service = TinyU2NetService(settings, ModelManager(settings))
    options = read_options({"on_unknown": "pass"})
    first, second = service.cut_out(GOOD, options), service.cut_out(GOOD, options)
    assert (first.method, second.method) == ("tinycut", "tinycut")
    assert second.cached is is_kept


def test_the_disk_never_holds_much_more_than_was_allowed_and_the_newest_stay(tmp_path: Path) -> None:
    cache = ResultCache(str(tmp_path), 10_000_000)
    made = service_with(tmp_path, result_cache_mb=0).cut_out(GOOD)
    for number in range(60):
        cache.put(str(number), dataclasses.replace(made, image=os.urandom(500_000)))
        assert cache.size_bytes <= 10_000_000
    files = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert files <= 15_000_000, "SQLite's own log is beside them"
    assert cache.get("59", hold=print) is not None
    assert cache.get("0", hold=print) is None


def test_a_result_that_would_fill_the_cache_is_not_kept(tmp_path: Path) -> None:
    cache = ResultCache(str(tmp_path), 1_000_000)
    made = service_with(tmp_path, result_cache_mb=0).cut_out(GOOD)
    cache.put("large", dataclasses.replace(made, image=bytes(300_000)))
    assert cache.get("large", hold=print) is None


def test_without_the_setting_nothing_is_written_and_no_tag_is_given(tmp_path: Path) -> None:
    client = app_with(result_cache_dir=str(tmp_path / "cache")).test_client()
    answer = client.post(PATH, data=GOOD)
    assert "ETag" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.get_json()["cached"] is False
    assert not (tmp_path / "cache").exists()


def test_a_disk_that_fails_costs_nothing_but_time(
    service: TinyU2NetService, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import diskcache

    def broken(*_words: object, **_how: object) -> None:
        raise sqlite3.OperationalError("disk image at /secret/place is malformed")

    for name in ("get", "set"):
        monkeypatch.setattr(diskcache.Cache, name, broken)
    with caplog.at_level(logging.WARNING):
        assert service.cut_out(GOOD).method == "tiny_u2net"
    assert "cannot be read" in caplog.text and "cannot be written" in caplog.text
    assert "secret" not in caplog.text


def test_a_folder_that_cannot_be_used_is_told_once_and_photos_are_cut_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    service = service_with(tmp_path / "file")
    for _ in range(2):
        assert service.cut_out(GOOD).method == "tiny_u2net"
    assert caplog.text.count("no result cache") == 1


def test_an_entry_that_somebody_else_wrote_is_never_unpickled(tmp_path: Path) -> None:
    import diskcache

    with diskcache.Cache(str(tmp_path)) as entries:
        entries["key"] = ModelUnavailable  # a class: kept as a pickle
    assert ResultCache(str(tmp_path), 1_000_000).get("key", hold=print) is None


def test_another_users_folder_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(PermissionError):
        ResultCache(str(tmp_path), 1_000_000)


def test_who_has_the_answer_is_told_so_without_any_work(client: FlaskClient) -> None:
    first = client.post(PATH, data=GOOD, headers=PICTURE)
    tag = first.headers["ETag"]
    again = client.post(PATH, data=GOOD, headers={**PICTURE, "If-None-Match": tag})
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag)
    assert client.post(PATH, data=GOOD, headers={**PICTURE, "If-None-Match": '"other", ' + tag}).status_code == 304
    assert len(client.application.extensions["tinycut"].models.asked) == 1


def test_a_picture_is_not_taken_for_its_json_nor_for_another(client: FlaskClient) -> None:
    tag = client.post(PATH, data=GOOD, headers=PICTURE).headers["ETag"]
    as_json = client.post(PATH, data=GOOD, headers={"If-None-Match": tag})
    assert (as_json.status_code, as_json.get_json()["cached"]) == (200, True)
    other = client.post(PATH, data=encoded(picture(65)), headers={**PICTURE, "If-None-Match": tag})
    assert (other.status_code, other.headers["X-Cached"]) == (200, "false")


def test_a_cached_answer_has_the_same_bytes_and_says_so(client: FlaskClient) -> None:
    first, second = (client.post(PATH, data=GOOD, headers=PICTURE) for _ in range(2))
    assert first.data == second.data
    assert (first.headers["X-Cached"], second.headers["X-Cached"]) == ("false", "true")
    assert second.headers["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize("damage", [b"", b"{", b"{}\n", None])
def test_a_damaged_entry_is_dropped_and_the_photo_cut_out_anew(
    service: TinyU2NetService, tmp_path: Path, damage: bytes | None
) -> None:
    rng = np.random.default_rng(1)
    photo = encoded(Image.fromarray(rng.integers(0, 255, (300, 300, 3), np.uint8)))
    whole = service.cut_out(photo).image
    (kept,) = tmp_path.rglob("*.val")
    kept.write_bytes(kept.read_bytes()[:-100] if damage is None else damage)
    again = service.cut_out(photo)
    assert (again.cached, again.image == whole) == (False, True)
    assert service.cut_out(photo).cached


def test_any_tag_is_no_tag_of_ours(client: FlaskClient) -> None:
    assert client.post(PATH, data=b"no photo", headers={"If-None-Match": "*"}).status_code == 415
    assert client.post(PATH, data=GOOD, headers={"If-None-Match": "*"}).status_code == 200
