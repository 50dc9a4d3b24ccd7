"""U²-Net-p in 8 bits: most of the network in integers, the few nodes that spoil the mask in float.

The model is written in the QDQ form of ONNX: a QuantizeLinear and a DequantizeLinear around what is to be done in
integers, which a runtime then fuses (https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html).
Activations are unsigned with one scale a tensor, weights signed and symmetric with one scale an output channel, as in
Krishnamoorthi, "Quantizing deep convolutional networks for efficient inference" (arXiv:1806.08342, 2018).

Which values each tensor takes was measured once, by calibrate_int8.py, on photos that are not in this repository;
int8_ranges.json is the outcome. It fits one set of weights, and quantize refuses every other.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, helper, numpy_helper

from scripts import graph_passes
from scripts.graph_passes import GraphError, like, read_constants

RANGES_PATH = Path(__file__).with_name("int8_ranges.json")
BASE_PASSES = (graph_passes.keep_fused_output, graph_passes.scale_resizes)

# Operators that only move, choose or mix values: their result is in the range of what they read.
_PASSING = frozenset({"Concat", "MaxPool", "Resize"})
_ACTIVATION_STEPS, _WEIGHT_STEPS = 255, 127
# Shares of a channel's largest weight that are tried as its range. Measured: under 0.7 none is ever best.
_WEIGHT_SHARES = np.linspace(1, 0.7, 16)
_OPSET = 13  # the first with a scale a channel
# onnxruntime's quick 8-bit Conv makes multiples of this many channels; for any other count it first unrolls what the
# Conv reads (64 channels × 9 × 102,400 pixels: 59 MB). Channels of zeros that are cut off again cost less.
_CONV_CHANNELS = 16
# It reads multiples of 4 channels; the photo's 3 are given a fourth of zeros.
_INPUT_CHANNELS, _RGB_CHANNELS = 4, 3


@dataclass(frozen=True)
class Ranges:
    """What calibration found: the range of each tensor held in 8 bits, and the tensors that stay in float.

    A tensor is named as in the published graph, and is what a Conv and the Relu after it make, or an Add.
    A correction, named after a Conv's own result, is what rounding its weights takes from the mean of each channel;
    it is added to the bias (Nagel et al., "Data-free quantization", arXiv:1906.04721, 2019, section 4.2).
    """

    weights_sha256: str
    float_tensors: frozenset[str]
    ranges: Mapping[str, tuple[float, float]]
    corrections: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True)
class _Grid:
    """The 256 values that an 8-bit tensor can take, `scale * (k - zero_point)`, and the names of the two constants."""

    scale: np.float32
    zero_point: np.uint8
    name: str

    @property
    def parameters(self) -> tuple[str, str]:
        return f"{self.name}.scale", f"{self.name}.zero_point"

    @property
    def ends(self) -> tuple[float, float]:
        zero = int(self.zero_point)
        return -float(self.scale) * zero, float(self.scale) * (_ACTIVATION_STEPS - zero)


def load_ranges(path: Path = RANGES_PATH) -> Ranges:
    """Read what save_ranges wrote."""
    stored = json.loads(path.read_text())
    ranges = {name: (float(low), float(high)) for name, (low, high) in stored["ranges"].items()}
    corrections = {name: tuple(map(float, values)) for name, values in stored["corrections"].items()}
    return Ranges(stored["weights_sha256"], frozenset(stored["float"]), ranges, corrections)


def save_ranges(ranges: Ranges, path: Path) -> None:
    """Write them as JSON, a tensor a line, with the digits that matter."""
    parts = [
        f'  "weights_sha256": "{ranges.weights_sha256}"',
        f'  "float": {json.dumps(sorted(ranges.float_tensors))}',
        f'  "ranges": {{\n{_lines(ranges.ranges, ".4g")}\n  }}',
        f'  "corrections": {{\n{_lines(ranges.corrections, ".1e")}\n  }}',
    ]
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n")


def _lines(values: Mapping[str, tuple[float, ...]], digits: str) -> str:
    rounded = {name: [float(format(value, digits)) for value in row] for name, row in values.items()}
    return ",\n".join(f"    {json.dumps(name)}: {json.dumps(row)}" for name, row in rounded.items())


def prepare(published: ModelProto) -> ModelProto:
    """The exact float graph that quantize takes. Raises GraphError.

    Its Concats are whole: in 8 bits they cost little, and a sum of integer Convs would be rounded at every term.
    """
    for graph_pass in BASE_PASSES:
        published = graph_pass(published)
    return published


def quantize(model: ModelProto, ranges: Ranges) -> ModelProto:
    """Make the 8-bit form of what prepare answers; any height and width that 32 divides still fit.

    The same model and ranges give the same graph. Raises GraphError where the ranges belong to another graph.
    """
    _check(model, ranges)
    return _Quantizer(model, ranges).result()


def weights_sha256(graph: GraphProto) -> str:
    """A digest of the weights and biases of every Conv, in the order of the graph.

    Rounded to half precision: copies of the weights that went through that once are the same network.
    """
    constants = read_constants(graph)
    digest = hashlib.sha256()
    for node in graph.node:
        if node.op_type == "Conv":
            for name in node.input[1:]:
                digest.update(np.ascontiguousarray(constants[name], "<f2").tobytes())
    return digest.hexdigest()


def made_tensors(graph: GraphProto) -> list[str]:
    """The tensors that a range is needed for: what each Conv makes, after its Relu, and each Add."""
    rectified = {node.input[0] for node in graph.node if node.op_type == "Relu"}
    made = (node.output[0] for node in graph.node if node.op_type in ("Add", "Conv", "Relu"))
    return [name for name in made if name not in rectified]


def round_weights(weights: NDArray[Any]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Round [out, in, h, w] to int8 and a scale for each output channel: the scale of the least squared error."""
    rows = weights.reshape(len(weights), -1).astype(np.float64)
    largest = np.abs(rows).max(axis=1)
    largest[largest == 0] = 1
    best = np.full(len(rows), np.inf)
    scales = np.zeros(len(rows), np.float32)
    for share in _WEIGHT_SHARES:
        scale = (share * largest / _WEIGHT_STEPS).astype(np.float32)
        error = ((_rounded(rows, scale) * scale[:, None] - rows) ** 2).sum(axis=1)
        scales = np.where(error < best, scale, scales)
        best = np.minimum(error, best)
    return _rounded(rows, scales).astype(np.int8).reshape(weights.shape), scales


def _rounded(rows: NDArray[np.float64], scale: NDArray[np.float32]) -> NDArray[np.float64]:
    result: NDArray[np.float64] = np.clip(np.round(rows / scale[:, None]), -_WEIGHT_STEPS, _WEIGHT_STEPS)
    return result


def _check(model: ModelProto, ranges: Ranges) -> None:
    graph = model.graph
    if len(graph.output) != 1 or len(graph.input) != 1:
        raise GraphError("The graph has not one input and one output.")
    opset = next((opset.version for opset in model.opset_import if opset.domain == ""), 0)
    if opset < _OPSET:
        raise GraphError(f"The graph is of opset {opset}, and 8 bits need {_OPSET}.")
    expected = {graph.input[0].name, *made_tensors(graph)}
    known = ranges.ranges.keys() | ranges.float_tensors
    if expected != known:
        odd = sorted(expected ^ known)
        raise GraphError(f"The ranges are not of this graph: they differ in {len(odd)} tensors, such as {odd[0]}.")
    if weights_sha256(graph) != ranges.weights_sha256:
        raise GraphError("The ranges were measured with other weights.")


class _Quantizer:
    """One walk over the graph: which tensors are held in 8 bits is settled first, then every node is written anew."""

    def __init__(self, model: ModelProto, ranges: Ranges) -> None:
        self._model = model
        self._float = read_constants(model.graph)
        self._constants: dict[str, NDArray[Any]] = {}
        self._nodes: list[NodeProto] = []
        self._grids: dict[str, _Grid] = {}
        self._ranges = ranges.ranges
        self._corrections = ranges.corrections
        rectified = {node.input[0]: node.output[0] for node in model.graph.node if node.op_type == "Relu"}
        self._integer = {
            node.output[0]
            for node in model.graph.node
            if node.op_type == "Conv" and rectified.get(node.output[0], node.output[0]) in ranges.ranges
        }
        self._wanted = _read_by(model.graph, self._integer)

    def result(self) -> ModelProto:
        graph = self._model.graph
        if graph.input[0].name in self._ranges:
            self._hold_input(graph.input[0].name)
        for node in graph.node:
            out = node.output[0]
            if out in self._integer & self._ranges.keys() and len(self._float[node.input[1]]) % _CONV_CHANNELS:
                self._widened_conv(node)
                continue
            self._nodes.append(self._integer_conv(node) if out in self._integer else self._as_it_was(node))
            if node.op_type in _PASSING and out in self._wanted:
                self._hold(out, self._passed_on(node))
            elif out in self._ranges:
                self._hold(out, self._grid(out, *self._ranges[out]))
        model = ModelProto()
        model.CopyFrom(self._model)
        del model.graph.node[:]
        del model.graph.initializer[:]
        # Measured: with the float graph's named shapes onnxruntime reuses buffers so that 50 MB more are live at once.
        del model.graph.value_info[:]
        model.graph.node.extend(self._nodes)
        # Not ascontiguousarray, which makes a vector of a scalar.
        model.graph.initializer.extend(
            numpy_helper.from_array(np.asarray(values, order="C"), name) for name, values in self._constants.items()
        )
        return model

    def _hold_input(self, name: str) -> None:
        more = _INPUT_CHANNELS - _RGB_CHANNELS
        self._constants[f"{name}.pads"] = np.array([0, 0, 0, 0, 0, more, 0, 0], np.int64)
        padded = f"{name}.padded"
        self._nodes.append(helper.make_node("Pad", [name, f"{name}.pads"], [padded], name=padded))
        self._hold(name, self._grid(name, *self._ranges[name]), source=padded)

    def _hold(self, name: str, grid: _Grid, *, source: str = "") -> None:
        """Round the tensor, or what `source` has made of it, to the grid; those that read it read the rounded one."""
        self._grids[name] = grid
        scale, zero_point = grid.parameters
        self._constants[scale] = np.asarray(grid.scale)
        self._constants[zero_point] = np.asarray(grid.zero_point)
        self._nodes += [
            helper.make_node(
                "QuantizeLinear", [source or name, scale, zero_point], [f"{name}.int8"], name=f"{name}.int8"
            ),
            helper.make_node(
                "DequantizeLinear", [f"{name}.int8", scale, zero_point], [f"{name}.held"], name=f"{name}.held"
            ),
        ]

    def _grid(self, name: str, low: float, high: float) -> _Grid:
        low, high = min(low, 0.0), max(high, 0.0)  # the zeros around the photo must be exact
        scale = np.float32(max(high - low, 1e-6) / _ACTIVATION_STEPS)
        return _Grid(scale, np.uint8(round(-low / float(scale))), name)

    def _passed_on(self, node: NodeProto) -> _Grid:
        """The grid of what it reads; a Concat of several has one that covers all."""
        reads = [self._grids.get(name) for name in node.input if name not in self._float]
        grids = [grid for grid in reads if grid is not None]
        if len(grids) != len(reads):
            raise GraphError(f"A Conv in 8 bits reads {node.output[0]}, and a part of it has no range.")
        if len({(float(grid.scale), int(grid.zero_point)) for grid in grids}) == 1:
            return grids[0]
        lows, highs = zip(*(grid.ends for grid in grids), strict=True)
        return self._grid(node.output[0], min(lows), max(highs))

    def _as_it_was(self, node: NodeProto) -> NodeProto:
        for name in node.input:
            if name in self._float:
                self._constants[name] = self._float[name]
        return like(node, [self._read(name) for name in node.input], node.output[0])

    def _integer_conv(self, node: NodeProto, *, channels: int = 0) -> NodeProto:
        """The Conv on 8-bit values; with channels of zeros after its own where it has fewer than `channels`."""
        image, weight, bias = node.input
        if image not in self._grids:
            raise GraphError(f"A Conv in 8 bits reads {image}, which has no range.")
        rounded, scales = round_weights(self._float[weight])
        if image == self._model.graph.input[0].name:
            more_inputs = _INPUT_CHANNELS - _RGB_CHANNELS
            rounded = np.pad(rounded, ((0, 0), (0, more_inputs), (0, 0), (0, 0)))
        # The sums of products are on this grid, and the bias is added to them as an integer.
        sums = (scales.astype(np.float64) * float(self._grids[image].scale)).astype(np.float32)
        correction = np.array(self._corrections.get(node.output[0], 0.0))
        whole = np.round((self._float[bias].astype(np.float64) + correction) / sums)
        limits = np.iinfo(np.int32)
        biases = np.clip(whole, limits.min, limits.max).astype(np.int32)
        more = max(0, channels - len(rounded))
        held = [
            self._dequantized(weight, _with_zeros(rounded, more), np.pad(scales, (0, more), mode="edge")),
            self._dequantized(bias, _with_zeros(biases, more), np.pad(sums, (0, more), mode="edge")),
        ]
        return like(node, [self._read(image), *held], node.output[0])

    def _widened_conv(self, node: NodeProto) -> None:
        """The Conv with channels of zeros up to a count that onnxruntime is quick at, and a Slice that drops them."""
        out = node.output[0]
        own = len(self._float[node.input[1]])
        conv = self._integer_conv(node, channels=own + -own % _CONV_CHANNELS)
        wide = conv.output[0] = conv.name = f"{out}.wide"
        self._nodes.append(conv)
        self._hold(wide, self._grid(wide, *self._ranges[out]))
        bounds = {"slice_start": 0, "slice_axis": 1, f"slice_end_{own}": own}
        self._constants.update((name, np.array([at], np.int64)) for name, at in bounds.items())
        inputs = [self._read(wide), "slice_start", f"slice_end_{own}", "slice_axis"]
        self._nodes.append(helper.make_node("Slice", inputs, [out], name=out))

    def _dequantized(self, name: str, values: NDArray[Any], scales: NDArray[np.float32]) -> str:
        self._constants[f"{name}.int"] = values
        self._constants[f"{name}.scale"] = scales
        self._constants[f"{name}.zero_point"] = np.zeros(len(scales), values.dtype)
        inputs = [f"{name}.int", f"{name}.scale", f"{name}.zero_point"]
        self._nodes.append(helper.make_node("DequantizeLinear", inputs, [f"{name}.held"], name=f"{name}.held", axis=0))
        return f"{name}.held"

    def _read(self, name: str) -> str:
        return f"{name}.held" if name in self._grids else name


def _with_zeros(values: NDArray[Any], count: int) -> NDArray[Any]:
    """Append `count` rows of zeros."""
    return np.concatenate([values, np.zeros((count, *values.shape[1:]), values.dtype)])


def _read_by(graph: GraphProto, convs: Collection[str]) -> set[str]:
    """What these Convs read, and what the nodes that only pass values on read for them."""
    wanted: set[str] = set()
    for node in reversed(graph.node):
        if node.output[0] in convs:
            wanted.add(node.input[0])
        elif node.op_type in _PASSING and node.output[0] in wanted:
            wanted.update(node.input)
    return wanted
