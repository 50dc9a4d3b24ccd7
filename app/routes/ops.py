"""For whoever watches over the server: /health and /ready."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, jsonify

from app import __version__
from app.services.tiny_u2net_service import TinyU2NetService

ops_blueprint = Blueprint("ops", __name__)


@ops_blueprint.get("/health")
def health() -> Response:
    """Say that the process answers; never waits for a photo that is being worked on."""
    return _unstored(jsonify(status="ok", version=__version__))


@ops_blueprint.get("/ready")
def ready() -> Response:
    """Say 200 once the model is loaded and has cut out a first tiny photo, 503 before; starts that if need be."""
    service: TinyU2NetService = current_app.extensions["tinycut"]
    service.start_warm_up()
    method = service.warm_method
    response = jsonify(
        ready=method is not None,
        method=method,
        models=service.models.loaded_models(),
        memory=service.get_memory_usage(),
    )
    if method is None:
        response.status_code = 503
        response.headers["Retry-After"] = "1"
    return _unstored(response)


def _unstored(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response
