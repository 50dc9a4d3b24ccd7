"""Training is the same for the same seed, and goes on where it was ended. Needs training/requirements.txt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training/requirements.txt is not installed")

from training import batches, loop  # noqa: E402
from training.augment import Example  # noqa: E402
from training.loop import Plan, Training  # noqa: E402

PLAN = Plan("inverted", epochs=2, batches=2, batch_size=2, seed=3)


class Killed(BaseException):
    """The process is ended here."""


@pytest.fixture(autouse=True)
def small_photos(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few blocks of 32 pixels are enough to train on."""
    monkeypatch.setattr(loop, "SMALL_AREA_PX", 64**2)
    monkeypatch.setattr(loop, "AREA_PX", 64**2)


def examples() -> batches.Examples:
    """Noise with a square in it."""
    dice = np.random.default_rng(0)
    target = np.zeros((64, 64), np.uint8)
    target[16:48, 16:48] = 255
    made = [Example(dice.integers(0, 256, (64, 64, 3), np.uint8), target, 1.0) for _ in range(4)]
    return batches.Examples(made, [1.0] * 4)


def trained(folder: Path, plan: Plan = PLAN) -> Training:
    """Go on from what the folder has, to the end of the plan."""
    folder.mkdir(exist_ok=True)
    training = Training(plan, folder)
    training.resume()
    while training.epoch < plan.epochs:
        training.run_epoch(examples(), workers=0)
        training.save()
    return training


def differing(one: Training, other: Training) -> list[str]:
    """Names of the weights, and of their averages, that are not the same."""
    pairs = ((one.network, other.network), (one.average, other.average))
    return [
        name
        for first, second in pairs
        for name, value in first.state_dict().items()
        if not torch.equal(value, second.state_dict()[name])
    ]


def test_the_same_seed_makes_the_same_weights_and_another_others(tmp_path: Path) -> None:
    first, second = trained(tmp_path / "first"), trained(tmp_path / "second")
    assert not differing(first, second)
    assert differing(first, trained(tmp_path / "other", Plan("inverted", epochs=2, batches=2, batch_size=2, seed=4)))


def test_what_is_ended_in_an_epoch_goes_on_to_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    update, updates = Training._update, []

    def update_or_end(self: Training, *words: Any) -> float:
        updates.append(1)
        if len(updates) == 4:
            raise Killed
        return update(self, *words)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "_update", update_or_end)
        with pytest.raises(Killed):
            trained(tmp_path / "ended")
    assert not differing(trained(tmp_path / "ended"), trained(tmp_path / "whole"))


@pytest.mark.parametrize("number", [1, 2])
def test_what_is_ended_while_it_saves_has_every_epochs_weights_when_it_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    save, saves = torch.save, []

    def save_half(state: object, path: Path) -> None:
        saves.append(1)
        save(state, path)
        if len(saves) == number:
            Path(path).write_bytes(Path(path).read_bytes()[:1000])
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", save_half)
        with pytest.raises(Killed):
            trained(tmp_path)
    trained(tmp_path)
    for epoch in (1, 2):
        assert torch.load(tmp_path / f"epoch-{epoch:03}.pt", weights_only=True)["network"] == PLAN.network


def test_a_checkpoint_of_another_plan_is_not_gone_on_with(tmp_path: Path) -> None:
    trained(tmp_path)
    with pytest.raises(SystemExit, match="another plan"):
        Training(Plan("inverted", epochs=3, batches=2, batch_size=2, seed=3), tmp_path).resume()
