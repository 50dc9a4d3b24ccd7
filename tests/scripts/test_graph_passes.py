"""The rewritten graph computes what the published one does.

Two float32 runs of one graph differ too: onnxruntime's own optimisation of the published graph moves its map by up to
1.3e-4 on these photos. So a pass that only moves work is held to equal bits, and the whole to 1e-9 in float64.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper
from PIL import Image

from scripts import graph_passes
from scripts.graph_passes import GraphError
from tests.support import need

SHARED = Path(__file__).resolve().parents[3] / "shared"
ROUNDING = 1e-4


@pytest.fixture(scope="module")
def published() -> ModelProto:
    return onnx.load(need(SHARED / "models" / "u2netp.onnx"))


@pytest.fixture(scope="module")
def stages(published: ModelProto) -> list[ModelProto]:
    """The published model, and what each pass in turn makes of it."""
    models = [published]
    for graph_pass in graph_passes.PASSES:
        models.append(graph_pass(models[-1]))
    return models


@pytest.fixture(scope="module")
def photos() -> list[NDArray[np.float32]]:
    folder = need(SHARED / "data" / "u2net-author" / "images")
    return [photo(folder / name) for name in ("0003.jpg", "horse.jpg")]


def photo(path: Path) -> NDArray[np.float32]:
    rgb = np.asarray(Image.open(path).convert("RGB").resize((320, 320)), np.float32)
    scaled = (rgb / rgb.max() - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    return scaled.astype(np.float32).transpose(2, 0, 1)[None]


def run(model: ModelProto, image: NDArray[np.float32], *, plain: bool = False) -> NDArray[np.float32]:
    """The first output; `plain` runs the nodes as they are written."""
    settings = ort.SessionOptions()
    settings.log_severity_level = 3
    settings.intra_op_num_threads = 2
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if plain:
        settings.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), settings, providers=["CPUExecutionProvider"])
    outputs: list[NDArray[np.float32]] = session.run(
        [session.get_outputs()[0].name], {session.get_inputs()[0].name: image}
    )
    return outputs[0]


def exact(model: ModelProto, image: NDArray[np.float32]) -> NDArray[np.float64]:
    """The first output in float64, by numpy alone."""
    values: dict[str, NDArray[Any]] = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    values[model.graph.input[0].name] = image[0].astype(np.float64)
    last_use = {name: k for k, node in enumerate(model.graph.node) for name in node.input}
    for k, node in enumerate(model.graph.node):
        how = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        reads = [values[name] if name else np.empty(0) for name in node.input]
        values[node.output[0]] = operate(node.op_type, reads, how)
        for name in set(node.input):
            if last_use[name] == k:
                values.pop(name, None)
    return values[model.graph.output[0].name][None]


def operate(kind: str, reads: list[NDArray[Any]], how: dict[str, Any]) -> NDArray[np.float64]:
    x = reads[0]
    if kind == "Conv":
        return convolved(x, reads[1], reads[2] if len(reads) > 2 else None, how)
    if kind == "MaxPool":
        return x.reshape(len(x), x.shape[1] // 2, 2, x.shape[2] // 2, 2).max(axis=(2, 4))
    if kind == "Resize":
        sizes = reads[3][2:] if len(reads) > 3 else np.multiply(x.shape[1:], reads[2][2:].astype(int))
        return upscaling(x.shape[1], int(sizes[0])) @ x @ upscaling(x.shape[2], int(sizes[1])).T
    if kind == "Concat":
        return np.concatenate(reads)
    simple = {"Add": lambda: x + reads[1], "Relu": lambda: np.maximum(x, 0), "Sigmoid": lambda: 1 / (1 + np.exp(-x))}
    return np.asarray(simple[kind]())


def convolved(
    x: NDArray[np.float64], weight: NDArray[np.float32], bias: NDArray[np.float32] | None, how: dict[str, Any]
) -> NDArray[np.float64]:
    height, width = x.shape[1:]
    pad, step = how["pads"][0], how.get("dilations", [1, 1])[0]
    padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
    result = np.zeros((len(weight), height * width))
    for row in range(weight.shape[2]):
        for column in range(weight.shape[3]):
            seen = padded[:, row * step : row * step + height, column * step : column * step + width]
            result += weight[:, :, row, column].astype(np.float64) @ seen.reshape(len(x), -1)
    if bias is not None:
        result += bias[:, None]
    return result.reshape(len(weight), height, width)


def upscaling(old: int, new: int) -> NDArray[np.float64]:
    """The matrix of linear interpolation between pixel centres."""
    at = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    low = np.minimum(at.astype(int), old - 2)
    matrix = np.zeros((new, old))
    matrix[np.arange(new), low] = 1 - (at - low)
    matrix[np.arange(new), low + 1] = at - low
    return matrix


@pytest.fixture(scope="module")
def plain_maps(stages: list[ModelProto], photos: list[NDArray[np.float32]]) -> list[list[NDArray[np.float32]]]:
    """The maps of the photos by each stage, its nodes run as they are written."""
    return [[run(stage, image, plain=True) for image in photos] for stage in stages]


@pytest.mark.parametrize("step", range(len(graph_passes.PASSES)), ids=[p.__name__ for p in graph_passes.PASSES])
def test_a_pass_keeps_the_map_of_the_graph_before_it(step: int, plain_maps: list[list[NDArray[np.float32]]]) -> None:
    adds_in_another_order = graph_passes.PASSES[step] is graph_passes.split_concats
    for before, after in zip(plain_maps[step], plain_maps[step + 1], strict=True):
        assert np.abs(after - before).max() <= (ROUNDING if adds_in_another_order else 0)


def test_the_rewritten_graph_gives_the_published_map_on_real_photos(
    stages: list[ModelProto], photos: list[NDArray[np.float32]]
) -> None:
    for image in photos:
        published_map = run(stages[0], image)
        assert published_map.max() > 0.9, "the photo has a subject"
        assert np.abs(run(stages[-1], image) - published_map).max() < ROUNDING


def test_the_rewritten_graph_is_the_published_one_in_exact_arithmetic(
    stages: list[ModelProto], photos: list[NDArray[np.float32]]
) -> None:
    published_map = exact(stages[1], photos[0])
    assert np.abs(run(stages[0], photos[0]) - published_map).max() < ROUNDING, "the reference is right"
    assert np.abs(exact(stages[-1], photos[0]) - published_map).max() < 1e-9


@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 160), (288, 352), (416, 256)])
def test_any_multiples_of_32_give_a_map_of_their_size(height: int, width: int, stages: list[ModelProto]) -> None:
    image = np.random.default_rng(1).standard_normal((1, 3, height, width), dtype=np.float32)
    assert run(stages[-1], image).shape == (1, 1, height, width)


def test_the_rewritten_graph_sees_a_photo_and_its_mirror_image_in_any_shape(
    stages: list[ModelProto], photos: list[NDArray[np.float32]]
) -> None:
    wide = photos[1][:, :, 64:256]
    tall = np.ascontiguousarray(wide.transpose(0, 1, 3, 2))
    assert run(stages[-1], wide).shape == (1, 1, 192, 320)
    assert run(stages[-1], tall).shape == (1, 1, 320, 192)


def test_the_rewritten_graph_names_its_shapes_and_keeps_the_names_of_its_ends(stages: list[ModelProto]) -> None:
    graph = stages[-1].graph
    onnx.checker.check_model(stages[-1], full_check=True)
    ends = {
        value.name: [side.dim_param or side.dim_value for side in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    }
    assert ends == {"input.1": [1, 3, "height", "width"], "1959": [1, 1, "height", "width"]}
    assert all(node.domain == "" for node in graph.node), "no node of one runtime alone"


def test_no_concat_and_nothing_unread_is_left(stages: list[ModelProto]) -> None:
    graph = stages[-1].graph
    read = {name for node in graph.node for name in node.input} | {"1959"}
    assert not {node.op_type for node in graph.node} & {"Concat", "Shape", "Slice"}
    assert {tensor.name for tensor in graph.initializer} <= read
    assert {name for node in graph.node for name in node.output} <= read


def test_onnxruntime_fuses_every_sum_of_convs(stages: list[ModelProto], tmp_path: Path) -> None:
    if "ReorderOutput" not in fused_operators(stages[0], tmp_path):
        pytest.skip("this processor has no blocked layout")
    operators = fused_operators(stages[-1], tmp_path)
    assert "Reshape" not in operators, "a Reshape means that the shapes were not known to be equal"
    # What is left are the sums of what has passed a Relu already.
    assert operators.count("Add") == sum(node.op_type == "Add" for node in after_relu(stages[-1]))


def fused_operators(model: ModelProto, folder: Path) -> list[str]:
    settings = ort.SessionOptions()
    settings.log_severity_level = 3
    settings.optimized_model_filepath = str(folder / "fused.onnx")
    ort.InferenceSession(model.SerializeToString(), settings, providers=["CPUExecutionProvider"])
    return [node.op_type for node in onnx.load(folder / "fused.onnx").graph.node]


def after_relu(model: ModelProto) -> list[onnx.NodeProto]:
    makers = {name: node.op_type for node in model.graph.node for name in node.output}
    return [n for n in model.graph.node if all(makers.get(name) in ("Relu", "Add") for name in n.input[:2])]


def test_the_same_bytes_give_the_same_bytes(published: ModelProto, stages: list[ModelProto]) -> None:
    before = published.SerializeToString(deterministic=True)
    again = graph_passes.optimize(onnx.load_from_string(before))
    assert again.SerializeToString(deterministic=True) == stages[-1].SerializeToString(deterministic=True)
    assert published.SerializeToString(deterministic=True) == before, "a pass leaves its argument as it was"


def small_model(**resize: Any) -> ModelProto:
    """A Conv, a pool, and a Resize whose size is computed from shapes, as PyTorch exports it to opset 11."""
    draw = np.random.default_rng(2)
    constants = {
        "w0": draw.standard_normal((8, 3, 3, 3)),
        "w1": draw.standard_normal((8, 8, 3, 3)),
        "w2": draw.standard_normal((1, 16, 3, 3)),
        "b2": draw.standard_normal(1),
        "no_roi": np.empty(0),
        "no_scale": np.empty(0),
    }
    tensors = [numpy_helper.from_array(values.astype(np.float32), name) for name, values in constants.items()]
    tensors += [numpy_helper.from_array(np.array([k]), f"at{k}") for k in (0, 2, 4)]
    how = {"mode": "linear", "coordinate_transformation_mode": "pytorch_half_pixel"} | resize
    conv = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Conv", ["image", "w0"], ["high"], **conv),
        helper.make_node("MaxPool", ["high"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
        helper.make_node("Conv", ["pooled", "w1"], ["low"], **conv),
        helper.make_node("Shape", ["high"], ["high_shape"]),
        helper.make_node("Slice", ["high_shape", "at2", "at4"], ["sides"]),
        helper.make_node("Shape", ["low"], ["low_shape"]),
        helper.make_node("Slice", ["low_shape", "at0", "at2"], ["batch"]),
        helper.make_node("Concat", ["batch", "sides"], ["size"], axis=0),
        helper.make_node("Resize", ["low", "no_roi", "no_scale", "size"], ["raised"], **how),
        helper.make_node("Concat", ["raised", "high"], ["both"], axis=1),
        helper.make_node("Conv", ["both", "w2", "b2"], ["total"], **conv),
        helper.make_node("Sigmoid", ["total"], ["map"]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 32, 32])
    fused = helper.make_tensor_value_info("map", TensorProto.FLOAT, [1, 1, 32, 32])
    graph = helper.make_graph(nodes, "small", [image], [fused], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6)


def test_sizes_computed_from_shapes_become_a_scale() -> None:
    model = small_model()
    rewritten = graph_passes.optimize(model)
    onnx.checker.check_model(rewritten, full_check=True)
    assert not {node.op_type for node in rewritten.graph.node} & {"Shape", "Slice", "Concat"}
    image = np.random.default_rng(3).standard_normal((1, 3, 32, 32), dtype=np.float32)
    assert np.abs(run(rewritten, image) - run(model, image)).max() < 1e-5
    assert run(rewritten, image[:, :, :, :16].repeat(4, axis=3)).shape == (1, 1, 32, 64)


@pytest.mark.parametrize(
    "resize", [{"mode": "nearest"}, {"mode": "cubic"}, {"coordinate_transformation_mode": "align_corners"}]
)
def test_another_kind_of_resize_is_refused(resize: dict[str, str]) -> None:
    with pytest.raises(GraphError, match="Resize raised"):
        graph_passes.optimize(small_model(**resize))


@pytest.mark.parametrize(
    ("position", "change", "reason"),
    [
        (0, {"strides": [2, 2]}, "Conv high is not a node of this network"),
        (0, {"pads": [0, 0, 0, 0]}, "Conv high is not a node of this network"),
        (1, {"kernel_shape": [3, 3]}, "MaxPool pooled is not a node of this network"),
        (9, {"axis": 2}, "cannot be shown|known sizes"),
    ],
)
def test_a_node_that_was_not_foreseen_is_refused(position: int, change: dict[str, Any], reason: str) -> None:
    model = small_model()
    node = model.graph.node[position]
    kept = [attribute for attribute in node.attribute if attribute.name not in change]
    del node.attribute[:]
    node.attribute.extend([*kept, *(helper.make_attribute(*item) for item in change.items())])
    with pytest.raises(GraphError, match=reason):
        graph_passes.optimize(model)


def test_an_operator_of_another_network_is_refused() -> None:
    model = small_model()
    model.graph.node[-1].op_type = "Softmax"
    with pytest.raises(GraphError, match="Softmax map is not a node of this network"):
        graph_passes.optimize(model)


def test_weights_of_other_channels_are_refused() -> None:
    model = small_model()
    model.graph.node[2].input[1] = "w0"
    with pytest.raises(GraphError, match="Conv low does not read 8 channels"):
        graph_passes.optimize(model)


@pytest.mark.parametrize("field", ["input", "output"])
def test_a_graph_without_an_end_is_refused(field: str) -> None:
    model = small_model()
    del getattr(model.graph, field)[:]
    with pytest.raises(GraphError):
        graph_passes.optimize(model)
