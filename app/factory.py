"""The composition root: settings → services → blueprints. Wiring only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from app import cli, config
from app.routes import (
    api,
    batch,
    compression,
    docs,
    guard,
    handlers,
    ops,
    origins,
    page_files,
    rembg,
    removebg,
    request_log,
    security_headers,
    web,
)
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

    app = Flask(__name__, static_folder=None)
    app.url_map.merge_slashes = False  # a redirect to the merged path would name whatever Host was sent
    app.request_class = UploadRequest
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = 3600
    app.config.update(flask_keys)
    app.extensions["tinycut"] = service
    hops = config.routers_in_front(settings, service.models.host)
    if hops:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=1)  # type: ignore[method-assign]
    request_log.register(app)
    for blueprint in (
        api.api_blueprint,
        batch.batch_blueprint,
        rembg.rembg_blueprint,
        removebg.removebg_blueprint,
        web.web_blueprint,
        ops.ops_blueprint,
        docs.docs_blueprint,
    ):
        app.register_blueprint(blueprint)
    # Flask runs what is done before a request in this order (a key is asked for before memory is reserved), and what
    # is done after it the other way round (an answer is complete before its headers are exposed to other sites).
    security_headers.register(app)
    origins.register(app, config.listed(settings.cors_origins))
    guard.register(app, settings)
    handlers.register(app)
    compression.register(app)
    page_files.register(app)
    app.cli.add_command(cli.tinycut)
    return app
