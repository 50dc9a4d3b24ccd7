"""The network that comes with the app, tinycut: its file in app/weights, and what the manifest beside it says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from app.errors import ModelUnavailable
from app.imaging.preprocess import STRIDE_PX
from app.services import model_files

SHIPPED_MODEL = "tinycut"
WEIGHTS = Path(__file__).resolve().parents[1] / "weights"
# Of an input that is none, or that takes gigabytes, the manifest can only speak by mistake.
LEAST_AREA_PX, MOST_AREA_PX = STRIDE_PX**2, 1024**2


@dataclass(frozen=True)
class ShippedModel:
    """What the manifest says: `area_px` is the input that it was trained for, height times width; `mean` and `std` are
    what a photo's red, green and blue are normalised by; `licence` is an SPDX name."""

    name: str
    path: Path
    sha256: str
    area_px: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    licence: str


def read_manifest() -> ShippedModel:
    """Read the manifest.

    Raises:
        ModelUnavailable: it is missing or damaged.
    """
    try:
        facts = json.loads((WEIGHTS / "manifest.json").read_text())
        return ShippedModel(
            name=facts["name"],
            path=WEIGHTS / facts["file"],
            sha256=facts["sha256"],
            area_px=_area_px(facts["input"]["area_px"]),
            mean=tuple(facts["mean"]),
            std=tuple(facts["std"]),
            licence=facts["licence"],
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as fault:
        raise _damaged(f"The manifest in {WEIGHTS} cannot be read: {type(fault).__name__}") from fault


def find() -> ShippedModel:
    """Return the network, whose file is the one that the manifest is about.

    Raises:
        ModelUnavailable: the manifest or the file is missing or damaged.
    """
    model = read_manifest()
    try:
        found = model_files.sha256_of(model.path)
    except OSError as fault:
        raise _damaged(f"The file {model.path} cannot be read: {fault.strerror}") from fault
    if found != model.sha256:
        raise _damaged(f"The file {model.path} is altered: expected sha256 {model.sha256}, found {found}")
    return model


def _area_px(value: object) -> int:
    """The value as the area of an input. Raises ValueError where it is none."""
    if not isinstance(value, int) or not LEAST_AREA_PX <= value <= MOST_AREA_PX:
        raise ValueError(f"{value!r} is no area of an input")
    return value


def _damaged(detail: str) -> ModelUnavailable:
    return ModelUnavailable(f"{detail}.", advice="The app's folder app/weights is damaged: install the app again.")
