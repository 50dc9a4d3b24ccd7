"""GET and POST /api/remove, for clients of rembg's server."""

from __future__ import annotations

from dataclasses import replace

from flask import Blueprint, Response, request

from app.routes import replies
from app.routes.bodies import read_body
from app.routes.forms import FILE, IMAGE_URL, RemovalRequest
from app.routes.work import answer, fetch, the_service
from app.services import rembg_words

rembg_blueprint = Blueprint("rembg", __name__, url_prefix="/api")


@rembg_blueprint.route("/remove", methods=["GET", "POST"])
def remove() -> Response:
    """Answer the photo of a form, or at `url`, with its cut-out as PNG; parameters as in rembg."""
    body = read_body(request)
    words = rembg_words.translate(body.words)
    if url := body.words.get("url"):
        words[IMAGE_URL] = url
    files = {FILE: body.files.get(FILE, [])}
    removal = RemovalRequest.from_body(replace(body, words=words, files=files), the_service().settings, fetch=fetch)
    return answer(removal, replies.image_reply, kind="image")
