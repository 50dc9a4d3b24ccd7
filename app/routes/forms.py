"""The only door from an untrusted request to the work: fields → a frozen `RemovalRequest`."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import IO

from flask import Request
from werkzeug.datastructures import FileStorage

from app.config import Settings
from app.errors import BadRequest, TooLarge, UnsupportedFormat
from app.hosting import MIB
from app.services.option_words import read_options
from app.services.options import CutoutOptions, ImageBehind

PHOTO_FIELDS = ("file", "image")
BACKGROUND_FIELD = "background_image"


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
            data, background = _files(request)
        elif request.mimetype == "application/json":
            raise UnsupportedFormat(
                "JSON bodies are not taken here. Send the photo as multipart field 'file', or as the raw body.",
                code="unsupported_body",
            )
        else:
            # Whatever it calls itself: curl --data-binary, for one, says it was a form.
            fields = dict(request.args)
            data, background = request.get_data(cache=False), None
        if not data:
            raise BadRequest(
                "No photo was sent. Send it as multipart field 'file', or as the raw body.",
                code="missing_file",
            )
        check_upload_size(len(data) + len(background or b""), settings)
        return cls(data, read_options(fields, image_format=image_format, background_image=background))

    @property
    def size_bytes(self) -> int:
        """Bytes of the files that are held."""
        behind = self.options.background
        return len(self.data) + (len(behind.data) if isinstance(behind, ImageBehind) else 0)


def check_upload_size(size_bytes: int, settings: Settings) -> None:
    """Raise TooLarge when a photo of so many bytes is over MAX_UPLOAD_MB."""
    if size_bytes > settings.max_upload_mb * MIB:
        raise TooLarge(
            f"The photo has {size_bytes / MIB:.1f} MB; this server takes up to {settings.max_upload_mb:g} MB. "
            "Please send a smaller one."
        )


def _files(request: Request) -> tuple[bytes, bytes | None]:
    """The photo, and the image to put behind it, if there is one."""
    for name in (*PHOTO_FIELDS, BACKGROUND_FIELD):
        if request.form.get(name):
            raise BadRequest(f"The field {name!r} holds text. Send the picture in it, as a file.", code="missing_file")
    for unknown in request.files.keys() - {*PHOTO_FIELDS, BACKGROUND_FIELD}:
        raise BadRequest(f"There is no file field {unknown[:50]!r}. Send the photo as 'file'.", code="unknown_field")
    photos = [part for name in PHOTO_FIELDS for part in request.files.getlist(name)]
    if len(photos) > 1:
        raise BadRequest(f"{len(photos)} photos were sent. Please send one in each request.", code="multiple_files")
    backgrounds = request.files.getlist(BACKGROUND_FIELD)
    if len(backgrounds) > 1:
        raise BadRequest("Please send one background_image.", code="multiple_files")
    data, background = (_content(parts[0]) if parts else b"" for parts in (photos, backgrounds))
    return data, background or None


def _content(part: FileStorage) -> bytes:
    content: bytes = part.stream.getvalue()  # type: ignore[attr-defined]  # UploadRequest keeps it in memory
    return content
