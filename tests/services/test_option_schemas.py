"""The schemas of the options agree with their reading: what they allow is taken, what they forbid is refused."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import BadRequest
from app.services.option_schemas import OPTION_SCHEMAS, Schema
from app.services.option_words import OPTION_FIELDS, read_options
from tests.properties import bounded
from tests.services.test_option_words import BAD

# Its schema knows only how it begins and ends.
ROUGH = "background_gradient"
NUMBERS = [name for name, schema in OPTION_SCHEMAS.items() if "minimum" in schema]


def values(schema: Schema) -> st.SearchStrategy[Any]:
    """Any value that a schema of an option allows."""
    if "anyOf" in schema:
        return st.one_of([values(kind) for kind in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "const" in schema:
        return st.just(schema["const"])
    if "pattern" in schema:
        return st.from_regex(schema["pattern"].replace("$", r"\Z"), fullmatch=True)
    if schema["type"] == "boolean":
        return st.booleans()
    whole = st.integers(schema["minimum"], schema["maximum"])
    return whole if schema["type"] == "integer" else whole | st.floats(schema["minimum"], schema["maximum"])


def sent(name: str, value: object) -> dict[str, str]:
    """A value as a form sends it, alone but for the crop that a margin needs."""
    word = str(value).lower() if isinstance(value, bool) else str(value)
    return {name: word, "crop": "true"} if name == "crop_margin" else {name: word}


def is_allowed(name: str, word: str) -> bool:
    """Whether the schema allows what stands in a form."""
    try:
        number = json.loads(word, parse_float=Decimal)  # 1e2 is no integer as it is written
    except ValueError:
        number = word
    validator = jsonschema.Draft202012Validator(OPTION_SCHEMAS[name])
    return validator.is_valid(word) or validator.is_valid(number)


def test_every_option_has_a_sound_schema_and_a_sentence() -> None:
    assert tuple(OPTION_SCHEMAS) == OPTION_FIELDS
    for schema in OPTION_SCHEMAS.values():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["description"].endswith(".")


@bounded
@given(st.sampled_from([name for name in OPTION_FIELDS if name != ROUGH]).flatmap(
    lambda name: st.tuples(st.just(name), values(OPTION_SCHEMAS[name]))
))  # fmt: skip
def test_what_a_schema_allows_is_taken(option: tuple[str, Any]) -> None:
    read_options(sent(*option))


@pytest.mark.parametrize("name", OPTION_FIELDS)
def test_examples_and_the_ends_of_ranges_are_taken_and_a_default_changes_nothing(name: str) -> None:
    schema = OPTION_SCHEMAS[name]
    for value in (*schema.get("examples", ()), *(schema[end] for end in ("minimum", "maximum") if end in schema)):
        assert is_allowed(name, str(value))
        read_options(sent(name, value))
    if "default" in schema:
        assert is_allowed(name, str(schema["default"]))
        assert read_options(sent(name, schema["default"])) == read_options({})


@pytest.mark.parametrize(("name", "word"), [(name, word) for name, words in BAD.items() for word in words])
def test_what_is_refused_is_not_allowed(name: str, word: str) -> None:
    assert not is_allowed(name, word) or name == ROUGH


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize(("end", "beyond"), [("minimum", -0.01), ("maximum", 0.01)])
def test_a_number_just_beyond_the_range_is_refused(name: str, end: str, beyond: float) -> None:
    with pytest.raises(BadRequest) as refusal:
        read_options(sent(name, OPTION_SCHEMAS[name][end] + beyond))
    assert refusal.value.code == f"invalid_{name}"


@bounded
@given(st.sampled_from([name for name in OPTION_FIELDS if "enum" in OPTION_SCHEMAS[name]]), st.text(min_size=1))
def test_a_word_that_a_schema_does_not_list_is_refused(name: str, word: str) -> None:
    listed = (*OPTION_SCHEMAS[name]["enum"], "jpg", "")  # the last two: another name of jpeg, and nothing
    if word.strip().lower() in listed:
        return
    with pytest.raises(BadRequest):
        read_options({name: word})
