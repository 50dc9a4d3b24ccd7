"""GET and POST /api/remove, as rembg's server has them."""

from __future__ import annotations

from typing import Any

from app.routes.bodies import JSON, MULTIPART
from app.routes.forms import FILE
from app.routes.openapi import responses
from app.routes.openapi.request_bodies import ANY_IMAGE, PHOTO_FILE
from app.routes.openapi.responses import BAD_REQUEST_CODES, BUG, RATE, answer
from app.routes.openapi.schemas import closed
from app.services.option_schemas import BYTE, OPTION_SCHEMAS, Schema
from app.services.rembg_words import NUMBERS, SWITCHES

_UNUSED = "Read, and without effect: edges are always worked out."
_MEANINGS = {"om": "The matte alone.", "ppm": "A hard edge."}

WORDS: dict[str, Schema] = {
    "model": OPTION_SCHEMAS["model"],
    **{name: {"type": "boolean", "default": False, "description": _MEANINGS.get(name, _UNUSED)} for name in SWITCHES},
    **{
        name: {"type": "integer", "minimum": 0, "maximum": most, "description": _UNUSED}
        for name, most in NUMBERS.items()
    },
    "bgc": {
        "type": "string",
        "pattern": f"^{BYTE},{BYTE},{BYTE}(,{BYTE})?$",
        "description": "The colour behind the subject: red, green, blue and alpha.",
        "examples": ["255,136,0,255"],
    },
}
_REFUSED = {
    "400": "A parameter cannot be used.",
    "401": "The server has keys, and none of them was sent.",
    "413": "Too many bytes, or fields.",
    "415": "The bytes are no photo.",
    "422": "The photo is damaged, has too many pixels, or nothing in it stands out.",
    "429": "The server is full, or the client has sent as many photos as it may.",
    "500": BUG,
    "503": "The photo was not done in time.",
}
_COMES_WITH = {"401": ("WWW-Authenticate",), "429": ("Retry-After", *RATE), "503": ("Retry-After", *RATE)}
_TEXT = {"type": "string"}


def remove_by_address() -> dict[str, Any]:
    """GET /api/remove."""
    url = {"type": "string", "format": "uri", "description": "The photo's address."}
    return {
        "tags": ["rembg"],
        "operationId": "removeByAddress",
        "summary": "Cut out the photo at an address",
        "description": "HEAD is answered as GET is, without the photo, which counts to the client's rate all the same.",
        "parameters": [
            {"name": "url", "in": "query", "required": True, "schema": url},
            *({"name": name, "in": "query", "schema": schema} for name, schema in WORDS.items()),
        ],
        "responses": _answers(),
    }


def remove_file() -> dict[str, Any]:
    """POST /api/remove."""
    form = {"type": "object", "properties": {FILE: PHOTO_FILE, **WORDS}, "required": [FILE]}
    return {
        "tags": ["rembg"],
        "operationId": "removeFile",
        "summary": "Cut out the photo of a form",
        "requestBody": {"required": True, "content": {MULTIPART: {"schema": form, "encoding": {FILE: ANY_IMAGE}}}},
        "responses": _answers(),
    }


def _answers() -> dict[str, Any]:
    return {
        "200": responses.PICTURE,
        "304": responses.NOT_MODIFIED,
        **{
            status: answer(text, {JSON: {"schema": _error(status)}}, _COMES_WITH.get(status, ()))
            for status, text in _REFUSED.items()
        },
    }


def _error(status: str) -> Schema:
    codes = {"enum": [*BAD_REQUEST_CODES, *(f"invalid_{name}" for name in WORDS)]} if status == "400" else {}
    return closed(
        {
            "success": {"const": False},
            "error": closed({"code": {**_TEXT, **codes}, "message": _TEXT}),
            "request_id": _TEXT,
            "detail": {**_TEXT, "description": "The message, where rembg has it."},
        }
    )
