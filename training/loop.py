"""Train a network: python -m training.loop --help

Seeded, and resumable after every epoch: started again with the same words it goes on where it was. Each epoch leaves a
checkpoint of the averaged weights, a line of history.jsonl, curves.png, and a picture of what it finds in photos that
it never saw.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from training import pictures
from training.batches import Examples, batches, draws_of, one_by_one, with_targets, without_targets
from training.losses import total_loss
from training.networks import NETWORKS
from training.photos import SETS, Photo, hashes_of, look_alikes, perceptual_hash, read

EVALUATED = ("sod-dev", "davis-dev", "matting-dev", "matting-lemur", "u2net-author", "rembg-peer")
LEARNING_RATE, WEIGHT_DECAY, WARM_UP_SHARE, LEAST_RATE_SHARE = 3e-3, 0.02, 0.03, 0.01
AVERAGE_OVER_STEPS = 300
# Small photos first: most of what is learnt is learnt at 0.55 of the cost.
SMALL_AREA_PX, AREA_PX, SMALL_SHARE = 192**2, 256**2, 0.67


@dataclass(frozen=True)
class Plan:
    """What is trained and for how long; a checkpoint of another plan is not gone on with."""

    network: str
    epochs: int
    batches: int
    batch_size: int
    seed: int

    @property
    def steps(self) -> int:
        """Updates of the weights in all."""
        return self.epochs * self.batches


class Training:
    """The network on its way, the average of its weights, and what the next epoch needs."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        torch.manual_seed(plan.seed)
        self.plan, self.folder = plan, folder
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.network: nn.Module = NETWORKS[plan.network]().to(self.device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.network)
        decayed = [weight for weight in self.network.parameters() if weight.ndim > 1]
        plain = [weight for weight in self.network.parameters() if weight.ndim <= 1]
        groups: list[dict[str, Any]] = [{"params": decayed}, {"params": plain, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True)
        self.epoch, self.step, self.seconds = 0, 0, 0.0

    def resume(self) -> None:
        """Go on from the folder's checkpoint, if there is one of this plan.

        Raises:
            SystemExit: there is one of another plan.
        """
        path = self.folder / "latest.pt"
        if not path.is_file():
            return
        state = torch.load(path, map_location=self.device, weights_only=True)
        if state["plan"] != asdict(self.plan):
            raise SystemExit(f"{path} is of another plan: {state['plan']}. Delete it or name another folder.")
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.step, self.seconds = state["epoch"], state["step"], state["seconds"]

    def save(self) -> None:
        """Keep everything for going on, and the averaged weights of this epoch by themselves."""
        state = {
            "plan": asdict(self.plan),
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "epoch": self.epoch,
            "step": self.step,
            "seconds": self.seconds,
        }
        weights = {"network": self.plan.network, "seconds": self.seconds, "average": self.average.state_dict()}
        # First: what is gone on from tells that this epoch is done, and it is not done again.
        self._save_whole(weights, f"epoch-{self.epoch:03}.pt")
        self._save_whole(state, "latest.pt")

    def _save_whole(self, state: dict[str, Any], name: str) -> None:
        """In one step: whoever is ended in the middle of it leaves no half file."""
        part = self.folder / f"{name}.part"
        torch.save(state, part)
        part.replace(self.folder / name)

    def run_epoch(self, data: Examples, workers: int) -> dict[str, float]:
        """One epoch; returns its mean loss."""
        started_s = time.monotonic()
        area_px = SMALL_AREA_PX if self.epoch < SMALL_SHARE * self.plan.epochs else AREA_PX
        plan = self.plan
        drawn = batches(
            data, count=plan.batches, size=plan.batch_size, area_px=area_px, seed=plan.seed * 1000 + self.epoch
        )
        ahead = 4 if workers else None
        loader = DataLoader(data, batch_sampler=list(drawn), num_workers=workers, prefetch_factor=ahead)
        self.network.train()
        total = 0.0
        progress = tqdm(loader, desc=f"epoch {self.epoch + 1}/{plan.epochs}", unit="batch", mininterval=2)
        for number, (planes, target, weight) in enumerate(progress, 1):
            total += self._update(planes.to(self.device), target.to(self.device), weight.to(self.device).float())
            progress.set_postfix_str(f"loss {total / number:.3f}", refresh=False)
        self.epoch += 1
        self.seconds += time.monotonic() - started_s
        return {"loss": total / plan.batches}

    def _update(self, planes: Tensor, target: Tensor, weight: Tensor) -> float:
        rate = LEARNING_RATE * rate_at(self.step / self.plan.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            logits = self.network(planes.to(memory_format=torch.channels_last))
        loss = total_loss(logits, target, weight)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimizer.step()
        self.step += 1
        # Short at first: the first weights are worth nothing.
        share = max(1 / AVERAGE_OVER_STEPS, 1 / (self.step + 1))
        with torch.no_grad():
            for mean, now in zip(self.average.state_dict().values(), self.network.state_dict().values(), strict=True):
                if mean.is_floating_point():
                    mean.lerp_(now, share)
                else:
                    mean.copy_(now)
        return loss.item()


def rate_at(share: float) -> float:
    """The learning rate over its peak at a share of the way: a short rise, then half a cosine."""
    if share < WARM_UP_SHARE:
        return share / WARM_UP_SHARE
    way = (share - WARM_UP_SHARE) / (1 - WARM_UP_SHARE)
    return LEAST_RATE_SHARE + (1 - LEAST_RATE_SHARE) * 0.5 * (1 + math.cos(math.pi * way))


@torch.no_grad()
def held_out_iou(network: nn.Module, data: Examples, sets: list[str], device: torch.device) -> dict[str, float]:
    """Mean IoU of each set's photos, at a half, against its true masks or soft targets."""
    network.eval()
    found: dict[str, list[float]] = {}
    loader = DataLoader(data, batch_sampler=list(one_by_one(data, AREA_PX)))  # type: ignore[arg-type]
    for (planes, target, _weight), set_name in zip(loader, sets, strict=True):
        mask = network(planes.to(device, memory_format=torch.channels_last))[0].cpu() > 0
        true = target > 0.5
        both, either = int((mask & true).sum()), int((mask | true).sum())
        found.setdefault(set_name, []).append(both / either if either else 1.0)
    return {set_name: sum(values) / len(values) for set_name, values in found.items()}


def prepare(data: Path, labels: Path) -> tuple[Examples, Examples, list[str]]:
    """The examples to train on, those held out, and the held out ones' sets.

    Says what is removed for showing what an evaluated photo shows, and keeps the list in removed.json.
    """
    photos: list[Photo] = list(tqdm(read(data / "train"), desc="reading", unit="photo"))
    others = hashes_of(data / name for name in EVALUATED)
    others |= {photo.key: perceptual_hash(photo.rgb) for photo in photos if photo.held_out}
    removed = look_alikes((photo for photo in photos if not photo.held_out), others)
    (labels / "removed.json").write_text(json.dumps(removed, indent=1) + "\n")
    of_evaluated = {key: name for key, name in removed.items() if name.split("/")[0] not in SETS}
    print(
        f"Removed: {of_evaluated} look like evaluated photos, and {len(removed) - len(of_evaluated)} like held out ones"
    )
    kept = [photo for photo in photos if photo.key not in removed]
    to_train_on = [photo for photo in kept if not photo.held_out]
    train = with_targets(to_train_on, labels)
    backgrounds = without_targets(to_train_on, labels)
    held_out = with_targets((photo for photo in kept if photo.held_out), labels)
    print(
        f"{len(train)} to train on, {len(backgrounds)} for backgrounds, {len(held_out)} held out, {len(photos)} in all"
    )
    draws = [draws_of(photo) for photo, _ in train]
    return (
        Examples([example for _, example in train], draws, backgrounds=backgrounds),
        Examples([example for _, example in held_out], [1.0] * len(held_out), varied=False),
        [photo.set_name for photo, _ in held_out],
    )


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks; answer the exit status."""
    parser = argparse.ArgumentParser(description="Train one of the networks.")
    parser.add_argument("--data", type=Path, required=True, help="the folder with train/ and the evaluated sets")
    parser.add_argument("--labels", type=Path, required=True, help="what training.label wrote")
    parser.add_argument("--output", type=Path, required=True, help="the folder of this training")
    parser.add_argument("--network", choices=NETWORKS, default="wide_nested")
    parser.add_argument("--epochs", type=int, default=36)
    parser.add_argument("--batches", type=int, default=250, help="of one epoch")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2, help="processes that make batches")
    parser.add_argument("--stop-after", type=int, help="epochs to do now; the rest the next time")
    options = parser.parse_args(arguments)
    cv2.setNumThreads(0)
    options.output.mkdir(parents=True, exist_ok=True)
    plan = Plan(options.network, options.epochs, options.batches, options.batch_size, options.seed)
    training = Training(plan, options.output)
    training.resume()
    data, held_out, sets = prepare(options.data, options.labels)
    last = min(plan.epochs, training.epoch + (options.stop_after or plan.epochs))
    while training.epoch < last:
        facts = training.run_epoch(data, options.workers)
        training.save()
        ious = held_out_iou(training.average, held_out, sets, training.device)
        line = {"epoch": training.epoch, "minutes": round(training.seconds / 60, 2), **facts, "iou": ious}
        with (options.output / "history.jsonl").open("a") as history:
            history.write(json.dumps(line) + "\n")
        print(json.dumps(line))
        pictures.predictions(
            training.average, held_out, training.device, options.output / f"predictions-{training.epoch:03}.png"
        )
        pictures.curves(options.output / "history.jsonl", options.output / "curves.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
