"""GET /openapi.json, and /docs: Swagger UI on it, all of it from this server."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.resources import files

from flask import Blueprint, Response, render_template

from app.config import Settings
from app.routes.openapi import document
from app.routes.work import the_service

docs_blueprint = Blueprint(
    "docs", __name__, static_folder=str(files("flask_swagger_ui") / "dist"), static_url_path="/docs"
)


@docs_blueprint.get("/openapi.json")
def show_document() -> Response:
    """Answer the OpenAPI document."""
    return Response(_as_json(the_service().settings), mimetype="application/json")


@docs_blueprint.get("/docs", strict_slashes=False)
def show_docs() -> str:
    """Show the page of Swagger UI."""
    return render_template("docs.html")


@lru_cache(maxsize=1)
def _as_json(settings: Settings) -> str:
    return json.dumps(document(settings), ensure_ascii=False)
