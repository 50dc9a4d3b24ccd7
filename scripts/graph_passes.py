"""Exact rewrites of the published U²-Net graph: the same fused map, in less memory and less time.

Each pass takes a model and answers a new one, or raises GraphError when the graph is not of the
kind that the pass was written for. The outcome is plain ONNX, tied to no runtime or processor.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

GraphPass = Callable[[ModelProto], ModelProto]
Constants = dict[str, NDArray[Any]]

# Operators that treat every channel alike and on its own: they can be done before a Concat as well.
_CHANNELWISE = frozenset({"Add", "Identity", "MaxPool", "Relu", "Resize", "Sigmoid"})
# Operators that only compute the sizes that a Resize reads.
_SHAPE_ONLY = frozenset({"Cast", "Constant", "Gather", "Shape", "Slice", "Unsqueeze"})
_NO_ROI = "resize_roi"
# Where a tensor is large (its stride is at most this) it is made in parts of so many channels.
# Measured: parts of 16 save no more memory and cost time; at stride 1 alone less is saved.
_WIDE_STRIDE, _PART_CHANNELS = 2, 32


class GraphError(ValueError):
    """The graph is not what a pass expects."""


def optimize(model: ModelProto) -> ModelProto:
    """Run every pass in its order; the fused map then differs from the published by rounding only."""
    for graph_pass in PASSES:
        model = graph_pass(model)
    return model


def keep_fused_output(model: ModelProto) -> ModelProto:
    """Keep the first output, the fused map; drop what only the six side outputs need."""
    if not model.graph.output:
        raise GraphError("The graph has no output.")
    result = _copy(model)
    del result.graph.output[1:]
    return drop_dead(result)


def scale_resizes(model: ModelProto) -> ModelProto:
    """Give each Resize a constant scale, and the graph any height and width that 32 divides.

    The scale follows from the Concat that reads the Resize: its other parts have the same height
    and width, and the pools on the way to them tell which fraction of the input that is.
    """
    result = _copy(model)
    graph = result.graph
    strides = {_image(graph): 1}
    waiting: dict[str, NodeProto] = {}
    factors: set[int] = set()
    for node in graph.node:
        if node.op_type in _SHAPE_ONLY or (node.op_type == "Concat" and not _joins_channels(node)):
            continue
        if node.op_type == "Resize":
            waiting[node.output[0]] = node
            continue
        known = {strides[name] for name in node.input if name in strides}
        if len(known) != 1:
            raise GraphError(f"{_label(node)} reads tensors of {len(known)} known sizes, not of one.")
        stride = known.pop()
        for name in waiting.keys() & set(node.input):
            if node.op_type != "Concat":
                raise GraphError(f"{_label(node)} reads a Resize, and only a Concat tells its size.")
            factors.add(_set_scale(waiting.pop(name), strides, stride))
            strides[name] = stride
        strides[node.output[0]] = stride * _reduction(node)
    if waiting or strides.get(graph.output[0].name) != 1:
        raise GraphError("The fused map cannot be shown to be as large as the input.")
    constants: Constants = {_NO_ROI: np.empty(0, np.float32)}
    for factor in sorted(factors):
        constants[_scale_name(factor)] = np.array([1, 1, factor, factor], np.float32)
    _add_constants(graph, constants)
    return name_shapes(drop_dead(result))


def split_wide_convs(model: ModelProto) -> ModelProto:
    """Make each wide Conv near full resolution several narrower ones, and a Concat of them.

    Once split_concats has dissolved the Concat, a runtime frees the parts of a large tensor one by
    one, each as soon as it has been read.
    """
    result = _copy(model)
    graph = result.graph
    shapes = _shapes(graph)
    weights = read_constants(graph)
    constants: Constants = {}
    nodes: list[NodeProto] = []
    for node in graph.node:
        out = node.output[0]
        channels, stride = shapes[out]
        starts = range(0, channels, _PART_CHANNELS)
        if node.op_type != "Conv" or stride > _WIDE_STRIDE or len(starts) == 1:
            nodes.append(node)
            continue
        for start in starts:
            names = {old: f"{old}.out{start}" for old in node.input[1:]}
            for old, new in names.items():
                constants[new] = weights[old][start : start + _PART_CHANNELS]
            nodes.append(like(node, [node.input[0], *names.values()], f"{out}.out{start}"))
        parts = [f"{out}.out{start}" for start in starts]
        nodes.append(helper.make_node("Concat", parts, [out], name=out, axis=1))
    _add_constants(graph, constants)
    return name_shapes(drop_dead(_with_nodes(result, nodes)))


def split_concats(model: ModelProto) -> ModelProto:
    """Make each Conv of a Concat the sum of Convs of its parts: the joined copy is never made."""
    result = _copy(model)
    graph = result.graph
    channels = {name: shape[0] for name, shape in _shapes(graph).items()}
    weights = read_constants(graph)
    constants: Constants = {}
    parts: dict[str, list[str]] = {}
    made: dict[str, int] = {}
    nodes: list[NodeProto] = []
    for node in graph.node:
        out = node.output[0]
        columns = [parts.get(name, [name]) for name in node.input]
        if node.op_type == "Concat":
            parts[out] = [part for column in columns for part in column]
            continue
        if not any(name in parts for name in node.input):
            new = [node]
        elif node.op_type == "Conv":
            ends = np.cumsum([channels[part] for part in columns[0]])
            pieces = np.split(weights[node.input[1]], ends[:-1], axis=1)
            names = [f"{node.input[1]}.in{k}" for k in range(len(pieces))]
            constants.update(zip(names, pieces, strict=True))
            terms = sorted(zip(columns[0], names, strict=True), key=lambda term: made.get(term[0], -1))
            new = list(_sum_of_convs(node, terms))
        elif node.op_type in _CHANNELWISE:
            new = list(_one_by_one(node, columns))
            parts[out] = [twin.output[0] for twin in new]
            channels.update((twin.output[0], channels[twin.input[0]]) for twin in new)
        else:
            raise GraphError(f"{_label(node)} reads a Concat, and cannot be done in parts.")
        for twin in new:
            made[twin.output[0]] = len(made)
        nodes += new
    if graph.output[0].name in parts:
        raise GraphError("The fused map is a Concat.")
    _add_constants(graph, constants)
    return name_shapes(drop_dead(_with_nodes(result, nodes)))


def order_for_memory(model: ModelProto) -> ModelProto:
    """Order the nodes so that little is live at once: next is always the one that adds the least."""
    graph = model.graph
    sizes = {name: size / stride**2 for name, (size, stride) in _shapes(graph).items()}
    readers: dict[str, int] = {}
    for node in graph.node:
        for name in set(node.input):
            readers[name] = readers.get(name, 0) + 1

    def growth(node: NodeProto) -> float:
        freed = sum(sizes.get(name, 0) for name in set(node.input) if readers[name] == 1)
        return sum(sizes[name] for name in node.output) - freed

    waiting = list(graph.node)
    done = {_image(graph), *read_constants(graph)}
    nodes: list[NodeProto] = []
    while waiting:
        ready = [node for node in waiting if done.issuperset(node.input)]
        if not ready:
            raise GraphError("The nodes wait for each other.")
        best = min(ready, key=growth)
        waiting.remove(best)
        nodes.append(best)
        done.update(best.output)
        for name in set(best.input):
            readers[name] -= 1
    return _with_nodes(_copy(model), nodes)


PASSES: tuple[GraphPass, ...] = (
    keep_fused_output,
    scale_resizes,
    split_wide_convs,
    split_concats,
    order_for_memory,
)


def drop_dead(model: ModelProto) -> ModelProto:
    """Drop the nodes and constants that no output needs, and all notes on shapes."""
    result = _copy(model)
    graph = result.graph
    needed = {output.name for output in graph.output}
    live: list[NodeProto] = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            live.append(node)
    constant = {tensor.name for tensor in graph.initializer}
    _replace(graph.input, [value for value in graph.input if value.name not in constant])
    _replace(graph.initializer, [tensor for tensor in graph.initializer if tensor.name in needed])
    _replace(graph.value_info, [])
    return _with_nodes(result, live[::-1])


def name_shapes(model: ModelProto) -> ModelProto:
    """Note the shape of every tensor in terms of height and width.

    onnxruntime cannot infer them, and fuses an Add into a Conv only where it knows them equal.
    """
    result = _copy(model)
    graph = result.graph
    image, fused = _image(graph), graph.output[0].name
    notes = {}
    for name, (channels, stride) in _shapes(graph).items():
        sides = [side if stride == 1 else f"{side}/{stride}" for side in ("height", "width")]
        notes[name] = helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, *sides])
    if fused not in notes:
        raise GraphError("No node makes the fused map.")
    _replace(graph.input, [notes.pop(image)])
    _replace(graph.output, [notes.pop(fused)])
    _replace(graph.value_info, notes.values())
    return result


def _sum_of_convs(node: NodeProto, terms: list[tuple[str, str]]) -> Iterator[NodeProto]:
    """The Convs of (part, weights), each added to those before it: what is made first comes first."""
    out = node.output[0]
    total = ""
    for number, (part, weight) in enumerate(terms):
        product = f"{out}.in{number}"
        # One Conv alone has the bias.
        yield like(node, [part, weight, *([] if total else node.input[2:])], product)
        if total:
            sum_name = out if number == len(terms) - 1 else f"{product}.sum"
            # onnxruntime fuses an Add into the first Conv that it reads: the later one.
            yield helper.make_node("Add", [product, total], [sum_name], name=sum_name)
            total = sum_name
        else:
            total = product


def _one_by_one(node: NodeProto, columns: list[list[str]]) -> Iterator[NodeProto]:
    """The operation on each part; constants, such as a scale, serve every part."""
    count = len(columns[0])
    tensors = len(columns) if node.op_type == "Add" else 1
    if any(len(column) != count for column in columns[:tensors]):
        raise GraphError(f"{_label(node)} adds tensors that are in different parts.")
    for k in range(count):
        inputs = [column[k] for column in columns[:tensors]]
        yield like(node, [*inputs, *node.input[tensors:]], f"{node.output[0]}.part{k}")


def _set_scale(resize: NodeProto, strides: dict[str, int], stride: int) -> int:
    """Make it enlarge to this stride by a constant scale, and answer the factor.

    pytorch_half_pixel differs from half_pixel only where the result is one pixel wide.
    """
    attributes = _attributes(resize)
    coordinates = attributes.get("coordinate_transformation_mode", b"half_pixel")
    if coordinates not in (b"half_pixel", b"pytorch_half_pixel") or attributes.get("antialias"):
        raise GraphError(f"{_label(resize)} maps coordinates in another way.")
    if attributes.get("mode") != b"linear":
        raise GraphError(f"{_label(resize)} is not linear.")
    factor, rest = divmod(strides.get(resize.input[0], 0), stride)
    if rest or factor < 2:
        raise GraphError(f"{_label(resize)} does not enlarge by a whole factor.")
    scaled = helper.make_node(
        "Resize",
        [resize.input[0], _NO_ROI, _scale_name(factor)],
        resize.output,
        name=resize.output[0],
        mode="linear",
        coordinate_transformation_mode="half_pixel",
    )
    resize.CopyFrom(scaled)
    return factor


def _scale_name(factor: int) -> str:
    return f"resize_scale_{factor}"


def _reduction(node: NodeProto) -> int:
    """By how much a node divides height and width."""
    attributes = _attributes(node)
    kernel = attributes.get("kernel_shape", [])
    strides = attributes.get("strides", [1, 1])
    dilations = attributes.get("dilations", [1, 1])
    pads = attributes.get("pads", [0, 0, 0, 0])
    plain = attributes.get("auto_pad", b"NOTSET") == b"NOTSET" and attributes.get("group", 1) == 1
    if node.op_type == "MaxPool":
        if plain and kernel == strides == [2, 2] and dilations == [1, 1] and not any(pads):
            return 2
    elif node.op_type == "Conv":
        reach = [dilation * (side - 1) for dilation, side in zip(dilations, kernel, strict=False)]
        same = len(reach) == 2 and [2 * pad for pad in pads] == reach * 2
        if plain and same and strides == [1, 1]:
            return 1
    elif node.op_type in _CHANNELWISE - {"Resize"} or _joins_channels(node):
        return 1
    raise GraphError(f"{_label(node)} is not a node of this network.")


def _shapes(graph: GraphProto) -> dict[str, tuple[int, int]]:
    """Channels and stride (by how much it is smaller than the input) of what a node makes."""
    constants = read_constants(graph)
    shapes = {_image(graph): (3, 1)}
    for node in graph.node:
        reads = [shapes[name] for name in node.input if name in shapes]
        if not reads or not set(node.input) <= shapes.keys() | constants.keys():
            raise GraphError(f"{_label(node)} reads what no node before it makes.")
        channels, stride = reads[0]
        if node.op_type == "Resize":
            stride //= int(constants[node.input[2]][2])
        else:
            stride *= _reduction(node)
        if node.op_type == "Conv":
            weight = constants[node.input[1]]
            if weight.ndim != 4 or weight.shape[1] != channels:
                raise GraphError(f"{_label(node)} does not read {channels} channels.")
            channels = len(weight)
        elif node.op_type == "Concat":
            channels = sum(read[0] for read in reads)
        shapes[node.output[0]] = (channels, stride)
    return shapes


def _image(graph: GraphProto) -> str:
    """The name of the one input; some exporters list the constants among the inputs too."""
    constant = {tensor.name for tensor in graph.initializer}
    names = [value.name for value in graph.input if value.name not in constant]
    if len(names) != 1:
        raise GraphError(f"The graph has {len(names)} inputs, not one.")
    return str(names[0])


def read_constants(graph: GraphProto) -> Constants:
    """The graph's constants, by name."""
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}


def _add_constants(graph: GraphProto, constants: Constants) -> None:
    taken = {tensor.name for tensor in graph.initializer}
    for name, values in constants.items():
        if name in taken:
            raise GraphError(f"The graph has a constant {name} already.")
        graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(values), name))


def _joins_channels(node: NodeProto) -> bool:
    return node.op_type == "Concat" and _attributes(node).get("axis") == 1


def _attributes(node: NodeProto) -> dict[str, Any]:
    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


def _label(node: NodeProto) -> str:
    return f"{node.op_type} {node.name or ', '.join(node.output)}"


def like(node: NodeProto, inputs: Iterable[str], output: str) -> NodeProto:
    """The same operation on other tensors."""
    twin = helper.make_node(node.op_type, list(inputs), [output], name=output)
    twin.attribute.extend(node.attribute)
    return twin


def _copy(model: ModelProto) -> ModelProto:
    copy = ModelProto()
    copy.CopyFrom(model)
    return copy


def _with_nodes(model: ModelProto, nodes: Iterable[NodeProto]) -> ModelProto:
    _replace(model.graph.node, nodes)
    return model


def _replace(field: Any, items: Iterable[Any]) -> None:
    """Put items in the place of what a repeated field holds; they may be of that field."""
    copies = []
    for item in items:
        copies.append(type(item)())
        copies[-1].CopyFrom(item)
    del field[:]
    field.extend(copies)
