"""POST /api/remove-background."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, g, request

from app.routes import replies
from app.routes.forms import RemovalRequest
from app.services.tiny_u2net_service import TinyU2NetService

api_blueprint = Blueprint("api", __name__, url_prefix="/api")


@api_blueprint.post("/remove-background")
def remove_background() -> Response:
    """Answer a photo with its cut-out: JSON, or the image itself for `Accept: image/*`."""
    service: TinyU2NetService = current_app.extensions["tinycut"]
    image_format = replies.wanted_image_format(request)
    removal = RemovalRequest.from_request(request, service.settings, image_format=image_format or "png")
    g.holding.shrink_to(removal.size_bytes)
    cutout = service.cut_out(removal.data, removal.options)
    g.holding.add(len(cutout.image), exists=True)  # until the client has it
    return replies.image_reply(cutout) if image_format else replies.json_reply(cutout)
