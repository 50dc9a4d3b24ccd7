"""The 8-bit network finds what the float one finds, in any shape, and is made for no other weights."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, numpy_helper

from app.imaging import preprocess
from scripts import int8_passes
from scripts.graph_passes import GraphError
from tests.support import SHARED, need


@pytest.fixture(scope="module")
def exact() -> ModelProto:
    return int8_passes.prepare(onnx.load(need(SHARED / "models" / "u2netp.onnx")))


@pytest.fixture(scope="module")
def eight_bits(exact: ModelProto) -> ModelProto:
    return int8_passes.quantize(exact, int8_passes.load_ranges())


def session(model: ModelProto) -> ort.InferenceSession:
    settings = ort.SessionOptions()
    settings.log_severity_level = 3
    settings.intra_op_num_threads = 2
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(model.SerializeToString(), settings, providers=["CPUExecutionProvider"])


def iou(network: ort.InferenceSession, image: NDArray[np.float32], mask: NDArray[np.bool_]) -> float:
    raw = network.run(None, {"input.1": image})[0][0, 0]
    found = cv2.resize(preprocess.to_saliency(raw), mask.shape[::-1], interpolation=cv2.INTER_LINEAR) > 0.5
    return float((found & mask).sum() / (found | mask).sum())


def test_every_tenth_photo_of_sod_is_cut_out_as_well_as_in_float(exact: ModelProto, eight_bits: ModelProto) -> None:
    cpu = Path("/proc/cpuinfo")
    if not cpu.exists() or not {"avx512_vnni", "avx_vnni"} & set(cpu.read_text().split()):
        pytest.skip("without VNNI onnxruntime's sums of 8-bit products may saturate")
    networks = [session(exact), session(eight_bits)]
    scores = []
    for path in sorted(need(SHARED / "data" / "sod-dev" / "images").iterdir())[::10]:
        rgb = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        mask_path = next((SHARED / "data" / "sod-dev" / "masks").glob(f"{path.stem}.*"))
        mask = cv2.imread(str(mask_path), cv2.IMREAD_GRAYSCALE) > 127
        image = preprocess.to_network_input(rgb, 320, 320)
        scores.append([iou(network, image, mask) for network in networks])
    in_float, in_8_bits = np.mean(scores, axis=0)
    assert in_float > 0.5
    assert in_8_bits > in_float - 0.01


@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 160), (288, 352), (416, 256)])
def test_any_multiples_of_32_give_a_map_of_their_size(height: int, width: int, eight_bits: ModelProto) -> None:
    image = np.random.default_rng(1).standard_normal((1, 3, height, width), dtype=np.float32)
    result = session(eight_bits).run(None, {"input.1": image})[0]
    assert result.shape == (1, 1, height, width)
    assert 0 <= result.min() <= result.max() <= 1


def test_the_same_model_gives_the_same_bytes_and_stays_as_it_was(exact: ModelProto, eight_bits: ModelProto) -> None:
    before = exact.SerializeToString(deterministic=True)
    again = int8_passes.quantize(onnx.load_from_string(before), int8_passes.load_ranges())
    assert again.SerializeToString(deterministic=True) == eight_bits.SerializeToString(deterministic=True)
    assert exact.SerializeToString(deterministic=True) == before


def test_the_file_is_valid_and_a_third_of_the_float_one(exact: ModelProto, eight_bits: ModelProto) -> None:
    onnx.checker.check_model(eight_bits, full_check=True)
    assert eight_bits.ByteSize() < exact.ByteSize() / 3


def test_other_weights_are_refused(exact: ModelProto) -> None:
    other = ModelProto()
    other.CopyFrom(exact)
    tensor = next(each for each in other.graph.initializer if each.name == "conv2d_5.weight")
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * 2, tensor.name))
    with pytest.raises(GraphError, match="other weights"):
        int8_passes.quantize(other, int8_passes.load_ranges())


def test_a_graph_of_other_tensors_is_refused(exact: ModelProto) -> None:
    ranges = int8_passes.load_ranges()
    fewer = {name: ends for name, ends in ranges.ranges.items() if name != "45"}
    with pytest.raises(GraphError, match="such as 45"):
        int8_passes.quantize(exact, dataclasses.replace(ranges, ranges=fewer))


def test_the_ranges_are_read_as_they_were_written(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("ranges") / "ranges.json"
    int8_passes.save_ranges(int8_passes.load_ranges(), path)
    assert path.read_text() == int8_passes.RANGES_PATH.read_text()


def test_weights_are_rounded_by_at_most_half_a_step_where_they_are_not_cut() -> None:
    weights = np.random.default_rng(0).standard_normal((4, 3, 3, 3)).astype(np.float32)
    weights[2] = 0
    rounded, scales = int8_passes.round_weights(weights)
    error = np.abs(rounded * scales[:, None, None, None] - weights)
    whole = np.abs(rounded.astype(int)) < 127
    assert (error[whole] <= (np.ones_like(weights) * scales[:, None, None, None])[whole] * 0.5001).all()
    assert not rounded[2].any()
