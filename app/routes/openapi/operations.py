"""The paths of the API, each operation by itself."""

from __future__ import annotations

from typing import Any

from app.config import Settings
from app.routes.openapi import rembg, removebg, request_bodies, responses, security
from app.routes.openapi.responses import json_answer, refused_with
from app.routes.openapi.schemas import option_properties

Operation = dict[str, Any]

TAGS = [
    {"name": "photos", "description": "One photo, or several, to its cut-out."},
    {"name": "server", "description": "What the server has, and how it is."},
    {"name": "rembg", "description": "What clients of rembg's server send."},
    {"name": "remove.bg", "description": "What clients of remove.bg send."},
]
PARAMETERS: dict[str, Any] = {
    "RequestId": {
        "name": "X-Request-ID",
        "in": "header",
        "description": "An id of the client's own for this request. One that is not of this form is replaced.",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
    },
    "Options": {
        "name": "options",
        "in": "query",
        "description": "Options in the address, each by its own name, for a photo that is the body itself.",
        "style": "form",
        "explode": True,
        "schema": {"type": "object", "properties": option_properties()},
        "example": {},
    },
}
_REQUEST_ID, _OPTIONS = ({"$ref": f"#/components/parameters/{name}"} for name in PARAMETERS)


def paths(settings: Settings) -> dict[str, Any]:
    """Every path with its operations."""
    found = {
        "/api/remove-background": {"post": remove_background(settings)},
        "/api/change-background": {"post": change_background(settings)},
        "/api/batch": {"post": batch(settings)},
        "/api/remove": {"get": rembg.remove_by_address(), "post": rembg.remove_file()},
        "/v1.0/removebg": {"post": removebg.remove_background(settings)},
        "/v1.0/account": {"get": removebg.show_account()},
        "/api/fetch-photo": {"post": fetch_photo(settings)},
        "/api/models": {"get": models()},
        "/api/presets": {"get": presets()},
        "/api/progress/{request_id}": {"get": progress()},
        "/health": {"get": health()},
        "/ready": {"get": ready()},
        "/metrics": {"get": show_metrics(settings)},
    }
    return {path: {"parameters": [_REQUEST_ID], **operations} for path, operations in found.items()}


def remove_background(settings: Settings) -> Operation:
    """POST /api/remove-background."""
    return {
        "tags": ["photos"],
        "operationId": "removeBackground",
        "summary": "Cut the subject out of a photo",
        "parameters": [_OPTIONS],
        "requestBody": request_bodies.photo(settings),
        "responses": {
            "200": responses.CUTOUT,
            "304": responses.NOT_MODIFIED,
            **refused_with("400", "401", "413", "415", "422", "429", "500", "503"),
        },
    }


def change_background(settings: Settings) -> Operation:
    """POST /api/change-background."""
    return {
        **remove_background(settings),
        "operationId": "changeBackground",
        "summary": "Put the subject of a photo on another background",
        "description": "The same, but one of background_color, background_gradient, background_image, "
        "background_image_url and background_blur must be sent.",
    }


def batch(settings: Settings) -> Operation:
    """POST /api/batch."""
    return {
        "tags": ["photos"],
        "operationId": "batch",
        "summary": "Cut the subjects out of several photos",
        "description": "A photo that cannot be cut out has its error in the manifest.",
        "parameters": [_OPTIONS],
        "requestBody": request_bodies.photos(settings),
        "responses": {"200": responses.CUTOUTS, **refused_with("400", "401", "413", "429", "500", "503")},
    }


def fetch_photo(settings: Settings) -> Operation:
    """POST /api/fetch-photo."""
    return {
        "tags": ["photos"],
        "operationId": "fetchPhoto",
        "summary": "The photo at an address, as it is",
        "description": "For pages in a browser, which may not read the files of other sites.",
        "requestBody": request_bodies.address(settings),
        "responses": {"200": responses.PHOTO, **refused_with("400", "401", "413", "415", "422", "429", "500", "503")},
    }


def models() -> Operation:
    """GET /api/models."""
    return {
        "tags": ["server"],
        "operationId": "listModels",
        "summary": "The models that are here",
        "responses": {"200": json_answer("The models.", "Models"), **refused_with("401", "500")},
    }


def presets() -> Operation:
    """GET /api/presets."""
    return {
        "tags": ["server"],
        "operationId": "listPresets",
        "summary": "The presets, and the options that each stands for",
        "responses": {"200": json_answer("The presets.", "Presets"), **refused_with("401", "500")},
    }


def progress() -> Operation:
    """GET /api/progress/…"""
    return {
        "tags": ["photos"],
        "operationId": "showProgress",
        "summary": "Where a photo is that is being worked on",
        "description": "Of a request that was sent with an X-Request-ID, until it is answered. It waits for nothing.",
        "parameters": [{**PARAMETERS["RequestId"], "name": "request_id", "in": "path", "required": True}],
        "responses": {"200": json_answer("Where it is.", "Progress"), **refused_with("401", "500")},
    }


def health() -> Operation:
    """GET /health."""
    return {
        "tags": ["server"],
        "operationId": "health",
        "summary": "Whether the process answers",
        "security": security.NOTHING,
        "responses": {"200": json_answer("It does.", "Health"), **refused_with("500")},
    }


def ready() -> Operation:
    """GET /ready."""
    return {
        "tags": ["server"],
        "operationId": "ready",
        "summary": "Whether a first tiny photo was cut out, and how",
        "security": security.NOTHING,
        "responses": {
            "200": json_answer("The model is loaded, or it is known that it cannot be had.", "Readiness"),
            "503": json_answer("Not yet.", "Readiness", ("Retry-After",)),
            **refused_with("500"),
        },
    }


def show_metrics(settings: Settings) -> Operation:
    """GET /metrics."""
    text = {"schema": {"type": "string"}}
    return {
        "tags": ["server"],
        "operationId": "metrics",
        "summary": "Every metric, for Prometheus",
        "security": [{"MetricsToken": []}] if settings.metrics_token else security.NOTHING,
        "responses": {
            "200": responses.answer(
                "The metrics, as text or in OpenMetrics.", {"text/plain": text, "application/openmetrics-text": text}
            ),
            "401": responses.error_answer("The token was not sent.", ["invalid_token"], ("WWW-Authenticate",)),
            **refused_with("500"),
        },
    }
