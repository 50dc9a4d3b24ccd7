"""Measure on photos what int8_passes needs to know of u2netp, and write scripts/int8_ranges.json.

    python scripts/calibrate_int8.py MODEL FOLDER... [--output PATH] [--sensitivity COUNT]

With --sensitivity a table follows: how far the map moves on COUNT of the photos when one tensor alone is in 8 bits.
The photos should not be those that the result is judged by.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import onnx
import onnxruntime as ort
from onnx import ModelProto, TensorProto, helper, numpy_helper
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a script is started with its own folder there

from app.imaging import preprocess
from scripts import int8_passes

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Found by --sensitivity: one channel of 299 is 226 nearly everywhere, where the others stay under 20; 303 is what
# reads it. 364 is the fused map before its Sigmoid, in which steps would show.
_FLOAT_TENSORS = frozenset({"299", "303", "364"})
_SIDE_PX = 320
_CORRECTED_CONVS = 14  # stage 1: it moves the map most of what is in 8 bits
# The network's input lies between black and white, whatever the photo: see preprocess.to_network_input.
_INPUT_RANGE = (float((-preprocess.MEAN / preprocess.STD).min()), float(((1 - preprocess.MEAN) / preprocess.STD).max()))


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks; answer the exit status."""
    parser = argparse.ArgumentParser(description="Measure on photos what the 8-bit form of u2netp needs to know.")
    parser.add_argument("model", type=Path, help="the published u2netp.onnx")
    parser.add_argument("folders", type=Path, nargs="+", help="folders of photos")
    parser.add_argument("--output", type=Path, default=int8_passes.RANGES_PATH)
    parser.add_argument(
        "--sensitivity", type=int, default=0, metavar="COUNT", help="photos for the table; none by default"
    )
    options = parser.parse_args(arguments)
    photos = sorted(path for folder in options.folders for path in folder.glob("*.[jp][pn]g"))
    if not photos:
        print("There are no photos.", file=sys.stderr)
        return 2
    model = int8_passes.prepare(onnx.load(options.model))
    ranges = calibrate(model, photos)
    int8_passes.save_ranges(ranges, options.output)
    if options.sensitivity:
        print_sensitivity(model, ranges, photos[:: max(1, len(photos) // options.sensitivity)])
    print(options.output)
    return 0


def calibrate(model: ModelProto, photos: list[Path]) -> int8_passes.Ranges:
    """The least and the largest value of each tensor, and the mean effect of rounding the first Convs' weights."""
    graph = model.graph
    names = int8_passes.made_tensors(graph)
    observed = ModelProto()
    observed.CopyFrom(model)
    effects = _with_rounding_effects(observed)
    watched = names + list(effects.values())
    session = _session(observed, [name for name in watched if name != graph.output[0].name])
    lows, highs = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0.0)
    sums: dict[str, Any] = dict.fromkeys(effects, 0.0)
    for path in tqdm(photos, desc="calibrating", unit="photo"):
        made = dict(zip(watched, session.run(watched, {graph.input[0].name: _input(path)}), strict=True))
        for name in names:
            lows[name] = min(lows[name], float(made[name].min()))
            highs[name] = max(highs[name], float(made[name].max()))
        for conv, effect in effects.items():
            sums[conv] = sums[conv] + made[effect][0].astype(np.float64).mean(axis=(1, 2))
    held = {graph.input[0].name: _INPUT_RANGE}
    held.update((name, (lows[name], highs[name])) for name in names if name not in _FLOAT_TENSORS)
    corrections = {conv: tuple((total / len(photos)).tolist()) for conv, total in sums.items()}
    return int8_passes.Ranges(int8_passes.weights_sha256(graph), _FLOAT_TENSORS, held, corrections)


def print_sensitivity(model: ModelProto, ranges: int8_passes.Ranges, photos: list[Path]) -> None:
    """One tensor at a time in 8 bits, the rest of the map's way in float: the most harmful first."""
    image = model.graph.input[0].name
    images = [_input(path) for path in photos]
    session = _session(model, [])
    maps = [session.run(None, {image: each})[0] for each in images]
    rows = []
    for name, (low, high) in tqdm(ranges.ranges.items(), desc="sensitivity", unit="tensor"):
        rounded = _session(_with_one_rounded(model, name, low, high), [])
        pairs = zip(images, maps, strict=True)
        moved = [np.abs(rounded.run(None, {image: each})[0] - old).mean() for each, old in pairs]
        rows.append((float(np.mean(moved)), name, low, high))
    print(f"{'tensor':>10}{'low':>10}{'high':>10}{'moves the map by':>20}")
    for moved_by, name, low, high in sorted(rows, reverse=True):
        print(f"{name:>10}{low:10.2f}{high:10.2f}{moved_by:20.5f}")


def _with_one_rounded(model: ModelProto, name: str, low: float, high: float) -> ModelProto:
    result = ModelProto()
    result.CopyFrom(model)
    scale = np.float32((high - low) / 255)
    constants = {"one.scale": scale, "one.zero_point": np.uint8(round(-low / float(scale)))}
    for node in result.graph.node:
        node.input[:] = ["one.held" if read == name else read for read in node.input]
    at = next((k + 1 for k, node in enumerate(result.graph.node) if name in node.output), 0)
    result.graph.node.insert(at, helper.make_node("DequantizeLinear", ["one.int8", *constants], ["one.held"]))
    result.graph.node.insert(at, helper.make_node("QuantizeLinear", [name, *constants], ["one.int8"]))
    result.graph.initializer.extend(numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items())
    return result


def _with_rounding_effects(model: ModelProto) -> dict[str, str]:
    """Add to the graph what rounding takes from each of the first Convs; answer its tensor for each Conv's."""
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    effects = {}
    for node in [node for node in model.graph.node if node.op_type == "Conv"][:_CORRECTED_CONVS]:
        weights = constants[node.input[1]]
        rounded, scales = int8_passes.round_weights(weights)
        lost = (weights - rounded * scales[:, None, None, None]).astype(np.float32)
        out = effects[node.output[0]] = f"{node.output[0]}.effect"
        twin = helper.make_node("Conv", [node.input[0], f"{out}.weight"], [out])
        twin.attribute.extend(node.attribute)
        model.graph.node.append(twin)
        model.graph.initializer.append(numpy_helper.from_array(lost, f"{out}.weight"))
    return effects


def _session(model: ModelProto, also: list[str]) -> ort.InferenceSession:
    watched = ModelProto()
    watched.CopyFrom(model)
    watched.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in also)
    settings = ort.SessionOptions()
    settings.log_severity_level = 3
    settings.intra_op_num_threads = 2
    return ort.InferenceSession(watched.SerializeToString(), settings, providers=["CPUExecutionProvider"])


def _input(path: Path) -> NDArray[np.float32]:
    """The photo in its own shape, of about 320x320 pixels."""
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if pixels is None:
        raise SystemExit(f"{path} is not a photo.")
    rgb = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    share = _SIDE_PX / (rgb.shape[0] * rgb.shape[1]) ** 0.5
    height, width = (max(32, 32 * round(side * share / 32)) for side in rgb.shape[:2])
    return preprocess.to_network_input(rgb.astype(np.uint8, copy=False), height, width)


if __name__ == "__main__":
    sys.exit(main())
