"""The keys of the document: which ones there are, and where they are asked for."""

from __future__ import annotations

from typing import Any

from app.config import Settings

Requirement = list[dict[str, list[str]]]

SCHEMES: dict[str, Any] = {
    "ApiKey": {"type": "apiKey", "in": "header", "name": "X-Api-Key", "description": "One of the server's API_KEYS."},
    "MetricsToken": {"type": "http", "scheme": "bearer", "description": "The server's METRICS_TOKEN."},
    "Bearer": {"type": "http", "scheme": "bearer", "description": "The same key."},
}
NOTHING: Requirement = []


def asked_of_photos(settings: Settings) -> Requirement:
    """Either way of sending a key; without keys, none as well."""
    ways: Requirement = [{name: []} for name in ("ApiKey", "Bearer")]
    return ways if settings.api_keys else [{}, *ways]
