"""A network's weights in few bytes."""

from __future__ import annotations

import hashlib

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from training.pack import HALF, INT8, manifest, pack


def small_network() -> onnx.ModelProto:
    """Two convolutions, of which one output channel has weights a hundred times larger than the others."""
    dice = np.random.default_rng(0)
    first = dice.standard_normal((16, 3, 3, 3)).astype(np.float32)
    first[0] *= 100
    second = dice.standard_normal((1, 16, 3, 3)).astype(np.float32) / 100
    nodes = [
        helper.make_node("Conv", ["photo", "first"], ["middle"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["middle"], ["positive"]),
        helper.make_node("Conv", ["positive", "second"], ["map"], pads=[1, 1, 1, 1]),
    ]
    shape = [1, 3, "height", "width"]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("photo", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("map", TensorProto.FLOAT, [1, 1, "height", "width"])],
        [numpy_helper.from_array(first, "first"), numpy_helper.from_array(second, "second")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


def run(model: onnx.ModelProto) -> np.ndarray:
    """The map of a seeded photo."""
    photo = np.random.default_rng(1).standard_normal((1, 3, 32, 64), dtype=np.float32)
    return np.asarray(ort.InferenceSession(model.SerializeToString()).run(None, {"photo": photo})[0])


@pytest.mark.parametrize(("form", "bytes_a_weight", "error"), [(INT8, 1, 0.02), (HALF, 2, 0.001)])
def test_packed_weights_take_fewer_bytes_and_compute_nearly_the_same(
    form: str, bytes_a_weight: int, error: float
) -> None:
    network = small_network()
    packed = pack(network, form)
    held = sum(len(tensor.raw_data) for tensor in packed.graph.initializer if "scale" not in tensor.name)
    assert held == bytes_a_weight * 432 + 4 * 144 or held == bytes_a_weight * (432 + 144)
    exact = run(network)
    assert np.abs(run(packed) - exact).max() < error * np.abs(exact).max()


def test_packing_leaves_the_network_itself_as_it_is() -> None:
    network = small_network()
    before = network.SerializeToString()
    pack(network, INT8)
    assert network.SerializeToString() == before


def test_the_manifest_holds_the_checksum_and_what_the_network_is_shown() -> None:
    facts = manifest(b"weights", 65536)
    assert facts["sha256"] == hashlib.sha256(b"weights").hexdigest()
    assert facts["mean"] == [0.485, 0.456, 0.406] and facts["std"] == [0.229, 0.224, 0.225]
