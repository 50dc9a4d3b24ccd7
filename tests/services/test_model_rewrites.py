"""The rewritten forms of the model: where they lie, that they are made, and which of them is served."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from importlib import metadata
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from app.config import Settings
from app.services import model_files, model_rewrites
from app.services.model_rewrites import FLOAT, INT8, Rewrites
from tests.support import SHARED, need

CONTENT = b"weights" * 1000
PLENTY_MB = 1000.0


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file that is no model."""
    path = tmp_path / "u2netp.onnx"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def made(source: Path) -> Rewrites:
    """Rewrites that look as if both forms were made."""
    rewrites = model_rewrites.find(source, Settings())
    rewrites.float_path.write_bytes(b"float")
    rewrites.int8_path.write_bytes(b"8 bits")
    return rewrites


def measured(rewrites: Rewrites, precision: str) -> None:
    rewrites.choice_path.write_text(json.dumps({"precision": precision, "float_ms": 2, "int8_ms": 1}))


def chosen(rewrites: Rewrites, *, precision: str = "auto", available_mb: float = PLENTY_MB) -> str:
    return model_rewrites.choose(rewrites, Settings(precision=precision), threads=1, available_mb=available_mb)


def test_the_rewritten_forms_lie_beside_the_model_under_its_checksum(source: Path) -> None:
    rewrites = model_rewrites.find(source, Settings())
    for path in (rewrites.float_path, rewrites.int8_path, rewrites.choice_path):
        assert path.parent == source.parent
        assert hashlib.sha256(CONTENT).hexdigest()[:16] in path.name
    assert len({rewrites.float_path, rewrites.int8_path, rewrites.choice_path}) == 3
    source.write_bytes(b"another")
    assert model_rewrites.find(source, Settings()) != rewrites


def test_a_write_protected_model_folder_is_left_alone_even_by_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "models"
    folder.mkdir()
    source = folder / "u2netp.onnx"
    source.write_bytes(CONTENT)
    folder.chmod(0o555)
    try:
        assert model_rewrites.find(source, Settings()).float_path.parent == tmp_path / "cache/tinycut"
        chosen = Settings(model_cache_dir=str(tmp_path / "chosen"))
        assert model_rewrites.find(source, chosen).float_path.parent == tmp_path / "chosen"
    finally:
        folder.chmod(0o755)


def test_what_a_build_made_is_served_from_a_folder_that_is_read_only_by_now(made: Rewrites, source: Path) -> None:
    source.parent.chmod(0o555)
    try:
        assert model_rewrites.find(source, Settings()) == made
        assert model_rewrites.make(source, Settings()) == made
    finally:
        source.parent.chmod(0o755)


def test_a_model_that_cannot_be_rewritten_is_no_error_and_the_log_says_why(
    source: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert model_rewrites.make(source, Settings()) is None
    assert "served as it is" in caplog.text
    assert [path.name for path in source.parent.iterdir()] == ["u2netp.onnx"]


def test_the_real_model_is_made_in_both_forms_tried_once_and_the_outcome_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = tmp_path / "u2netp.onnx"
    shutil.copy(need(SHARED / "models" / "u2netp.onnx"), source)
    rewrites = model_rewrites.make(source, Settings())
    assert rewrites is not None and rewrites.float_path.is_file() and rewrites.int8_path.is_file()
    with caplog.at_level(logging.INFO):
        first = chosen(rewrites)
        assert chosen(rewrites) == first
    assert caplog.text.count("was tried in float and in 8 bits") == 1
    kept = json.loads(rewrites.choice_path.read_text())
    assert kept["precision"] == first
    assert kept["float_ms"] > 0 and kept["int8_ms"] > 0 and kept["mean_difference"] < 0.2


@pytest.fixture
def comparisons(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Comparisons that find 8 bits better, instead of real ones; the list grows by each."""
    made: list[str] = []

    def run(script: Path, *_arguments: str) -> str:
        made.append(script.name)
        return json.dumps({"precision": INT8, "float_ms": 2, "int8_ms": 1, "mean_difference": 0.001})

    monkeypatch.setattr(model_rewrites, "_run", run)
    return made


@pytest.mark.parametrize("form", [FLOAT, INT8])
def test_what_was_measured_on_such_a_processor_is_what_is_served(
    made: Rewrites, form: str, comparisons: list[str]
) -> None:
    measured(made, form)
    assert chosen(made) == form
    assert comparisons == []
    assert made.path(form).read_bytes() == {FLOAT: b"float", INT8: b"8 bits"}[form]


def test_what_was_measured_on_another_processor_counts_for_nothing(
    made: Rewrites, monkeypatch: pytest.MonkeyPatch, comparisons: list[str]
) -> None:
    measured(made, FLOAT)
    monkeypatch.setattr(model_rewrites.hosting, "processor", lambda: "another")
    assert chosen(made) == INT8
    assert comparisons == ["choose_precision.py"]


def test_the_setting_outranks_the_measurement(made: Rewrites, comparisons: list[str]) -> None:
    measured(made, INT8)
    assert chosen(made, precision="float") == FLOAT
    measured(made, FLOAT)
    assert chosen(made, precision="int8") == INT8
    assert comparisons == []


def test_weights_without_an_8_bit_form_are_served_in_float_and_who_asked_for_8_bits_is_told(
    made: Rewrites, caplog: pytest.LogCaptureFixture
) -> None:
    made.int8_path.unlink()
    assert chosen(made) == FLOAT
    assert caplog.text == ""
    assert chosen(made, precision="int8") == FLOAT
    assert "there is no 8-bit form of these weights" in caplog.text


def test_with_little_memory_left_nothing_is_tried_and_the_log_says_so(
    made: Rewrites, caplog: pytest.LogCaptureFixture, comparisons: list[str]
) -> None:
    assert chosen(made, available_mb=50) == FLOAT
    assert "50 MB are too few" in caplog.text
    assert comparisons == []


@pytest.mark.parametrize("damaged", ["", "{", "[]", '["int8"]', '{"precision": 3}', "{}", "[" * 100_000])
def test_a_damaged_outcome_is_measured_again(made: Rewrites, damaged: str, comparisons: list[str]) -> None:
    made.choice_path.write_text(damaged)
    assert chosen(made) == INT8
    assert comparisons == ["choose_precision.py"]
    assert chosen(made) == INT8
    assert len(comparisons) == 1, "and then kept"


def test_a_folder_in_the_place_of_the_outcome_is_no_hindrance(made: Rewrites, comparisons: list[str]) -> None:
    made.choice_path.mkdir()
    assert chosen(made) == INT8
    assert not list(made.choice_path.parent.glob("*.part"))


@pytest.mark.parametrize("answer", ["", "no JSON", "{}", '{"precision": "int4"}'])
def test_a_comparison_that_says_nothing_is_an_error_and_is_not_kept(
    made: Rewrites, answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_rewrites, "_run", lambda *_what: answer)
    with pytest.raises(RuntimeError):
        chosen(made)
    assert not made.choice_path.exists()


def test_onnxruntime_under_another_name_is_no_hindrance(
    made: Rewrites, monkeypatch: pytest.MonkeyPatch, comparisons: list[str]
) -> None:
    def unknown(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(model_rewrites.metadata, "version", unknown)
    assert chosen(made) == INT8


def test_a_copy_of_the_weights_that_differs_by_less_than_half_precision_has_an_8_bit_form_too(tmp_path: Path) -> None:
    model = onnx.load(need(SHARED / "models" / "u2netp.onnx"))
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32:
            tensor.CopyFrom(numpy_helper.from_array((values * 1.0001).astype(np.float32), tensor.name))
    source = tmp_path / "u2netp.onnx"
    onnx.save(model, source)
    rewrites = model_rewrites.make(source, Settings())
    assert rewrites is not None and rewrites.int8_path.is_file()


def test_other_weights_than_the_published_are_made_in_float_alone(tmp_path: Path) -> None:
    model = onnx.load(need(SHARED / "models" / "u2netp.onnx"))
    tensor = next(each for each in model.graph.initializer if each.name == "conv2d_5.weight")
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * 2, tensor.name))
    source = tmp_path / "u2netp.onnx"
    onnx.save(model, source)
    rewrites = model_rewrites.make(source, Settings())
    assert rewrites is not None and rewrites.float_path.is_file()
    assert not rewrites.int8_path.exists()
    assert model_files.sha256_of(source)[:16] in rewrites.float_path.name
