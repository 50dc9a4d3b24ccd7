"""Which other sites' pages may call the API from a browser: CORS, by Flask-Cors."""

from __future__ import annotations

import re

from flask import Flask, Response, request
from flask_cors import CORS

API_PATH, REMOVE_BG_PATH = "/api/", "/v1.0/"
ALLOWED_HEADERS = ("Authorization", "Content-Type", "If-None-Match", "X-Api-Key", "X-Request-ID")
# What pages of other sites may read beside every X- header.
EXPOSED_HEADERS = ("Content-Disposition", "ETag", "Retry-After", "Server-Timing")
_PREFLIGHT_MAX_AGE_S = 600
_ALLOW_ORIGIN = "Access-Control-Allow-Origin"


def register(app: Flask, origins: tuple[str, ...]) -> None:
    """Let pages of these origins (or of all: `*`) call the API; none may, if there are none.

    Without a word of the deployer, /v1.0/ is open to pages of all sites, as remove.bg is.
    """
    allowed = {API_PATH: origins, REMOVE_BG_PATH: origins or ("*",)}

    def complete(response: Response) -> Response:
        if not request.path.startswith((API_PATH, REMOVE_BG_PATH)):
            return response
        if origins and origins != ("*",):
            response.vary.add("Origin")  # Flask-Cors says so only where the origin was allowed
        if _ALLOW_ORIGIN in response.headers:
            names = sorted({name for name, _ in response.headers if name.startswith("X-") or name in EXPOSED_HEADERS})
            response.headers["Access-Control-Expose-Headers"] = ", ".join(names)
        return response

    app.after_request(complete)
    CORS(
        app,
        resources={f"{path}.*": {"origins": _patterns(sites)} for path, sites in allowed.items() if sites},
        methods=["GET", "HEAD", "POST"],
        allow_headers=list(ALLOWED_HEADERS),
        max_age=_PREFLIGHT_MAX_AGE_S,
        send_wildcard=True,
        vary_header=False,
        intercept_exceptions=False,  # every error is an answer that comes by here
    )


def _patterns(origins: tuple[str, ...]) -> list[str | re.Pattern[str]]:
    """Origins as Flask-Cors compares them exactly; left as text, one with brackets would be taken for a pattern."""
    return ["*" if site == "*" else re.compile(re.escape(site) + r"\Z", re.IGNORECASE) for site in origins]
