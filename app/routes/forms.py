"""The only door from an untrusted request to the work: fields → a frozen `RemovalRequest`."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO

from flask import Request

from app.config import Settings
from app.errors import BadRequest, TooLarge, UnsupportedFormat
from app.hosting import MIB
from app.imaging.color import RGB, parse_color
from app.imaging.encode import FORMAT_ALIASES, FORMATS
from app.imaging.preprocess import RESIZE_MODES
from app.services.quality import DEFAULT_TIER, TIERS
from app.services.tiny_u2net_service import COLOR_PROFILES, ON_UNKNOWN, CutoutOptions

PHOTO_FIELDS = ("file", "image")
OPTION_FIELDS = ("background_color", "format", "model", "resize", "quality", "on_unknown", "color_profile")
TRANSPARENT = "transparent"

_MODEL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class UploadRequest(Request):
    """A request whose uploads stay in memory: people's photos never touch the disk. The body is bounded anyway."""

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        return io.BytesIO()


@dataclass(frozen=True)
class RemovalRequest:
    """One photo's bytes and what to make of it, checked."""

    data: bytes
    options: CutoutOptions

    @classmethod
    def from_request(cls, request: Request, settings: Settings, *, image_format: str = "png") -> RemovalRequest:
        """Read a multipart form or a raw image; `image_format` is what `format` means when it is absent.

        Raises:
            BadRequest, TooLarge, UnsupportedFormat: with a sentence that says what to send instead.
        """
        if request.mimetype == "multipart/form-data":
            fields = {**request.args, **request.form}
            data = _photo_part(request)
        elif request.mimetype == "application/json":
            raise UnsupportedFormat(
                "JSON bodies are not taken here. Send the photo as multipart field 'file', or as the raw body.",
                code="unsupported_body",
            )
        else:
            # Whatever it calls itself: curl --data-binary, for one, says it was a form.
            fields = dict(request.args)
            data = request.get_data(cache=False)
        if not data:
            raise BadRequest(
                "No photo was sent. Send it as multipart field 'file', or as the raw body.",
                code="missing_file",
            )
        check_upload_size(len(data), settings)
        return cls(data, read_options(fields, image_format=image_format))


def read_options(fields: Mapping[str, str], *, image_format: str = "png") -> CutoutOptions:
    """Read the options of a cut-out; an empty value counts as absent.

    Raises:
        BadRequest: a field is not known, or its value is not.
    """
    given = {name: value.strip() for name, value in fields.items()}
    for name in given:
        if name not in OPTION_FIELDS:
            raise BadRequest(
                f"There is no field {name[:50]!r}. Known are: {', '.join((*PHOTO_FIELDS, *OPTION_FIELDS))}.",
                code="unknown_field",
            )
    return CutoutOptions(
        background_color=_color(given.get("background_color", "")),
        format=_format(given.get("format", "") or image_format),
        model=_model(given.get("model", "")),
        resize=_one_of("resize", given["resize"], RESIZE_MODES) if given.get("resize") else None,
        quality=_one_of("quality", given.get("quality") or DEFAULT_TIER, tuple(TIERS)),
        on_unknown=_one_of("on_unknown", given.get("on_unknown") or ON_UNKNOWN[0], ON_UNKNOWN),
        color_profile=_one_of("color_profile", given.get("color_profile") or COLOR_PROFILES[0], COLOR_PROFILES),
    )


def check_upload_size(size_bytes: int, settings: Settings) -> None:
    """Raise TooLarge when a photo of so many bytes is over MAX_UPLOAD_MB."""
    if size_bytes > settings.max_upload_mb * MIB:
        raise TooLarge(
            f"The photo has {size_bytes / MIB:.1f} MB; this server takes up to {settings.max_upload_mb:g} MB. "
            "Please send a smaller one."
        )


def _photo_part(request: Request) -> bytes:
    for name in PHOTO_FIELDS:
        if name in request.form:
            raise BadRequest(f"The field {name!r} holds text. Send the photo in it, as a file.", code="missing_file")
    uploads = [part for name in PHOTO_FIELDS for part in request.files.getlist(name)]
    if len(uploads) > 1:
        raise BadRequest(f"{len(uploads)} photos were sent. Please send one in each request.", code="multiple_files")
    for unknown in request.files.keys() - set(PHOTO_FIELDS):
        raise BadRequest(f"There is no file field {unknown[:50]!r}. Send the photo as 'file'.", code="unknown_field")
    return uploads[0].stream.getvalue() if uploads else b""  # type: ignore[attr-defined]


def _color(text: str) -> RGB | None:
    if not text or text.lower() == TRANSPARENT:
        return None
    try:
        return parse_color(text)
    except ValueError:
        raise BadRequest(
            f"background_color {text[:50]!r} is no colour. Use hex (#ff8800), a CSS name (orange), r,g,b "
            "(255,136,0) or transparent.",
            code="invalid_background_color",
        ) from None


def _model(text: str) -> str | None:
    if text and not _MODEL_NAME.fullmatch(text):
        raise BadRequest("model must be the name of a model: letters, digits, - and _.", code="invalid_model")
    return text or None


def _format(text: str) -> str:
    word = text.lower()
    return _one_of("format", FORMAT_ALIASES.get(word, word), tuple(FORMATS))


def _one_of(field: str, word: str, known: tuple[str, ...]) -> str:
    word = word.lower()
    if word not in known:
        raise BadRequest(f"{field} {word[:50]!r} is not one of {', '.join(known)}.", code=f"invalid_{field}")
    return word
