"""For whoever watches over the server: /health, /ready and /metrics."""

from __future__ import annotations

import hmac

from flask import Blueprint, Response, jsonify, request
from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder

from app import __version__, metrics
from app.errors import Unauthorized
from app.hosting import MIB
from app.routes.guard import bearer_token
from app.routes.replies import unstored
from app.routes.work import the_service
from app.services import memory
from app.services.tiny_u2net_service import TinyU2NetService

ops_blueprint = Blueprint("ops", __name__)


@ops_blueprint.get("/health")
def health() -> Response:
    """Say that the process answers; never waits for a photo that is being worked on."""
    return unstored(jsonify(status="ok", version=__version__))


@ops_blueprint.get("/ready")
def ready() -> Response:
    """Say 200 once the model is loaded and has cut out a first tiny photo, 503 before; starts that if need be.

    The `method` is what cut out the latest photo.
    """
    service = the_service()
    service.start_warm_up()
    method = service.latest_method
    response = jsonify(
        ready=method is not None,
        method=method,
        models=service.models.loaded_models(),
        memory=service.get_memory_usage(),
    )
    if method is None:
        response.status_code = 503
        response.headers["Retry-After"] = "1"
    return unstored(response)


@ops_blueprint.get("/metrics")
def show_metrics() -> Response:
    """Tell every metric in the text format of Prometheus, or in OpenMetrics for a client that accepts it."""
    service = the_service()
    _check_token(service.settings.metrics_token)
    _read_states(service)
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return unstored(Response(encode(REGISTRY), content_type=content_type))


def _check_token(token: str) -> None:
    """Raise Unauthorized where a token is set up and the client sent another one, or none."""
    # Headers come as Latin-1, whatever their bytes are.
    if token and not hmac.compare_digest(bearer_token().encode("latin-1"), token.encode()):
        raise Unauthorized("Please send this server's METRICS_TOKEN as Authorization: Bearer.", code="invalid_token")


def _read_states(service: TinyU2NetService) -> None:
    admission = service.admission
    metrics.QUEUE_DEPTH.set(admission.waiting)
    metrics.BUSY_SLOTS.set(admission.busy)
    metrics.SLOTS.set(admission.slots)
    metrics.MEMORY_RESIDENT_BYTES.set(memory.rss_mb() * MIB)
    metrics.MEMORY_LIMIT_BYTES.set(service.models.host.memory_limit_mb * MIB)
    metrics.MEMORY_HELD_BYTES.set(service.budget.held_bytes)
    metrics.RESULT_CACHE_BYTES.set(service.result_cache_bytes)
