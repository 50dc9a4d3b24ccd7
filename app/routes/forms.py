"""The only door from an untrusted request to the work: a body → a frozen `RemovalRequest`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from werkzeug.datastructures import FileStorage

from app.config import Settings
from app.errors import BadRequest, TooLarge
from app.hosting import MIB
from app.routes.bodies import Body, decode_base64
from app.services.option_words import read_options
from app.services.options import CutoutOptions, ImageBehind

FILE, IMAGE, IMAGE_URL = "file", "image", "image_url"
PHOTO_FIELDS = (FILE, IMAGE)
BACKGROUND_FIELD, BACKGROUND_URL = "background_image", "background_image_url"
PICTURE_FIELDS = (FILE, IMAGE, IMAGE_URL, BACKGROUND_FIELD, BACKGROUND_URL)

Fetch = Callable[[str], bytes]


@dataclass(frozen=True)
class RemovalRequest:
    """One photo's bytes and what to make of it, checked."""

    data: bytes
    options: CutoutOptions

    @classmethod
    def from_body(
        cls,
        body: Body,
        settings: Settings,
        *,
        fetch: Fetch,
        image_format: str = "png",
        needs_background: bool = False,
    ) -> RemovalRequest:
        """Read the photo and the options of a body; `fetch` gets what is at an address, `image_format` is what `format`
        means when it is absent.

        Raises:
            AppError: with a sentence that says what to send instead.
        """
        photos = photo_files(body)
        words = [name for name in (IMAGE, IMAGE_URL) if body.words.get(name)]
        sources = len(photos) + len(words) + bool(body.raw)
        if sources > 1:
            raise BadRequest(f"{sources} photos were sent. Please send one in each request.", code="multiple_files")
        if not sources:
            raise no_photo()
        options = options_of(body, settings, fetch=fetch, image_format=image_format, needs_background=needs_background)
        if photos:
            data = content(photos[0])
        elif body.raw:
            data = body.raw
        elif words == [IMAGE]:
            data = decode_base64(body.words[IMAGE], IMAGE)
        else:
            data = fetch(body.words[IMAGE_URL])
        if not data:
            raise no_photo()
        removal = cls(data, options)
        check_upload_size(removal.size_bytes, settings)
        return removal

    @property
    def size_bytes(self) -> int:
        """Bytes of the files that are held."""
        behind = self.options.background
        return len(self.data) + (len(behind.data) if isinstance(behind, ImageBehind) else 0)


def photo_files(body: Body) -> list[FileStorage]:
    """The photos among the files of a form.

    Raises:
        BadRequest: there is a file, or a text in the place of one, that nothing is known of.
    """
    if body.words.get(FILE):
        raise BadRequest(f"The field {FILE!r} holds text. Send the picture in it, as a file.", code="missing_file")
    for unknown in body.files.keys() - {*PHOTO_FIELDS, BACKGROUND_FIELD}:
        raise BadRequest(f"There is no file field {unknown[:50]!r}. Send the photo as 'file'.", code="unknown_field")
    return [part for name in PHOTO_FIELDS for part in body.files.get(name, [])]


def address_in(body: Body) -> str:
    """The address of a photo, where nothing else may be sent.

    Raises:
        BadRequest: there is none, or something else.
    """
    for unknown in (body.words.keys() | body.files.keys()) - {IMAGE_URL}:
        raise BadRequest(f"There is no field {unknown[:50]!r} here. Send {IMAGE_URL} alone.", code="unknown_field")
    if not body.words.get(IMAGE_URL):
        raise BadRequest(f"No address was sent. Send the photo's as {IMAGE_URL}.", code="missing_file")
    return body.words[IMAGE_URL]


def options_of(
    body: Body, settings: Settings, *, fetch: Fetch, image_format: str = "png", needs_background: bool = False
) -> CutoutOptions:
    """Read everything but the photo."""
    words = {name: text for name, text in body.words.items() if name not in PICTURE_FIELDS}
    options = read_options(words, image_format=image_format, background_image=_background(body, settings, fetch))
    if needs_background and options.background is None:
        raise BadRequest(
            "It was not said what comes behind the subject. Send background_color, background_gradient, "
            "background_image, background_image_url or background_blur.",
            code="missing_background",
        )
    return options


def check_upload_size(size_bytes: int, settings: Settings) -> None:
    """Raise TooLarge when a photo of so many bytes is over MAX_UPLOAD_MB."""
    if size_bytes > settings.max_upload_mb * MIB:
        raise TooLarge(
            f"The photo has {size_bytes / MIB:.1f} MB; this server takes up to {settings.max_upload_mb:g} MB. "
            "Please send a smaller one."
        )


def no_photo() -> BadRequest:
    """The error of a request without a photo."""
    return BadRequest(
        "No photo was sent. Send it as multipart field 'file', as the raw body, or in JSON as image (base64) or "
        "image_url.",
        code="missing_file",
    )


def content(part: FileStorage) -> bytes:
    """The bytes of an upload; those that UploadRequest keeps in memory are not copied."""
    whole = getattr(part.stream, "getvalue", part.stream.read)
    found: bytes = whole()
    return found


def _background(body: Body, settings: Settings, fetch: Fetch) -> bytes | None:
    """The image to put behind the photo, if there is one."""
    files = [part for part in body.files.get(BACKGROUND_FIELD, []) if part.filename or content(part)]
    text, url = body.words.get(BACKGROUND_FIELD), body.words.get(BACKGROUND_URL)
    if len(files) + bool(text) + bool(url) > 1:
        raise BadRequest("Please send one background_image.", code="multiple_files")
    if files:
        found = content(files[0])
    elif text:
        found = decode_base64(text, BACKGROUND_FIELD)
    elif url:
        found = fetch(url)
    else:
        return None
    check_upload_size(len(found), settings)
    return found or None
