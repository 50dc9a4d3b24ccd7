"""The body of a request, in any of the ways that clients send one: a form, JSON, or a photo as it is."""

from __future__ import annotations

import base64
import binascii
import io
import json
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any
from urllib.parse import parse_qsl

from flask import Request, current_app, g
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import ClientDisconnected

from app.config import Settings
from app.errors import BadRequest, TooLarge, Unavailable
from app.hosting import MIB
from app.routes.connection import least_pace
from app.services.admission import Admission, Deadline

JSON, URLENCODED, MULTIPART = "application/json", "application/x-www-form-urlencoded", "multipart/form-data"
# Multipart boundaries, field names and the options around the photo itself.
OVERHEAD_BYTES = 512 * 1024
# Werkzeug counts its 64 kB read buffers against this as well, so it must hold several.
FIELDS_BYTES = 256 * 1024
PARTS = 32
# Base64 makes 4 characters of 3 bytes; some of them are escaped in a form, and lines may be broken.
TEXT_GROWTH = 1.5
# Text is held as it came, decoded, parsed, and as bytes again; a form's part that is text may have letters of 4 bytes.
TEXT_COPIES, PART_COPIES = 4, 6
# A photo in JSON is one long word among a few short ones; each bracket and comma costs a hundred times its size.
MOST_JSON_SIGNS = 500

# A client may be as slow as it likes for so long.
GRACE_S = 30.0

# No image begins like a form that `curl -d` sends.
_FORM_START = re.compile(rb"[a-z_0-9]{1,40}=")
_DATA_URL = re.compile(r"data:[^,]{0,100};base64,")
# In a long text, what would make Python take 2 or 4 bytes for each of its letters; base64 has none of it.
_WIDE = re.compile(rb"\\u(?!00)|%[89A-Fa-f][0-9A-Fa-f]")
_FILES_ON_DISK = ("batch.batch",)
_TEXT_ENDPOINTS = (
    *("api.remove_background", "api.change_background", "rembg.remove"),
    "removebg.remove_background",
)
_BASE64_FIELDS = ("image", "background_image", "image_file_b64")
_TEXT_PARTS = ("removebg.remove_background",)


class UploadRequest(Request):
    """A request whose uploads stay in memory: people's photos never touch the disk, for the body is bounded. Only a
    batch, of many photos, waits in files without a name, that are gone when they are closed."""

    # Flask closes the files before the first piece of a streamed answer is made.
    keeps_files = False

    def close(self) -> None:
        """Close the files, unless a streamed answer still reads them."""
        if not self.keeps_files:
            super().close()

    def get_data(self, *words: Any, **how: Any) -> Any:
        """Read the body as it is; see `reading`."""
        with reading(self):
            return super().get_data(*words, **how)

    def _load_form_data(self) -> None:
        with reading(self):
            super()._load_form_data()

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        if self.endpoint not in _FILES_ON_DISK:
            return io.BytesIO()
        try:
            return tempfile.TemporaryFile()
        except OSError as fault:  # no folder, or none that may be written
            raise no_room() from fault


def no_room() -> Unavailable:
    """The error of a batch for which the disk has no room."""
    return Unavailable(
        "The server has no room to keep so many photos. Please send fewer, or one by one.", code="no_room"
    )


class _Counted(io.RawIOBase):
    """What a client sends, counted, and held piece by piece; `failed` is gunicorn's word for a body that was given up.

    Raises:
        ClientDisconnected: it ended before the bytes that were announced.
    """

    def __init__(self, stream: Any, hold: Callable[[int], None], *, announced_bytes: int = 0) -> None:
        self._stream = stream
        self._hold = hold
        self._announced_bytes = announced_bytes
        self.size_bytes = 0

    @property
    def failed(self) -> bool:
        return bool(self._stream.failed)

    @failed.setter
    def failed(self, failed: bool) -> None:
        self._stream.failed = failed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._stream.read(len(buffer))
        if not piece and len(buffer) and self.size_bytes < self._announced_bytes:
            raise ClientDisconnected
        buffer[: len(piece)] = piece
        self.size_bytes += len(piece)
        self._hold(len(piece))
        return len(piece)


@contextmanager
def reading(request: Request, *, hold: Callable[[int], None] | None = None, grace_s: float = GRACE_S) -> Iterator[None]:
    """Read a body in this block, in one of the places for that, and no slower than a slow phone sends.

    `hold` is given the size of each piece; else what comes is held for this request, as often as reading copies it.

    Raises:
        Busy: too many bodies are being read, or hold the memory that the rest of this one needs.
        ClientDisconnected: the client hung up, or was too slow.
    """
    copies = _copies(request)
    hold = hold or (lambda size_bytes: g.holding.add(size_bytes * copies))
    bodies: Admission = current_app.extensions["tinycut"].bodies
    bodies.enter(Deadline(0))
    try:
        counted = _Counted(request.environ["wsgi.input"], hold, announced_bytes=request.content_length or 0)
        request.environ["wsgi.input"] = counted
        with least_pace(request.environ, lambda: counted.size_bytes, grace_s=grace_s):
            yield
    finally:
        bodies.leave()


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
    text_bytes = int(TEXT_GROWTH * upload_bytes) + OVERHEAD_BYTES
    if _is_on_disk(request):
        request.max_content_length = int(settings.max_batch_mb * MIB) + OVERHEAD_BYTES
        request.max_form_parts = settings.max_batch_photos + PARTS
    elif request.mimetype in (JSON, URLENCODED):
        request.max_content_length = text_bytes if request.endpoint in _TEXT_ENDPOINTS else FIELDS_BYTES
    elif request.endpoint in _TEXT_PARTS:
        request.max_content_length = request.max_form_memory_size = text_bytes
    elif request.endpoint in _FILES_ON_DISK:  # but no form with files
        request.max_content_length = FIELDS_BYTES


def held_bytes(request: Request) -> int:
    """Bytes of memory that reading the body takes at most, by what the client declares: 0 if it is to be refused."""
    most = request.max_content_length or 0
    length = request.content_length
    if length is None:
        length = most if "chunked" in request.headers.get("Transfer-Encoding", "").lower() else 0
    return 0 if length > most else length * _copies(request)


def _copies(request: Request) -> int:
    """How many times its size a body takes in memory while it is read."""
    if _is_on_disk(request):
        return 0
    if request.mimetype in (JSON, URLENCODED):
        return TEXT_COPIES
    return PART_COPIES if request.endpoint in _TEXT_PARTS else 1


def _is_on_disk(request: Request) -> bool:
    return request.endpoint in _FILES_ON_DISK and request.mimetype == MULTIPART


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
    if (request.mimetype == URLENCODED or len(data) <= FIELDS_BYTES) and _FORM_START.match(data):
        return Body({**words, **_form_words(data)})
    return Body(words, raw=data)


def decode_base64(text: str, name: str) -> bytes:
    """The bytes that base64, or a data URL, stands for; line breaks and spaces in it count for nothing.

    Raises:
        BadRequest: it is neither; `name` is the field's.
    """
    start = _DATA_URL.match(text)
    try:
        digits = text[start.end() if start else 0 :].encode("ascii").translate(None, b" \t\r\n\f\v")
        return base64.b64decode(digits + b"=" * (-len(digits) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise BadRequest(
            f"{name} must be the picture's bytes in base64, or a data URL of them.", code=f"invalid_{name}"
        ) from None


def _form_words(data: bytes) -> dict[str, str]:
    _check_plain(data)
    try:
        pairs = parse_qsl(data.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=PARTS)
    except ValueError:
        raise TooLarge("The form has too many fields beside the photo.", code="form_too_large") from None
    # Base64 that nobody escaped: its + came as a space.
    return {name: text.strip().replace(" ", "+") if name in _BASE64_FIELDS else text for name, text in pairs}


def _check_plain(data: bytes) -> None:
    """Raise BadRequest where a long text has letters that base64 has not."""
    if len(data) > FIELDS_BYTES and (not data.isascii() or _WIDE.search(data)):
        raise BadRequest("So long a text may hold a picture in base64, and no letters but ASCII.", code="invalid_text")


def _json_words(data: bytes) -> dict[str, str]:
    _check_plain(data)
    if sum(data.count(sign) for sign in (b"[", b"{", b",")) > MOST_JSON_SIGNS:
        raise BadRequest("The JSON must be one object of a few texts and numbers.", code="invalid_json")
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
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # 92.0 is a whole number in JSON
    if isinstance(value, str | int | float):
        return str(value)
    raise BadRequest(f"{name[:50]!r} must be a text, a number, true or false.", code="invalid_json")
