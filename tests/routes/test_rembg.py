"""/api/remove, as clients of rembg's server call it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from app import create_app
from app.errors import BadRequest
from app.services import model_files, rembg_words
from app.services.option_words import read_options
from tests.properties import bounded
from tests.support import encoded, opened, picture

PATH = "/api/remove"
GOOD = encoded(picture(40, 30), "JPEG")


def post(client: FlaskClient, query: dict[str, str] | None = None, **fields: str) -> Any:
    return client.post(PATH, data={"file": (io.BytesIO(GOOD), "photo.jpg"), **fields}, query_string=query)


def test_a_form_with_a_file_gives_a_png_whatever_is_accepted(client: FlaskClient) -> None:
    answer = post(client)
    assert (answer.status_code, answer.mimetype) == (200, "image/png")
    cutout = opened(answer.data)
    assert (cutout.size, cutout.mode) == ((40, 30), "RGBA")
    assert cutout.getpixel((0, 0))[3] == 0
    assert cutout.getpixel((20, 15))[3] == 255


def test_only_the_mask_is_a_grey_picture(client: FlaskClient) -> None:
    mask = opened(post(client, om="true", bgc="255,0,0,255").data)
    assert mask.mode == "L"
    assert (mask.getpixel((0, 0)), mask.getpixel((20, 15))) == (0, 255)


def test_a_post_processed_mask_is_hard(client: FlaskClient) -> None:
    alpha = opened(post(client, ppm="true").data).getchannel("A")
    assert set(alpha.get_flattened_data()) <= {0, 255}


@pytest.mark.parametrize("where", ["form", "address"])
def test_the_background_is_taken_from_the_form_and_from_the_address(client: FlaskClient, where: str) -> None:
    color = {"bgc": "255,136,0,255"}
    answer = post(client, **color) if where == "form" else post(client, query=color)
    assert opened(answer.data).convert("RGB").getpixel((0, 0)) == (255, 136, 0)


def test_a_background_of_half_an_alpha_lets_through(client: FlaskClient) -> None:
    assert opened(post(client, bgc="255,0,0,128").data).getpixel((0, 0)) == (255, 0, 0, 128)


def test_a_background_of_no_alpha_is_none(client: FlaskClient) -> None:
    assert opened(post(client, bgc="1,2,3,0").data).getpixel((0, 0))[3] == 0


def test_what_changes_nothing_here_is_taken(client: FlaskClient) -> None:
    switches = {"a": "true", "af": "240", "ab": "10", "ae": "10", "dc": "1", "vm": "no", "extras": '{"x": 1}'}
    assert post(client, **switches, unknown="thing").data == post(client).data


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"bgc": "red"}, "invalid_bgc"),
        ({"bgc": "256,0,0,255"}, "invalid_bgc"),
        ({"a": "perhaps"}, "invalid_a"),
        ({"af": "256"}, "invalid_af"),
        ({"ae": "-1"}, "invalid_ae"),
        ({"af": "9" * 5000}, "invalid_af"),
        ({"bgc": f"{'9' * 5000},0,0"}, "invalid_bgc"),
        ({"model": "../x"}, "invalid_model"),
    ],
)
def test_a_value_that_cannot_be_is_refused(client: FlaskClient, fields: dict[str, str], code: str) -> None:
    answer = post(client, **fields)
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (400, code)


def test_nothing_sent_is_refused_by_get_and_post(client: FlaskClient) -> None:
    for answer in (client.get(PATH), client.post(PATH, data={})):
        assert (answer.status_code, answer.get_json()["error"]["code"]) == (400, "missing_file")


def test_a_model_may_be_named_but_is_never_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_words: object, **_how: object) -> None:
        pytest.fail("a download was begun")

    monkeypatch.setattr(model_files, "download", forbidden)
    app = create_app({"u2net_home": str(tmp_path), "memory_limit_mb": 4096, "memory_constrained": "false"})
    answer = post(app.test_client(), model="u2net")
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (400, "model_not_installed")
    for name in ("u2netp", "tinycut"):  # the one that is not here, and the one that always is
        answer = post(app.test_client(), model=name)
        assert (answer.headers["X-Method"], answer.headers["X-Model"]) == ("tinycut", "tinycut")


@bounded
@given(st.dictionaries(st.sampled_from(["model", "a", "af", "ab", "ae", "om", "ppm", "dc", "vm", "bgc"]), st.text()))
def test_whatever_is_asked_is_understood_or_refused(words: dict[str, str]) -> None:
    try:
        read_options(rembg_words.translate(words))
    except BadRequest as refusal:
        assert refusal.code.startswith("invalid_")
