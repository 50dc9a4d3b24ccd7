"""The network that comes with the app, as it ships."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from app.config import Settings
from app.errors import ModelUnavailable
from app.imaging import preprocess
from app.services import model_files, shipped_model
from app.services.model_manager import ModelManager
from app.services.quality import TIERS


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of app/weights that the app takes for its own."""
    folder = tmp_path / "weights"
    shutil.copytree(shipped_model.WEIGHTS, folder)
    monkeypatch.setattr(shipped_model, "WEIGHTS", folder)
    return folder


def test_the_file_is_the_one_that_the_manifest_is_about_and_small() -> None:
    model = shipped_model.find()
    assert (model.name, model.licence) == ("tinycut", "MIT")
    assert model_files.sha256_of(model.path) == model.sha256
    assert model.path.stat().st_size <= 1_200_000
    assert sorted(path.name for path in shipped_model.WEIGHTS.iterdir()) == ["manifest.json", model.path.name]


def test_photos_are_normalised_as_the_network_was_trained() -> None:
    model = shipped_model.read_manifest()
    assert model.mean == pytest.approx(preprocess.MEAN.tolist(), abs=1e-6)
    assert model.std == pytest.approx(preprocess.STD.tolist(), abs=1e-6)


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b'{"name": "tinycut"}', b"\xff", b"[" * 200_000])
def test_a_manifest_that_is_lost_or_damaged_is_unavailable_with_what_to_do(
    weights: Path, content: bytes | None
) -> None:
    if content is None:
        (weights / "manifest.json").unlink()
    else:
        (weights / "manifest.json").write_bytes(content)
    with pytest.raises(ModelUnavailable) as caught:
        shipped_model.find()
    assert "install the app again" in caught.value.advice
    assert str(weights) not in caught.value.advice


@pytest.mark.parametrize("area_px", [0, -65536, 1, 10**9, 65536.5, True, "65536", [65536], None])
def test_an_input_that_no_photo_can_be_brought_to_is_a_damaged_manifest(weights: Path, area_px: object) -> None:
    manifest = weights / "manifest.json"
    facts = json.loads(manifest.read_text())
    facts["input"]["area_px"] = area_px
    manifest.write_text(json.dumps(facts))
    with pytest.raises(ModelUnavailable, match="cannot be read"):
        shipped_model.find()


@pytest.mark.parametrize("content", [None, b"", b"another network"])
def test_a_file_that_is_lost_or_another_is_unavailable_and_named(weights: Path, content: bytes | None) -> None:
    file = weights / json.loads((weights / "manifest.json").read_text())["file"]
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    with pytest.raises(ModelUnavailable) as caught:
        shipped_model.find()
    assert str(file) in caught.value.detail
    assert str(weights) not in caught.value.advice


def test_the_map_of_both_looks_lies_where_the_subject_does(tmp_path: Path) -> None:
    """A square at the left: a second look that was left mirrored would find it at the right as well."""
    rgb = np.full((240, 360, 3), (60, 110, 190), np.uint8)
    rgb[70:170, 40:140] = (220, 40, 30)
    session = ModelManager(Settings(u2net_home=str(tmp_path), auto_download=False)).load("tinycut")
    for tier in TIERS.values():
        saliency = session.infer(rgb, tier=tier)
        third = saliency.shape[1] // 3
        assert saliency[:, :third].mean() > 3 * saliency[:, -third:].mean(), tier.name
