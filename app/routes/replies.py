"""A finished cut-out → an HTTP answer: the bytes, or the JSON envelope, by what the client accepts."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

from flask import Request, Response, jsonify

from app.imaging.encode import FORMATS
from app.services.cutout import Cutout

# A multiple of 3, so that pieces of base64 join without padding.
_CHUNK_BYTES = 3 * 64 * 1024
_IMAGE_TYPES = {image_format.mimetype: name for name, image_format in FORMATS.items()}


def wanted_image_format(request: Request) -> str | None:
    """The format that an `Accept` of image types prefers ("png" for `image/*`), or None: JSON is wanted.

    Without a preference JSON wins; when an image type is named as well as JSON, the better quality wins and
    an image wins a tie.
    """
    accepted = request.accept_mimetypes
    image_quality, format_name = max(
        ((quality, _IMAGE_TYPES[kind]) for kind, quality in _named_images(request)),
        key=lambda pair: pair[0],
        default=(0.0, None),
    )
    json_quality = max(
        (quality for kind, quality in accepted if kind.lower() in ("application/json", "application/*")),
        default=0.0,
    )
    return format_name if image_quality > 0 and image_quality >= json_quality else None


def _named_images(request: Request) -> Iterator[tuple[str, float]]:
    for kind, quality in request.accept_mimetypes:
        kind = kind.lower().split(";")[0]
        if kind == "image/*":
            yield "image/png", quality
        elif kind in _IMAGE_TYPES:
            yield kind, quality


def image_reply(cutout: Cutout) -> Response:
    """Answer with the file itself and the facts in headers."""
    response = streamed(cutout.image, cutout.mimetype)
    response.headers.update(
        {
            "X-Width": str(cutout.width),
            "X-Height": str(cutout.height),
            "X-Format": cutout.format,
            "X-Method": cutout.method,
            "X-Model": cutout.model,
            "X-Confidence": str(cutout.confidence),
            "X-Animated": str(cutout.animated).lower(),
            "X-Resized": str(cutout.resized).lower(),
            "X-Cached": str(cutout.cached).lower(),
            "X-Total-Ms": str(cutout.timings_ms["total"]),
            "X-Memory-RSS-MB": str(cutout.memory["rss_mb"]),
            "X-Memory-Peak-MB": str(cutout.memory["peak_rss_mb"]),
            "X-Memory-Limit-MB": str(cutout.memory["limit_mb"]),
        }
    )
    return with_timings(response, cutout)


def json_reply(cutout: Cutout) -> Response:
    """Answer with the envelope; the picture is written into it piece by piece, never held as one string."""
    facts = {
        "success": True,
        "width": cutout.width,
        "height": cutout.height,
        "format": cutout.format,
        "method": cutout.method,
        "model": cutout.model,
        "confidence": cutout.confidence,
        "animated": cutout.animated,
        "resized": cutout.resized,
        "cached": cutout.cached,
        "timings_ms": cutout.timings_ms,
        "memory": cutout.memory,
    }
    head = f'{json.dumps(facts)[:-1]}, "image": "data:{cutout.mimetype};base64,'.encode()
    return with_timings(streamed_json(head, cutout.image, tail=b'"}\n'), cutout)


def photo_reply(photo: bytes, mimetype: str) -> Response:
    """Answer with a photo as it came from elsewhere: to be kept as a file, never shown as a page of ours."""
    response = streamed(photo, mimetype)
    response.headers["Content-Disposition"] = "attachment"
    return unstored(response)


def streamed(image: bytes, mimetype: str) -> Response:
    """A file, sent in pieces."""
    response = Response(in_pieces(image), mimetype=mimetype)
    response.content_length = len(image)
    return response


def streamed_json(head: bytes, image: bytes, tail: bytes) -> Response:
    """JSON in which a picture stands in base64 between `head` and `tail`, sent in pieces."""
    response = Response(_pieces(head, image, tail), mimetype="application/json")
    response.content_length = len(head) + 4 * ((len(image) + 2) // 3) + len(tail)
    return response


def error_reply(status: int, code: str, message: str, *, request_id: str, **besides: str) -> Response:
    """The one body of every error: success false, a code for programs, a sentence for people, the request's id; and
    what else the clients of a path look for."""
    response = jsonify(success=False, error={"code": code, "message": message}, request_id=request_id, **besides)
    response.status_code = status
    return response


def data_url(cutout: Cutout) -> str:
    """The picture as a data URL, for a page without JavaScript."""
    return f"data:{cutout.mimetype};base64,{base64.b64encode(cutout.image).decode()}"


def _pieces(head: bytes, image: bytes, tail: bytes) -> Iterator[bytes]:
    yield head
    for chunk in in_pieces(image):
        yield base64.b64encode(chunk)
    yield tail


def in_pieces(body: bytes) -> Iterator[bytes]:
    """Cut a body up: a slow client has a time limit for each piece, not for the whole."""
    for start in range(0, len(body), _CHUNK_BYTES):
        yield body[start : start + _CHUNK_BYTES]


def unstored(response: Response) -> Response:
    """Let nobody keep an answer: a moment later it would be another."""
    response.headers["Cache-Control"] = "no-store"
    return response


def with_timings(response: Response, cutout: Cutout) -> Response:
    """Tell how long the stages took; the answer is this client's alone."""
    stages = (f"{stage};dur={ms}" for stage, ms in cutout.timings_ms.items())
    response.headers["Server-Timing"] = ", ".join(stages)
    response.headers["Vary"] = "Accept"
    return unstored(response)
