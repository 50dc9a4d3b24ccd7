"""The page has a sentence for whatever can go wrong on it."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from app.routes import language
from app.services.option_words import OPTION_FIELDS
from scripts.box import REPO

# What the page never does: JSON, text bodies, regions, batches, models by name, fields that are not known.
NEVER_MET = {"multiple_files", "invalid_json", "invalid_text", "unknown_field", "too_many_photos"}
NEVER_MET |= {"missing_background", "multiple_backgrounds", "conflicting_options", "roi_region_empty"}
NEVER_MET |= {"roi_exceeds_bounds", "invalid_image", "model_not_installed"}
# Every value of these is one of the page's own controls; the length of a picture and its size are not.
NEVER_MET |= {f"invalid_{name}" for name in OPTION_FIELDS} - {"invalid_format", "invalid_size"}
BEYOND_THE_DOCUMENT = {"internal_error"}


def codes_of_the_server(client: FlaskClient) -> set[str]:
    responses = client.get("/openapi.json").get_json()["components"]["responses"]
    return {code for response in responses.values() for code in _codes(response)} | BEYOND_THE_DOCUMENT


def _codes(response: object) -> list[str]:
    if not isinstance(response, dict):
        return []
    if isinstance(code := response.get("code"), dict):
        return list(code.get("enum", []))
    return [found for part in response.values() for found in _codes(part)]


def codes_of_the_page() -> set[str]:
    modules = REPO.joinpath("app/static/js").glob("*.js")
    text = "\n".join(path.read_text(encoding="utf-8") for path in modules)
    thrown = re.findall(r"Refusal\((.*)", text)
    return {code for line in thrown for code in re.findall(r'"([a-z_]+)"', line)} | set(
        re.findall(r'"error\.(\w+)"', text)
    )


@pytest.mark.parametrize("code", language.STRINGS)
def test_every_error_of_the_server_has_a_sentence(client: FlaskClient, code: str) -> None:
    met = codes_of_the_server(client) - NEVER_MET
    assert {"busy", "file_too_large", "unknown_foreground"} <= met
    assert {name for name in met if f"error.{name}" not in language.STRINGS[code]} == set()


@pytest.mark.parametrize("code", language.STRINGS)
def test_every_error_of_the_page_itself_has_a_sentence(code: str) -> None:
    met = codes_of_the_page()
    assert {"offline", "timeout"} <= met
    strings = language.STRINGS[code]
    assert {name for name in met if not {f"error.{name}", f"error.{name}.other"} & strings.keys()} == set()
