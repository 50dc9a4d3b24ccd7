"""remove.bg's API on our own service: POST /v1.0/removebg and GET /v1.0/account; removebg_errors.py has its errors."""

from __future__ import annotations

import json
import math
import time

from flask import Blueprint, Request, Response, jsonify, request
from werkzeug.http import parse_accept_header

from app.errors import BadRequest
from app.imaging.box import Box
from app.routes import replies
from app.routes.bodies import Body, decode_base64, read_body
from app.routes.forms import RemovalRequest, check_upload_size, content
from app.routes.work import cut_out, fetch, the_service
from app.services.cutout import Cutout
from app.services.removebg_words import most_megapixels, read_removebg_words

removebg_blueprint = Blueprint("removebg", __name__, url_prefix="/v1.0")

SOURCES = ("image_file", "image_file_b64", "image_url")
BACKGROUND_SOURCES = ("bg_color", "bg_image_url", "bg_image_file")
# Nothing is charged; clients that count their credits always have enough.
CREDITS = 1_000_000
_NOWHERE = Box(0, 0, 0, 0)


@removebg_blueprint.post("/removebg")
def remove_background() -> Response:
    """Answer a photo with its cut-out: the file itself, or JSON where that is what the client asks for first."""
    body = read_body(request)
    removal, subject_type = _removal(body)
    del body  # the photo as text
    cutout = cut_out(removal)
    foreground = _foreground(cutout)
    if _wants_json(request):
        tail = f'", {json.dumps(foreground)[1:]}}}\n'.encode()
        response = replies.streamed_json(b'{"data": {"result_b64": "', cutout.image, tail)
    else:
        response = replies.streamed(cutout.image, cutout.mimetype)
    max_width, max_height = _max_size(cutout)
    response.headers.update(
        {
            "X-Width": str(cutout.width),
            "X-Height": str(cutout.height),
            "X-Max-Width": str(max_width),
            "X-Max-Height": str(max_height),
            "X-Credits-Charged": "0",
            "X-Method": cutout.method,
            "X-Model": cutout.model,
            **{f"X-{name.replace('_', '-').title()}": str(px) for name, px in foreground.items()},
        }
    )
    if subject_type:
        response.headers["X-Type"] = subject_type
    return replies.with_timings(response, cutout)


@removebg_blueprint.get("/account")
def show_account() -> Response:
    """Tell that there are credits; exactly these keys, for clients that take them for arguments."""
    credits_left = {"total": CREDITS, "subscription": CREDITS, "payg": 0, "enterprise": 0}
    api = {"free_calls": CREDITS, "sizes": "all"}
    return jsonify(data={"attributes": {"credits": credits_left, "api": api}})


@removebg_blueprint.after_request
def _tell_places(response: Response) -> Response:
    """Where no rate is set, what limits a client are the places of the queue."""
    admission = the_service().admission
    places = admission.slots + admission.queue_size
    free = max(0, places - admission.busy - admission.waiting)
    response.headers.setdefault("X-RateLimit-Limit", str(places))
    response.headers.setdefault("X-RateLimit-Remaining", str(free))
    response.headers.setdefault("X-RateLimit-Reset", str(int(time.time()) + 1))
    return response


def _wants_json(request: Request) -> bool:
    accepted = parse_accept_header(request.headers.get("Accept", ""))
    return (accepted.best or "").lower() == "application/json"


def _removal(body: Body) -> tuple[RemovalRequest, str | None]:
    """The photo and its options, and what the answer says the subject is."""
    sources, backgrounds = _given(body, SOURCES), _given(body, BACKGROUND_SOURCES)
    if not sources:
        raise BadRequest(
            "Please provide the source image in the image_url, image_file or image_file_b64 parameter.",
            code="missing_source",
        )
    if len(sources) > 1:
        raise BadRequest(
            "Multiple image sources given: Please provide either the image_url, image_file or image_file_b64 "
            "parameter.",
            code="multiple_sources",
        )
    if len(backgrounds) > 1:
        raise BadRequest(
            "Multiple background sources given: Please provide either the bg_color, the bg_image_url or the "
            "bg_image_file parameter.",
            code="multiple_bg_sources",
        )
    images = [_picture(body, name) for name in backgrounds if name != "bg_color"]
    words = {name: text for name, text in body.words.items() if name not in SOURCES}
    read = read_removebg_words(words, background_image=images[0] if images else None)
    return RemovalRequest(_picture(body, sources[0]), read.options), read.subject_type


def _given(body: Body, names: tuple[str, ...]) -> list[str]:
    """Which of these fields were sent and not empty, as often as they were."""
    words = [name for name in names if body.words.get(name, "").strip()]
    return words + [name for name in names for part in body.files.get(name, []) if content(part)]


def _picture(body: Body, name: str) -> bytes:
    """The picture that is in a field, or at the address in it."""
    text = body.words.get(name, "").strip()
    if not text:
        found = next(data for data in map(content, body.files[name]) if data)
    elif name == "image_file_b64":
        found = decode_base64(text, name)
    elif name == "image_url":
        found = fetch(text)
    elif name == "bg_image_url":
        found = _fetch_background(text)
    else:
        raise BadRequest(f"{name} must be a file of a form, with a file name.", code="failed_to_read_image")
    check_upload_size(len(found), the_service().settings)
    return found


def _fetch_background(url: str) -> bytes:
    try:
        return fetch(url)
    except BadRequest as fault:
        code = "invalid_bg_image_url" if fault.code == "invalid_image_url" else "failed_bg_download"
        raise BadRequest(fault.message, code=code) from fault


def _foreground(cutout: Cutout) -> dict[str, int]:
    """Where the subject is in the result."""
    box = cutout.foreground or _NOWHERE
    return {
        "foreground_top": box.top,
        "foreground_left": box.left,
        "foreground_width": box.width,
        "foreground_height": box.height,
    }


def _max_size(cutout: Cutout) -> tuple[int, int]:
    """Width and height that size=full would give."""
    most = min(most_megapixels(cutout.format), the_service().settings.max_megapixels) * 1e6
    width, height = cutout.full_size
    scale = min(1.0, math.sqrt(most / (width * height)))
    return max(cutout.width, int(width * scale)), max(cutout.height, int(height * scale))
