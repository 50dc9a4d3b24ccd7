"""What tests share: the real photos, the real model, an app with a fake one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from app.config import Settings
from app.services import memory
from app.services.tiny_u2net_service import TinyU2NetService
from tests.support import SHARED, FakeModels, need


def pytest_collection_finish() -> None:
    """Leave pytest and all tests out of the garbage collection that ends each photo, as a server does with itself."""
    memory.settle()


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real photos."""
    return need(SHARED / "data")


@pytest.fixture(scope="session")
def model_env() -> dict[str, str]:
    """The environment of a server that has the real model."""
    home = Path(os.environ.get("U2NET_HOME") or SHARED / "models")
    need(home)
    return {"U2NET_HOME": str(home), "MODEL_CHECKSUM_DISABLED": "1", "AUTO_DOWNLOAD": "0"}


@pytest.fixture(scope="session")
def real_app(model_env: dict[str, str]) -> Flask:
    """The application with the real network."""
    return create_app({"u2net_home": model_env["U2NET_HOME"], "model_checksum_disabled": True, "auto_download": False})


@pytest.fixture
def real_client(real_app: Flask) -> FlaskClient:
    """A client of the application with the real network."""
    return real_app.test_client()


@pytest.fixture
def models() -> FakeModels:
    """The fake model manager of `service` and `app`."""
    return FakeModels()


@pytest.fixture
def service(models: FakeModels) -> TinyU2NetService:
    """A service with the fake model."""
    return TinyU2NetService(Settings(), models)  # type: ignore[arg-type]


@pytest.fixture
def app(service: TinyU2NetService) -> Flask:
    """The application around `service`."""
    made = create_app()
    made.extensions["tinycut"] = service
    return made


@pytest.fixture
def client(app: Flask) -> Iterator[FlaskClient]:
    """A client of the application with the fake model."""
    with app.test_client() as client:
        yield client
