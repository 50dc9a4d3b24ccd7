"""The API: /api/remove-background, /api/change-background, and what one can ask of them."""

from __future__ import annotations

from dataclasses import asdict

from flask import Blueprint, Response, jsonify, request

from app.imaging import decode
from app.routes import batch, replies
from app.routes.bodies import read_body
from app.routes.forms import RemovalRequest, address_in, photo_files
from app.routes.work import answer, fetch, the_service
from app.services.presets import PRESETS

api_blueprint = Blueprint("api", __name__, url_prefix="/api")


@api_blueprint.post("/remove-background")
def remove_background() -> Response:
    """Answer a photo with its cut-out: JSON, or the image itself for `Accept: image/*`; several photos with a ZIP."""
    return _reply()


@api_blueprint.post("/change-background")
def change_background() -> Response:
    """The same, but it must be said what comes behind the subject."""
    return _reply(needs_background=True)


@api_blueprint.get("/models")
def list_models() -> Response:
    """Tell which models are here, and which one is used where none is asked for."""
    return jsonify(models=[asdict(model) for model in the_service().models.list_models()])


@api_blueprint.get("/presets")
def list_presets() -> Response:
    """Tell the presets, and the options that each stands for."""
    presets = [{"name": preset.name, "title": preset.title, "options": preset.words} for preset in PRESETS.values()]
    return jsonify(presets=presets)


@api_blueprint.post("/fetch-photo")
def fetch_photo() -> Response:
    """Answer the photo at an address as it is: a page in a browser may not read the files of other sites itself."""
    body = read_body(request)
    photo = fetch(address_in(body))
    return replies.photo_reply(photo, decode.probe(photo).mimetype)


@api_blueprint.get("/progress/<request_id>")
def show_progress(request_id: str) -> Response:
    """Tell where the request is to which its client gave this id: waiting, or worked on, and at which stage."""
    service = the_service()
    return replies.unstored(jsonify(service.progress.where(request_id, service.admission)))


def _reply(*, needs_background: bool = False) -> Response:
    image_format = replies.wanted_image_format(request)
    body = read_body(request)
    photos = photo_files(body)
    if len(photos) > 1:
        return batch.reply(photos, body, image_format=image_format or "png", needs_background=needs_background)
    removal = RemovalRequest.from_body(
        body, the_service().settings, fetch=fetch, image_format=image_format or "png", needs_background=needs_background
    )
    del body, photos  # a JSON photo is held as text, too
    if image_format:
        return answer(removal, replies.image_reply, kind="image")
    return answer(removal, replies.json_reply, kind="json")
