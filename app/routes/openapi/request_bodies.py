"""The ways to send a photo: a form, JSON, or the photo as it is."""

from __future__ import annotations

import base64
from typing import Any

import cv2
import numpy as np

from app.config import Settings
from app.imaging import encode
from app.imaging.decode import ACCEPTED_NAMES
from app.routes.bodies import JSON, MULTIPART, URLENCODED
from app.routes.forms import BACKGROUND_FIELD, BACKGROUND_URL, FILE, IMAGE, IMAGE_URL
from app.routes.openapi.schemas import closed, option_properties
from app.services.option_schemas import Schema

Body = dict[str, Any]

PHOTO_FILE: Schema = {"type": "string", "format": "binary"}
ANY_IMAGE = {"contentType": "image/*"}

_FILES = {FILE: ANY_IMAGE, BACKGROUND_FIELD: ANY_IMAGE}
_BASE64: Schema = {"type": "string", "contentEncoding": "base64"}
_URL: Schema = {"type": "string", "format": "uri"}
_EXAMPLE_PX = 64


def photo(settings: Settings) -> Body:
    """One photo with its options, in any of the ways."""
    words = _words(settings)
    return {
        "required": True,
        "description": f"A photo ({ACCEPTED_NAMES}) of at most {settings.max_upload_mb:g} MB.",
        "content": {
            MULTIPART: {"schema": _form(settings), "encoding": _FILES},
            JSON: {"schema": words, "examples": _examples()},
            URLENCODED: {"schema": words},
            "image/*": {"schema": PHOTO_FILE},
            "application/octet-stream": {"schema": PHOTO_FILE},
        },
    }


def photos(settings: Settings) -> Body:
    """Several photos with the options of them all."""
    several = {
        "type": "array",
        "items": PHOTO_FILE,
        "minItems": 1,
        "maxItems": settings.max_batch_photos,
        "description": f"The photos: at most {settings.max_batch_photos}, and {settings.max_batch_mb:g} MB together.",
    }
    form = _form(settings)
    form["properties"][FILE] = several
    return {"required": True, "content": {MULTIPART: {"schema": form, "encoding": _FILES}}}


def address(settings: Settings) -> Body:
    """A photo's address, and nothing else."""
    url = {**_URL, "description": f"A public address of a photo of at most {settings.max_upload_mb:g} MB."}
    schema = closed({IMAGE_URL: url})
    return {"required": True, "content": {kind: {"schema": schema} for kind in (JSON, URLENCODED, MULTIPART)}}


def _form(settings: Settings) -> Schema:
    described = "The photo; `image` is another name for it. Several are answered as by /api/batch."
    behind = f"A picture to stand behind the subject, at most {settings.max_upload_mb:g} MB."
    return {
        "type": "object",
        "properties": {
            FILE: {**PHOTO_FILE, "description": described},
            BACKGROUND_FIELD: {**PHOTO_FILE, "description": behind},
            BACKGROUND_URL: {**_URL, "description": "The same, by its address."},
            **option_properties(),
        },
        "required": [FILE],
    }


def _words(settings: Settings) -> Schema:
    within = f"in base64 or as a data URL, at most {settings.max_upload_mb:g} MB before that."
    return {
        "type": "object",
        "properties": {
            IMAGE: {**_BASE64, "description": f"The photo, {within}"},
            IMAGE_URL: {**_URL, "description": "The photo, by its address."},
            BACKGROUND_FIELD: {**_BASE64, "description": f"A picture to stand behind the subject, {within}"},
            BACKGROUND_URL: {**_URL, "description": "The same, by its address."},
            **option_properties(),
        },
        "oneOf": [{"required": [IMAGE]}, {"required": [IMAGE_URL]}],
    }


def _examples() -> dict[str, Any]:
    plain = {IMAGE: _example_photo()}
    return {
        "cutout": {"summary": "A cut-out", "value": plain},
        "avatar": {
            "summary": "An avatar on a colour",
            "value": {**plain, "preset": "avatar", "background_color": "#a9d8ff", "format": "jpeg", "shadow": True},
        },
    }


def _example_photo() -> str:
    """A photo that is short enough to read past: a disc on a plain ground, as a data URL."""
    pixels = np.full((_EXAMPLE_PX, _EXAMPLE_PX, 3), 235, np.uint8)
    cv2.circle(pixels, (_EXAMPLE_PX // 2, _EXAMPLE_PX // 2), _EXAMPLE_PX // 4, (200, 40, 30), cv2.FILLED)
    return f"data:image/png;base64,{base64.b64encode(encode.encode(pixels, 'png')).decode()}"
