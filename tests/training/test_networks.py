"""Networks, losses, pictures and the export: run where PyTorch is, which the product does without."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime as ort
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -r training/requirements.txt")

from training import export, loop, pictures  # noqa: E402
from training.augment import Example  # noqa: E402
from training.batches import Examples, batches  # noqa: E402
from training.losses import total_loss  # noqa: E402
from training.networks import NETWORKS, ConvexHead  # noqa: E402
from training.pack import HALF, INT8, pack  # noqa: E402


def discs(count: int = 8) -> Examples:
    """Bright discs on dark grounds, at several places."""
    examples = []
    for number in range(count):
        target = np.zeros((64, 96), np.uint8)
        cv2.circle(target, (20 + 7 * number, 32), 14, 255, -1)
        rgb = np.where(target[..., None] > 0, (230, 200, 90), (20, 40, 60)).astype(np.uint8)
        examples.append(Example(rgb, target, 1.0))
    return Examples(examples, [1.0] * count)


@pytest.fixture(autouse=True)
def small_photos(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train on very small photos."""
    monkeypatch.setattr(loop, "SMALL_AREA_PX", 64**2)
    monkeypatch.setattr(loop, "AREA_PX", 64**2)


def training(folder: Path, **words: Any) -> loop.Training:
    """A training of few steps."""
    folder.mkdir(exist_ok=True)
    plan = {"network": "nested", "epochs": 2, "batches": 3, "batch_size": 4, "seed": 5, **words}
    return loop.Training(loop.Plan(**plan), folder)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_answers_at_the_photos_size_and_at_its_coarser_levels(name: str) -> None:
    network = NETWORKS[name]()
    sizes = [tuple(logits.shape[2:]) for logits in network.train()(torch.zeros(2, 3, 64, 96))]
    assert sizes == [(64, 96), (8, 12), (4, 6), (2, 3)]
    assert len(network.eval()(torch.zeros(1, 3, 64, 96))) == 1


def test_the_convex_head_invents_nothing_beyond_its_neighbours() -> None:
    head = ConvexHead(4).eval()
    features = torch.randn(1, 4, 6, 8)
    coarse, fine = head.coarse(features), head(features)
    assert fine.shape == (1, 1, 24, 32)
    assert coarse.min() <= fine.min() and fine.max() <= coarse.max()


def test_the_loss_is_least_at_the_target_and_heeds_the_weights() -> None:
    target = torch.zeros(2, 1, 32, 32)
    target[:, :, 8:24, 8:24] = 1
    right, wrong = 20 * target - 10, 10 - 20 * target
    both, even = torch.cat((right[:1], wrong[:1])), torch.ones(2)
    losses = [float(total_loss([logits], target, even)) for logits in (right, both, wrong)]
    assert losses[0] < 0.01 and losses == sorted(losses) and losses[1] < 0.6 * losses[2]
    assert total_loss([both], target, torch.tensor([1.0, 0.0])) < 0.01


def test_the_same_seed_draws_the_same_batches() -> None:
    first, second, other = (
        list(batches(discs(), count=3, size=4, area_px=64**2, seed=seed)) for seed in (1, 1, 2)
    )  # fmt: skip
    assert first == second != other
    assert {len(batch) for batch in first} == {4}
    assert all(len({(draw.height, draw.width) for draw in batch}) == 1 for batch in first)


def test_a_network_learns_to_find_a_disc(tmp_path: Path) -> None:
    made = training(tmp_path, epochs=1, batches=60)
    made.run_epoch(discs(), workers=0)
    whole = Examples(discs().examples, [1.0] * 8, varied=False)
    assert loop.held_out_iou(made.average, whole, ["discs"] * 8, made.device)["discs"] > 0.5


def test_every_epoch_leaves_a_picture_and_curves(tmp_path: Path) -> None:
    made = training(tmp_path)
    lines = [{"minutes": minute, "loss": 1 / minute, "iou": {"cats": minute / 9}} for minute in (1, 2, 3)]
    (tmp_path / "history.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    pictures.predictions(made.average, discs(), made.device, tmp_path / "predictions.png")
    pictures.curves(tmp_path / "history.jsonl", tmp_path / "curves.png")
    for name in ("predictions.png", "curves.png"):
        drawn = cv2.imread(str(tmp_path / name))
        assert drawn is not None and drawn.std() > 10


@pytest.mark.parametrize("form", [None, HALF, INT8])
@pytest.mark.parametrize("size", [(64, 64), (96, 32)])
def test_the_exported_network_computes_the_same_map_at_any_size(
    form: str | None, size: tuple[int, int], tmp_path: Path
) -> None:
    made = training(tmp_path, network="wide_nested")
    made.run_epoch(discs(), workers=0)
    made.save()
    network = export.load(tmp_path / "epoch-001.pt")
    model = export.to_onnx(network)
    photo = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = torch.sigmoid(network(photo)[0]).numpy()
    session = ort.InferenceSession((pack(model, form) if form else model).SerializeToString())
    assert [output.name for output in session.get_outputs()] == ["saliency"]
    (found,) = session.run(None, {"photo": photo.numpy()})
    assert found.shape == (1, 1, *size)
    assert np.abs(found - expected).max() < {None: 1e-5, HALF: 1e-3, INT8: 2e-2}[form]
