"""The body of a request, in any of the ways that clients send one: a form, JSON, or a photo as it is."""

from __future__ import annotations

import base64
import binascii
import io
import json
import re
import tempfile
from dataclasses import dataclass, field
from typing import IO, Any
from urllib.parse import parse_qsl

from flask import Request
from werkzeug.datastructures import FileStorage

from app.config import Settings
from app.errors import BadRequest
from app.hosting import MIB

JSON, URLENCODED, MULTIPART = "application/json", "application/x-www-form-urlencoded", "multipart/form-data"
# Multipart boundaries, field names and the options around the photo itself.
OVERHEAD_BYTES = 512 * 1024
# Werkzeug counts its 64 kB read buffers against this as well, so it must hold several.
FIELDS_BYTES = 256 * 1024
PARTS = 32
# Base64 makes 4 characters of 3 bytes; some of them are escaped in a form, and lines may be broken.
TEXT_GROWTH = 1.5
# Text is held as it came, decoded, parsed, and as bytes again.
TEXT_COPIES = 4

# No image begins like a form that `curl -d` sends.
_FORM_START = re.compile(rb"[a-z_0-9]{1,40}=")
_DATA_URL = re.compile(r"data:[^,]{0,100};base64,")
_FILES_ON_DISK = ("batch.batch",)
_TEXT_PHOTOS = "/v1.0/"


class UploadRequest(Request):
    """A request whose uploads stay in memory: people's photos never touch the disk, for the body is bounded. Only a
    batch, of many photos, waits in files without a name, that are gone when they are closed."""

    # Flask closes the files before the first piece of a streamed answer is made.
    keeps_files = False

    def close(self) -> None:
        """Close the files, unless a streamed answer still reads them."""
        if not self.keeps_files:
            super().close()

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        return tempfile.TemporaryFile() if self.endpoint in _FILES_ON_DISK else io.BytesIO()


@dataclass(frozen=True)
class Body:
    """What came: words by their name, files by theirs, or one photo `raw`, without a name."""

    words: dict[str, str]
    files: dict[str, list[FileStorage]] = field(default_factory=dict)
    raw: bytes = b""


def limit_body(request: Request, settings: Settings) -> None:
    """Set how much of a body is read: what photos are large in the way they are sent.

    These caps are generous and Werkzeug's, before anything is read; the photo's own limit is kept in forms.py.
    """
    upload_bytes = int(settings.max_upload_mb * MIB)
    request.max_content_length = upload_bytes + OVERHEAD_BYTES
    request.max_form_memory_size = FIELDS_BYTES
    request.max_form_parts = PARTS
    if request.endpoint in _FILES_ON_DISK:
        request.max_content_length = int(settings.max_batch_mb * MIB) + OVERHEAD_BYTES
        request.max_form_parts = settings.max_batch_photos + PARTS
    elif _may_be_text(request):
        request.max_content_length = request.max_form_memory_size = int(TEXT_GROWTH * upload_bytes) + OVERHEAD_BYTES


def held_bytes(request: Request) -> int:
    """Bytes of memory that reading the body takes at most, by what the client declares: 0 if it is to be refused."""
    most = request.max_content_length or 0
    length = request.content_length
    if length is None:
        length = most if "chunked" in request.headers.get("Transfer-Encoding", "").lower() else 0
    if length > most or request.endpoint in _FILES_ON_DISK:
        return 0
    return length * TEXT_COPIES if _may_be_text(request) else length


def _may_be_text(request: Request) -> bool:
    """Whether the body's photos may be written in base64: under remove.bg's paths in a form's parts, too."""
    return request.mimetype in (JSON, URLENCODED) or request.path.startswith(_TEXT_PHOTOS)


def read_body(request: Request) -> Body:
    """Read the body, and the words in the address, whatever kind the client calls it: `curl --data-binary` says form.

    Raises:
        BadRequest: it is no JSON object of words and numbers.
    """
    words = dict(request.args)
    if request.mimetype == MULTIPART:
        # Werkzeug calls a part that has no name None.
        fields = {name or "": text for name, text in request.form.items()}
        return Body({**words, **fields}, {name or "": parts for name, parts in request.files.lists()})
    data = request.get_data(cache=False)
    if request.mimetype == JSON:
        return Body({**words, **_json_words(data)})
    if _FORM_START.match(data):
        return Body({**words, **dict(parse_qsl(data.decode("utf-8", "replace"), keep_blank_values=True))})
    return Body(words, raw=data)


def decode_base64(text: str, name: str) -> bytes:
    """The bytes that base64, or a data URL, stands for; line breaks and spaces in it count for nothing.

    Raises:
        BadRequest: it is neither; `name` is the field's.
    """
    start = _DATA_URL.match(text)
    try:
        return base64.b64decode("".join(text[start.end() if start else 0 :].split()), validate=True)
    except (binascii.Error, ValueError):
        raise BadRequest(
            f"{name} must be the picture's bytes in base64, or a data URL of them.", code=f"invalid_{name}"
        ) from None


def _json_words(data: bytes) -> dict[str, str]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        raise BadRequest("The body is no JSON. Please check it, or send a form.", code="invalid_json") from None
    if not isinstance(found, dict):
        raise BadRequest('The JSON must be an object, such as {"image_url": "…"}.', code="invalid_json")
    return {name: _word(name, value) for name, value in found.items() if value is not None}


def _word(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise BadRequest(f"{name[:50]!r} must be a text, a number, true or false.", code="invalid_json")
