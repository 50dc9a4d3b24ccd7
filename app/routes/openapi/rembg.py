"""GET and POST /api/remove, as rembg's server has them."""

from __future__ import annotations

from typing import Any

from app.routes.bodies import MULTIPART
from app.routes.forms import FILE
from app.routes.openapi import responses
from app.routes.openapi.request_bodies import ANY_IMAGE, PHOTO_FILE
from app.routes.openapi.responses import refused_with
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
        "pattern": f"^{BYTE},{BYTE},{BYTE}(,(0|255))?$",
        "description": "The colour behind the subject: red, green, blue and alpha (0 or 255).",
        "examples": ["255,136,0,255"],
    },
}


def remove_by_address() -> dict[str, Any]:
    """GET /api/remove."""
    url = {"type": "string", "format": "uri", "description": "The photo's address."}
    return {
        "tags": ["rembg"],
        "operationId": "removeByAddress",
        "summary": "Cut out the photo at an address",
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
        "400": responses.bad_request(tuple(f"invalid_{name}" for name in WORDS)),
        **refused_with("401", "413", "415", "422", "429", "503"),
    }
