"""POST /v1.0/removebg and GET /v1.0/account, as remove.bg has them."""

from __future__ import annotations

from typing import Any

from app.config import Settings
from app.imaging.encode import FORMATS as FILE_FORMATS
from app.routes.bodies import JSON, MULTIPART, URLENCODED
from app.routes.openapi.request_bodies import ANY_IMAGE, PHOTO_FILE
from app.routes.openapi.responses import BUG, FILE, RATE, answer, json_answer
from app.routes.openapi.schemas import closed, list_of, ref
from app.routes.removebg import CREDITS
from app.services.option_schemas import Schema
from app.services.removebg_words import (
    AUTO_FORMAT,
    CHANNELS,
    FORMAT_ALIASES,
    FORMATS,
    MEGAPIXELS,
    NO_SHADOW,
    SHADOW_TYPES,
    TYPE_LEVELS,
    TYPES,
)

_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}
_HEADERS = (
    *("X-Width", "X-Height", "X-Max-Width", "X-Max-Height", "X-Type", "X-Credits-Charged", "X-Method", "X-Model"),
    *("X-Foreground-Top", "X-Foreground-Left", "X-Foreground-Width", "X-Foreground-Height", "Server-Timing"),
    *RATE,
)


def _one_of(words: tuple[str, ...], text: str, **more: Any) -> Schema:
    return {"type": "string", "enum": list(words), "description": text, **more}


def _flag(text: str) -> Schema:
    return {"type": "boolean", "default": False, "description": text}


WORDS: dict[str, Schema] = {
    "size": _one_of((*MEGAPIXELS,), "The most megapixels of the result.", default="preview"),
    "format": _one_of((*FORMATS, *FORMAT_ALIASES), "The file's format.", default=AUTO_FORMAT),
    "type": _one_of(TYPES, "What the subject is; nothing here looks for it.", default=TYPES[0]),
    "type_level": _one_of(TYPE_LEVELS, "How closely X-Type tells.", default="1"),
    "channels": _one_of(CHANNELS, "The subject, or its matte.", default=CHANNELS[0]),
    "crop": _flag("Cut to the subject."),
    "crop_margin": {**_TEXT, "description": "1, 2 or 4 lengths around it.", "examples": ["5%", "10px 20px"]},
    "scale": {**_TEXT, "description": "How large the subject is.", "examples": ["80%", "original"]},
    "position": {**_TEXT, "description": "Where it stands.", "examples": ["center", "50% 100%"]},
    "roi": {**_TEXT, "description": "Where in the photo it is.", "examples": ["0% 0% 100% 100%"]},
    "add_shadow": _flag("A drop shadow."),
    "shadow_type": _one_of(SHADOW_TYPES, "Any but none is a drop shadow.", default=NO_SHADOW),
    "shadow_opacity": {**_TEXT, "description": "0 to 100.", "examples": ["40"]},
    "semitransparency": {"type": "boolean", "default": True, "description": "Read, and without effect."},
    "bg_color": {**_TEXT, "description": "Hex, with an opacity or without, or a name.", "examples": ["81d4fa77"]},
    "bg_image_url": {"type": "string", "format": "uri", "description": "A picture behind the subject."},
}
_SOURCES: dict[str, Schema] = {
    "image_file_b64": {"type": "string", "contentEncoding": "base64", "description": "The photo."},
    "image_url": {"type": "string", "format": "uri", "description": "The photo, by its address."},
}

SCHEMAS: dict[str, Schema] = {
    "RemoveBgErrors": closed(
        {
            "errors": list_of(
                {
                    "type": "object",
                    "properties": {"title": _TEXT, "code": _TEXT, "detail": _TEXT},
                    "required": ["title", "code"],
                    "additionalProperties": False,
                }
            )
        }
    ),
    "RemoveBgResult": closed(
        {
            "data": closed(
                {
                    "result_b64": _TEXT,
                    **{f"foreground_{name}": _COUNT for name in ("top", "left", "width", "height")},
                }
            )
        }
    ),
    "RemoveBgAccount": closed(
        {
            "data": closed(
                {
                    "attributes": closed(
                        {
                            "credits": closed(dict.fromkeys(("total", "subscription", "payg", "enterprise"), _COUNT)),
                            "api": closed({"free_calls": _COUNT, "sizes": _TEXT}),
                        }
                    )
                }
            )
        },
        description=f"Nothing is counted: there are always {CREDITS} credits.",
    ),
}
_ERRORS = {
    "400": "A photo or a parameter cannot be used; remove.bg's code says which.",
    "403": "The server has keys, and none of them was sent.",
    "413": "The form has too many or too long fields.",
    "429": "The server is full, or the client has sent as many photos as it may.",
    "500": BUG,
    "503": "The photo was not done in time.",
}


def remove_background(settings: Settings) -> dict[str, Any]:
    """POST /v1.0/removebg."""
    files = dict.fromkeys(("image_file", "bg_image_file"), PHOTO_FILE)
    form = {"type": "object", "properties": {**files, **_SOURCES, **WORDS}}
    words = {"type": "object", "properties": {**_SOURCES, **WORDS}}
    pictures = {FILE_FORMATS[name].mimetype: {"schema": FILE} for name in FORMATS if name != AUTO_FORMAT}
    return {
        "tags": ["remove.bg"],
        "operationId": "removeBg",
        "summary": "Cut out a photo, for clients of remove.bg",
        "description": "Exactly one of image_file, image_file_b64 and image_url, of at most "
        f"{settings.max_upload_mb:g} MB. What is not known is left out.",
        "requestBody": {
            "required": True,
            "content": {
                MULTIPART: {"schema": form, "encoding": dict.fromkeys(files, ANY_IMAGE)},
                JSON: {"schema": words},
                URLENCODED: {"schema": words},
            },
        },
        "responses": {
            "200": answer(
                "The file itself, or JSON where that is the first type in Accept.",
                {**pictures, JSON: {"schema": ref("RemoveBgResult")}},
                _HEADERS,
            ),
            **refused_with(*_ERRORS),
        },
    }


def show_account() -> dict[str, Any]:
    """GET /v1.0/account."""
    return {
        "tags": ["remove.bg"],
        "operationId": "removeBgAccount",
        "summary": "The credits that clients of remove.bg count",
        "responses": {"200": json_answer("The account.", "RemoveBgAccount", RATE), **refused_with("403", "500")},
    }


def refused_with(*statuses: str) -> dict[str, Any]:
    """The errors with these statuses, in remove.bg's shape."""
    return {
        status: json_answer(
            _ERRORS[status], "RemoveBgErrors", (*(("Retry-After",) if status in ("429", "503") else ()), *RATE)
        )
        for status in statuses
    }
