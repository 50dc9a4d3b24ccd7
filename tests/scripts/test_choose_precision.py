"""scripts/choose_precision.py: the network in 8 bits is served only where it finds the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from onnx import numpy_helper

from scripts import optimize_models
from tests.support import SHARED, need

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "choose_precision.py"


@pytest.fixture(scope="module")
def forms(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The real network rewritten in float and in 8 bits."""
    folder = tmp_path_factory.mktemp("forms")
    source = need(SHARED / "models" / "u2netp.onnx")
    return optimize_models.rewrite(source, folder / "float.onnx", folder / "int8.onnx")


def choose(float_path: Path, int8_path: Path) -> dict[str, object]:
    command = [sys.executable, str(SCRIPT), str(float_path), str(int8_path), "--threads", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    choice: dict[str, object] = json.loads(done.stdout)
    return choice


def test_both_are_timed_and_the_maps_compared(forms: list[Path]) -> None:
    choice = choose(*forms)
    assert choice.keys() == {"precision", "float_ms", "int8_ms", "mean_difference"}
    assert choice["precision"] in ("float", "int8")


def test_a_network_whose_map_is_another_is_not_served_however_fast(forms: list[Path], tmp_path: Path) -> None:
    model = onnx.load(forms[1])
    # As if its sums had overflowed: the weights that fuse the side maps are turned about.
    fusing = next(tensor for tensor in model.graph.initializer if tensor.name == "conv2d_118.weight")
    fusing.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(fusing), fusing.name))
    spoilt = tmp_path / "spoilt.onnx"
    onnx.save(model, spoilt)
    choice = choose(forms[0], spoilt)
    assert choice["mean_difference"] > 0.02
    assert choice["precision"] == "float"


def test_a_file_that_is_no_network_ends_with_an_error(forms: list[Path], tmp_path: Path) -> None:
    (tmp_path / "not.onnx").write_bytes(b"not")
    with pytest.raises(subprocess.CalledProcessError):
        choose(forms[0], tmp_path / "not.onnx")
