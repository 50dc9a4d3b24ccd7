"""The page's language, and its strings: all of them are in app/strings.json."""

from __future__ import annotations

import json
from pathlib import Path

from flask import request

Strings = dict[str, str]

STRINGS: dict[str, Strings] = json.loads(Path(__file__).parents[1].joinpath("strings.json").read_text(encoding="utf-8"))
DEFAULT = "en"


def chosen() -> str:
    """The language of this request: `?lang=`, else what the browser likes best of those that there are."""
    wanted = [request.args.get("lang", ""), *(name.split("-")[0] for name in request.accept_languages.values())]
    return next((name for name in wanted if name in STRINGS), DEFAULT)


def strings() -> Strings:
    """The strings of this request's language: key → text with {names} to be filled."""
    return STRINGS[chosen()]


def error_sentence(code: str, message: str, **values: object) -> str:
    """What the page says of an error: its code's sentence, or the message that came with it."""
    sentence = strings().get(f"error.{code}")
    return sentence.format(**values) if sentence else message
