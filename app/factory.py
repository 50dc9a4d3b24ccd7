"""The composition root: settings → services → blueprints. Wiring only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from flask import Flask

from app import cli, config
from app.routes import api, batch, handlers, ops, removebg, web
from app.routes.bodies import UploadRequest
from app.services.model_manager import ModelManager
from app.services.tiny_u2net_service import TinyU2NetService, tiny_u2net_service


def create_app(overrides: Mapping[str, object] | None = None) -> Flask:
    """Build the application around the singleton service.

    `overrides` maps names of settings (`{"max_upload_mb": 1}`) or Flask's own capital keys to values: for
    tests, which then get a service of their own.

    Raises:
        ConfigError: settings in the environment that cannot be used.
    """
    service = tiny_u2net_service
    settings = config.current()
    overrides = dict(overrides or {})
    flask_keys = {key: overrides.pop(key) for key in list(overrides) if key.isupper()}
    if overrides:
        settings = replace(settings, **overrides)  # type: ignore[arg-type]
        service = TinyU2NetService(settings, ModelManager(settings))

    app = Flask(__name__)
    app.request_class = UploadRequest
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = 3600
    app.config.update(flask_keys)
    app.extensions["tinycut"] = service
    for blueprint in (
        *(api.api_blueprint, batch.batch_blueprint, removebg.removebg_blueprint),
        *(web.web_blueprint, ops.ops_blueprint),
    ):
        app.register_blueprint(blueprint)
    handlers.register(app)
    app.cli.add_command(cli.tinycut)
    return app
