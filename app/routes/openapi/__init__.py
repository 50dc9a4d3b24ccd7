"""The OpenAPI 3.1 document of this server: small pieces written by hand, from the enums and limits that it reads by."""

from __future__ import annotations

from typing import Any

from app import __version__
from app.config import Settings
from app.routes.openapi import operations, removebg, responses, schemas, security


def document(settings: Settings) -> dict[str, Any]:
    """The document for a server with these settings."""
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "TinyCut",
            "version": __version__,
            "summary": "Cuts the subject out of a photo.",
            "description": "A photo goes in, its subject comes out on a transparent or a new background. Options that "
            "are empty count as absent, one that is not known is an error. Every answer has the id of its request.",
        },
        "servers": [{"url": "."}],
        "tags": operations.TAGS,
        "security": security.asked_of_photos(settings),
        "paths": operations.paths(settings),
        "components": {
            "schemas": {**schemas.SCHEMAS, **removebg.SCHEMAS},
            "parameters": operations.PARAMETERS,
            "headers": responses.HEADERS,
            "responses": responses.errors(settings),
            "securitySchemes": security.SCHEMES,
        },
    }
