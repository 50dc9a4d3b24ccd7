"""What a person looks at while a network is trained: what it finds, and how loss and IoU go."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import nn

from app.imaging import preprocess
from training.batches import Examples

SHOWN, PANEL_PX, AREA_PX = 12, 160, 256**2


@torch.no_grad()
def predictions(network: nn.Module, data: Examples, device: torch.device, path: Path) -> None:
    """Draw photo, target and found map of some photos, evenly spread, as PNG."""
    network.eval()
    strips = []
    for number in range(0, len(data.examples), max(1, len(data.examples) // SHOWN))[:SHOWN]:
        example = data.examples[number]
        height, width = preprocess.network_size(*example.target.shape, mode="dynamic", area_px=AREA_PX)
        planes = torch.from_numpy(preprocess.to_network_input(example.rgb, height, width)).to(device)
        found = (network(planes)[0].sigmoid()[0, 0].cpu().numpy() * 255).astype(np.uint8)
        strips.append(np.vstack([_panel(picture) for picture in (example.rgb[..., ::-1], example.target, found)]))
    cv2.imwrite(str(path), np.hstack(strips))


def _panel(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    coloured = picture if picture.ndim == 3 else cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR)
    return cv2.resize(np.ascontiguousarray(coloured), (PANEL_PX, PANEL_PX)).astype(np.uint8, copy=False)


def curves(history: Path, path: Path) -> None:
    """Draw loss and IoU over the minutes of a history.jsonl, as PNG."""
    lines = [json.loads(line) for line in history.read_text().splitlines()]
    minutes = [line["minutes"] for line in lines]
    figure = Figure(figsize=(11, 4), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    left.plot(minutes, [line["loss"] for line in lines])
    left.set(title="Loss on photos that are trained on", xlabel="minutes", ylabel="loss")
    for set_name in sorted(lines[-1]["iou"]):
        right.plot(minutes, [line["iou"][set_name] for line in lines], label=set_name)
    right.set(title="Mean IoU on photos that are held out", xlabel="minutes", ylabel="IoU")
    right.legend(fontsize=8)
    figure.savefig(path, dpi=110)
