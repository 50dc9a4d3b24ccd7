"""Helpers of the tests: where the real photos are, a fake model, photos made here."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from flask import Flask
from PIL import Image

from app import create_app, hosting
from app.config import Settings
from app.errors import ModelUnavailable
from app.imaging.box import Box
from app.imaging.drawing import Placement
from app.routes.page_files import PageFiles
from app.services import shipped_model
from app.services.model_manager import SMALL_MODELS, ModelFacts
from app.services.tiny_u2net_service import TinyU2NetService

REPO = Path(__file__).resolve().parents[1]
SHARED = REPO.parent / "shared"
REQUIRE_MODEL = "TINYCUT_REQUIRE_MODEL"


def need(path: Path) -> Path:
    """Return a path of the shared folder, or skip; with TINYCUT_REQUIRE_MODEL set its absence is a failure."""
    if not path.exists():
        _go_without(f"{path} is not there: real photos and the real model are needed for this test")
    return path


def need_program(name: str) -> str:
    """Return the path of a program, or skip; with TINYCUT_REQUIRE_MODEL set its absence is a failure."""
    path = shutil.which(name)
    if path is None:
        _go_without(f"{name} is not installed (on Debian: apt-get install {name}); this test runs a real one")
    return str(path)


def _go_without(reason: str) -> None:
    if os.environ.get(REQUIRE_MODEL):
        pytest.fail(reason)
    pytest.skip(reason)


class FakeSession:
    """A model that sees a bright disc in the middle of every photo: fast, and its result is known."""

    name = "u2netp"
    method = "tiny_u2net"

    def infer(self, rgb: np.ndarray, **_how: object) -> np.ndarray:
        rows, columns = np.indices((64, 64)) - 31.5
        disc: np.ndarray = np.hypot(rows, columns) < 20
        return disc.astype(np.float32)


class FakeModels:
    """A model manager of a small host with the fake session, or with none when `unavailable` says why."""

    def __init__(self) -> None:
        self.host = hosting.Host("local", 512, "a test", 2, True, "it is a test")
        self.session = FakeSession()
        self.unavailable = ""
        self.asked: list[str | None] = []
        self.threads = 2

    def order(self, name: str | None = None) -> tuple[str, ...]:
        self.asked.append(name)
        return (name if name in SMALL_MODELS else "u2netp",)

    def load(self, name: str, **_how: object) -> FakeSession:
        if self.unavailable:
            raise ModelUnavailable(self.unavailable)
        self.session.name = name
        return self.session

    def fetch(self, _name: str | None = None) -> FakeSession:
        return self.load("u2netp")

    def served_name(self, name: str | None = None) -> str:
        return "u2netp"

    def list_models(self) -> list[ModelFacts]:
        return [ModelFacts("u2netp", default=True, installed=True, loaded=True)]

    def loaded_models(self) -> list[str]:
        return ["u2netp"]

    def clear(self) -> None:
        pass


def take_shipped_network_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let there be no network but u2netp, as where app/weights was lost; servers have tests/no_networks.py for it."""
    monkeypatch.setattr(shipped_model, "WEIGHTS", Path("/nowhere"))


def app_with(**settings: object) -> Flask:
    """The application with the fake model and these settings."""
    made = create_app(settings)
    made.extensions["tinycut"] = TinyU2NetService(Settings(**settings), FakeModels())  # type: ignore[arg-type]
    return made


def page_file(name: str) -> str:
    """The address of a file of the page."""
    return f"/static/{PageFiles(REPO / 'app/static').version}/{name}"


def picture(width: int = 64, height: int = 48, mode: str = "RGB") -> Image.Image:
    """A photo made here: a red square on a blue-green slope."""
    slope = np.linspace(0, 255, max(width, 1), dtype=np.uint8)
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, :, 2] = slope
    pixels[:, :, 1] = 128
    pixels[height // 4 : height * 3 // 4 + 1, width // 4 : width * 3 // 4 + 1] = (220, 30, 20)
    return Image.fromarray(pixels).convert(mode)


def drawn_box(placement: Placement, subject: Box, height: int, width: int) -> tuple[float, float, float, float]:
    """Top, left, bottom, right on the canvas of the subject of a photo of this size."""
    down, across = placement.height / height, placement.width / width
    return (
        placement.top + subject.top * down,
        placement.left + subject.left * across,
        placement.top + subject.bottom * down,
        placement.left + subject.right * across,
    )


def encoded(image: Image.Image, file_format: str = "PNG", **how: object) -> bytes:
    """The bytes of a picture in a file format."""
    buffer = io.BytesIO()
    image.save(buffer, file_format, **how)
    return buffer.getvalue()


def opened(data: bytes) -> Image.Image:
    """The picture in the bytes of a file, by Pillow."""
    image = Image.open(io.BytesIO(data))
    image.load()
    return image
