"""The application without the network that comes with it: `gunicorn tests.no_networks:app`."""

from __future__ import annotations

from pathlib import Path

from app.services import shipped_model

shipped_model.WEIGHTS = Path("/nowhere")

from wsgi import app  # noqa: E402

__all__ = ["app"]
