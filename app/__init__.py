"""TinyCut: cuts the subject out of a photo with U²-Net-p on a host with 512 MB of memory.

This package root stays light on purpose: gunicorn's master process imports it for `app.hosting`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

__version__ = "0.1.0"


def create_app(overrides: Mapping[str, object] | None = None) -> Flask:
    """Build the Flask application; see `app.factory.create_app`."""
    from app.factory import create_app as build

    return build(overrides)
