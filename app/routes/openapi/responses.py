"""The answers: a cut-out as JSON or as a file, several of them, and every error."""

from __future__ import annotations

from typing import Any

from app import errors as app_errors
from app.config import Settings
from app.imaging.decode import ACCEPTED_FORMATS, ACCEPTED_NAMES
from app.imaging.encode import FORMATS
from app.routes.forms import BACKGROUND_FIELD, IMAGE, IMAGE_URL
from app.routes.openapi.schemas import METHODS, error, ref
from app.services.option_schemas import Schema
from app.services.option_words import OPTION_FIELDS

Response = dict[str, Any]

JSON = "application/json"
FILE: Schema = {"type": "string", "format": "binary"}

_COUNT = {"type": "integer", "minimum": 0}
_NUMBER = {"type": "number"}
_FLAG = {"type": "boolean"}
_TEXT = {"type": "string"}

HEADERS: dict[str, Any] = {
    name: {"schema": schema, "description": text}
    for name, (schema, text) in {
        "X-Request-ID": (_TEXT, "The request's id: the client's own, where it sent a sound one."),
        "X-Width": (_COUNT, "Width in pixels."),
        "X-Height": (_COUNT, "Height in pixels."),
        "X-Format": ({"type": "string", "enum": list(FORMATS)}, "The file's format."),
        "X-Method": ({"type": "string", "enum": list(METHODS)}, "How it was made."),
        "X-Model": (_TEXT, "The model that made it."),
        "X-Confidence": (_NUMBER, "The IoU with the true mask that such a result has on average."),
        "X-Animated": (_FLAG, "Whether the photo has several pictures."),
        "X-Resized": (_FLAG, "Whether it is smaller than it would have been."),
        "X-Cached": (_FLAG, "Whether it was kept from an earlier request."),
        "X-Total-Ms": (_NUMBER, "Milliseconds that it took."),
        "X-Memory-RSS-MB": (_NUMBER, "Resident memory of the server."),
        "X-Memory-Peak-MB": (_NUMBER, "The most it ever had."),
        "X-Memory-Limit-MB": (_NUMBER, "The limit of its host."),
        "X-Max-Width": (_COUNT, "Width of the largest size."),
        "X-Max-Height": (_COUNT, "Height of the largest size."),
        "X-Type": (_TEXT, "What the client said that the subject is, or other."),
        "X-Credits-Charged": ({**_COUNT, "maximum": 0}, "Nothing is charged."),
        "X-Foreground-Top": (_COUNT, "Where the subject is in the result."),
        "X-Foreground-Left": (_COUNT, "Where the subject is in the result."),
        "X-Foreground-Width": (_COUNT, "Width of the subject."),
        "X-Foreground-Height": (_COUNT, "Height of the subject."),
        "X-RateLimit-Limit": (_COUNT, "Photos that a client may send in the time, where the server has a rate."),
        "X-RateLimit-Remaining": (_COUNT, "How many of them are left."),
        "X-RateLimit-Reset": (_COUNT, "When all of them are there again, in seconds since 1970."),
        "Server-Timing": (_TEXT, "Milliseconds of each stage."),
        "ETag": (_TEXT, "What to send as If-None-Match, where the server keeps results."),
        "Retry-After": (_COUNT, "Seconds after which to come back."),
        "WWW-Authenticate": (_TEXT, "How a key is sent."),
        "Content-Disposition": (_TEXT, "The file's name."),
    }.items()
}
RATE = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
_FACTS = (
    *("X-Width", "X-Height", "X-Format", "X-Method", "X-Model", "X-Confidence", "X-Animated", "X-Resized", "X-Cached"),
    *("X-Total-Ms", "X-Memory-RSS-MB", "X-Memory-Peak-MB", "X-Memory-Limit-MB", "Server-Timing", "ETag"),
)
_FILES = {output.mimetype: {"schema": FILE} for output in FORMATS.values()}
_ZIP = {"application/zip": {"schema": FILE}}

BUG = "A fault of the server's own, which it has logged."
BAD_REQUEST_CODES = (
    *(
        "missing_file",
        "empty_file",
        "multiple_files",
        "unknown_field",
        "incomplete_body",
        "invalid_json",
        "invalid_text",
    ),
    *("missing_background", "multiple_backgrounds", "conflicting_options", "model_not_installed"),
    *("urls_not_allowed", "image_download_failed", "image_download_timeout"),
    *("roi_region_empty", "roi_exceeds_bounds"),
    *(f"invalid_{name}" for name in (*OPTION_FIELDS, IMAGE, IMAGE_URL, BACKGROUND_FIELD)),
)


def answer(text: str, content: dict[str, Any], headers: tuple[str, ...] = ()) -> Response:
    """An answer with these headers beside the request's id."""
    return {
        "description": text,
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-ID", *headers)},
        "content": content,
    }


def json_answer(text: str, schema_name: str, headers: tuple[str, ...] = ()) -> Response:
    """An answer in JSON."""
    return answer(text, {JSON: {"schema": ref(schema_name)}}, headers)


CUTOUT = answer(
    "The cut-out: JSON, or, with `Accept: image/*` or one of these types, the file itself with its facts in headers.",
    {JSON: {"schema": ref("Cutout")}, **_FILES},
    (*_FACTS, *RATE),
)
PICTURE = answer("The cut-out.", {FORMATS["png"].mimetype: {"schema": FILE}}, (*_FACTS, *RATE))
CUTOUTS = answer(
    "A ZIP, sent while it is made: a file for each photo that could be cut out, and manifest.json, which has the "
    "`name`, the `status`, and the `file` or the `error` of each.",
    _ZIP,
    ("Content-Disposition", *RATE),
)
PHOTO = answer(
    "The photo's file.",
    {f"image/{name.lower()}": {"schema": FILE} for name in (*ACCEPTED_FORMATS, "HEIF")},
    ("Content-Disposition", *RATE),
)
NOT_MODIFIED = answer("What If-None-Match names is still so.", {}, ("ETag", *RATE))


def errors(settings: Settings) -> dict[str, Response]:
    """Every error of the API, by its status."""
    return {
        "400": error_answer("A field cannot be used, or contradicts another.", [*BAD_REQUEST_CODES]),
        "401": error_answer(
            "The server has keys, and none of them was sent.", [app_errors.Unauthorized], ("WWW-Authenticate",)
        ),
        "413": error_answer(
            f"Too many bytes (a photo may have {settings.max_upload_mb:g} MB), fields, or photos.",
            [app_errors.TooLarge, "form_too_large", "too_many_photos"],
        ),
        "415": error_answer(f"The bytes are no {ACCEPTED_NAMES}.", [app_errors.UnsupportedFormat]),
        "422": error_answer(
            "The photo is damaged, has too many pixels, or nothing in it stands out.",
            [app_errors.UnreadableImage, "too_many_pixels", app_errors.UnknownForeground],
        ),
        "429": error_answer(
            "The server is full, or the client has sent as many photos as it may.",
            [app_errors.Busy, "rate_limit_exceeded"],
            ("Retry-After", *RATE),
        ),
        "500": error_answer(BUG, [app_errors.AppError]),
        "503": error_answer(
            f"The photo was not done in {settings.deadline_s:g} seconds, or the server lacks something.",
            [app_errors.DeadlineExceeded, app_errors.Unavailable, "no_room"],
            ("Retry-After",),
        ),
    }


def error_answer(text: str, codes: list[str | type[app_errors.AppError]], headers: tuple[str, ...] = ()) -> Response:
    """An error with one of these codes."""
    words = [found if isinstance(found, str) else found.code for found in codes]
    return answer(text, {JSON: {"schema": error(words)}}, headers)


def refused_with(*statuses: str) -> dict[str, Response]:
    """The errors with these statuses."""
    return {status: {"$ref": f"#/components/responses/{status}"} for status in statuses}
