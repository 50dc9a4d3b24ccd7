"""Write a trained network as the app serves it: python -m training.export --help

ONNX for any height and width that 32 divides, one output, batch norms folded into the convolutions. Of the passes that
u2netp needs (scripts/graph_passes.py) there is little to do: the network was built without sizes that are worked out
while it runs and without wide joins. The weights are kept in 8 bits with a scale for each channel, or in half
precision, and computed with in float: onnxruntime widens them once, when it loads the file.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import ModelProto
from PIL import Image
from torch import Tensor, nn

from app.imaging import preprocess
from scripts import graph_passes
from training.loop import AREA_PX
from training.networks import NETWORKS
from training.pack import HALF, INT8, NAME, manifest, pack

OPSET = 17
WEIGHTS = Path(__file__).resolve().parents[1] / "app" / "weights"


class Map(nn.Module):
    """The network with its saliency map, float32 [1, 1, H, W] in 0..1, as its one output."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, photo: Tensor) -> Tensor:
        """The map of a photo, float32 [1, 3, H, W]."""
        return torch.sigmoid(self.network(photo)[0])


def load(checkpoint: Path) -> nn.Module:
    """The averaged weights of a checkpoint of training.loop, in their network."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    network: nn.Module = NETWORKS[state["network"]]()
    network.load_state_dict(state["average"])
    return network.eval()


def to_onnx(network: nn.Module) -> ModelProto:
    """The graph in float."""
    data = io.BytesIO()
    free = {2: "height", 3: "width"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter's own age
        torch.onnx.export(
            Map(network).eval(),
            (torch.zeros(1, 3, 256, 256),),
            data,
            dynamo=False,
            opset_version=OPSET,
            input_names=["photo"],
            output_names=["saliency"],
            dynamic_axes={"photo": free, "saliency": free},
        )
    return graph_passes.drop_dead(_folded(data.getvalue()))


def _folded(data: bytes) -> ModelProto:
    """What can be worked out beforehand is: onnxruntime's own plain passes, tied to no processor."""
    with tempfile.TemporaryDirectory() as folder:
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(Path(folder) / "folded.onnx")
        ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        return onnx.load(options.optimized_model_filepath)


def differences(exact: ModelProto, packed: ModelProto, photos: list[Path]) -> tuple[float, float]:
    """By how much the maps of two forms differ on the mean, in 0..1, and which share of the pixels changes sides."""
    sessions = [ort.InferenceSession(model.SerializeToString()) for model in (exact, packed)]
    found, turned = [], []
    for path in photos:
        rgb = np.asarray(Image.open(path).convert("RGB"))
        size = preprocess.network_size(*rgb.shape[:2], mode="dynamic", area_px=AREA_PX)
        planes = preprocess.to_network_input(rgb, *size)
        first, second = (session.run(None, {"photo": planes})[0] for session in sessions)
        found.append(float(np.abs(first - second).mean()))
        turned.append(float(((first > 0.5) != (second > 0.5)).mean()))
    return sum(found) / len(found), sum(turned) / len(turned)


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks; answer the exit status."""
    parser = argparse.ArgumentParser(description="Write a trained network as the app serves it.")
    parser.add_argument("checkpoint", type=Path, help="an epoch-NNN.pt of training.loop")
    parser.add_argument("--form", choices=(INT8, HALF), default=INT8, help="of the weights on disk")
    parser.add_argument("--area-px", type=int, default=AREA_PX, help="of the network's input")
    parser.add_argument("--output", type=Path, default=WEIGHTS, help="the folder for the file and its manifest")
    parser.add_argument("--compare-on", type=Path, help="a folder of photos: say how far from float it is on them")
    options = parser.parse_args(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    exact = to_onnx(load(options.checkpoint))
    packed = pack(exact, options.form)
    data = packed.SerializeToString(deterministic=True)
    (options.output / f"{NAME}.onnx").write_bytes(data)
    facts = json.dumps(manifest(data, options.area_px), indent=2) + "\n"
    (options.output / "manifest.json").write_text(facts)
    print(f"{options.output / NAME}.onnx: {len(data) / 1e6:.2f} MB")
    if options.compare_on:
        mean, turned = differences(exact, packed, sorted(options.compare_on.iterdir()))
        print(f"Against float the maps differ by {mean:.5f} on the mean; {turned:.5%} of the pixels change sides.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
