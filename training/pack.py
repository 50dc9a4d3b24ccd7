"""A network's file as it ships: the weights in few bytes, and the manifest that tells what it is."""

from __future__ import annotations

import hashlib

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from app.imaging import preprocess

NAME = "tinycut"
INT8, HALF = "int8", "half"
LEAST_PACKED = 256  # numbers; smaller tensors stay as they are


def pack(model: ModelProto, form: str) -> ModelProto:
    """Keep the weights in fewer bytes, with the nodes that make floats of them again."""
    packed = ModelProto()
    packed.CopyFrom(model)
    unpacking: list[NodeProto] = []
    for tensor in list(packed.graph.initializer):
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < LEAST_PACKED:
            continue
        packed.graph.initializer.remove(tensor)
        small, scale = f"{tensor.name}_packed", f"{tensor.name}_scale"
        if form == HALF:
            packed.graph.initializer.append(numpy_helper.from_array(values.astype(np.float16), small))
            unpacking.append(helper.make_node("Cast", [small], [tensor.name], to=TensorProto.FLOAT))
            continue
        steps = np.abs(values).max(axis=tuple(range(1, values.ndim)), keepdims=True) / 127
        steps = np.maximum(steps, 1e-12).astype(np.float32)
        packed.graph.initializer.extend(
            [
                numpy_helper.from_array(np.rint(values / steps).astype(np.int8), small),
                numpy_helper.from_array(steps, scale),
            ]
        )
        wide = f"{tensor.name}_wide"
        unpacking.append(helper.make_node("Cast", [small], [wide], to=TensorProto.FLOAT))
        unpacking.append(helper.make_node("Mul", [wide, scale], [tensor.name]))
    nodes = [*unpacking, *packed.graph.node]
    del packed.graph.node[:]
    packed.graph.node.extend(nodes)
    onnx.checker.check_model(packed)
    return packed


def manifest(data: bytes, area_px: int) -> dict[str, object]:
    """What the app and a person need to know about the file."""
    return {
        "name": NAME,
        "file": f"{NAME}.onnx",
        "sha256": hashlib.sha256(data).hexdigest(),
        "input": {"area_px": area_px, "multiple_of_px": preprocess.STRIDE_PX, "layout": "float32 [1, 3, H, W], RGB"},
        "mean": [round(float(value), 3) for value in preprocess.MEAN],
        "std": [round(float(value), 3) for value in preprocess.STD],
        "output": "saliency map, float32 [1, 1, H, W] in 0..1",
        "licence": "MIT",
        "model_card": "docs/models.md",
    }
