"""Photos and their targets in memory, and seeded batches of them, each of one shape."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from app.imaging import preprocess
from training import augment
from training.augment import Example
from training.label import read_lines
from training.photos import PEOPLE, Photo

COMPOSED = 0.4
EMPTY_BEHIND = 0.5  # of those, before a photo that has no subject of its own
ASPECTS = (2 / 3, 1.0, 4 / 3)  # of the batches; for every other shape PyTorch would prepare itself anew
SURE = 0.8  # certainty of a target whose subject is put elsewhere
# How often a photo is drawn, for those with a true mask; all others once.
DRAWN = {PEOPLE: 2.0, "horses": 3.0, "cats": 2.0}


@dataclass(frozen=True)
class Draw:
    """One example to make: which photo, at which size, with which dice."""

    index: int
    height: int
    width: int
    seed: int


class Examples(Dataset[tuple[Tensor, Tensor, float]]):
    """Network inputs [3, H, W], targets [1, H, W] in 0..1 and weights, made of photos as a `Draw` says."""

    def __init__(
        self,
        examples: Sequence[Example],
        draws: Sequence[float],
        *,
        backgrounds: Sequence[Example] = (),
        varied: bool = True,
    ) -> None:
        self.examples, self.draws, self.varied = examples, np.asarray(draws), varied
        self.backgrounds = backgrounds
        self._sure = [number for number, example in enumerate(examples) if example.weight >= SURE]

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, draw: Draw) -> tuple[Tensor, Tensor, float]:
        example = self._vary(draw) if self.varied else augment.fit(self.examples[draw.index], draw.height, draw.width)
        planes = torch.from_numpy(preprocess.to_network_input(example.rgb, draw.height, draw.width)[0])
        target = torch.from_numpy(example.target.astype(np.float32)[None] / 255)
        return planes, target, example.weight

    def _vary(self, draw: Draw) -> Example:
        cv2.setNumThreads(0)  # the loader has processes of its own
        dice = np.random.default_rng(draw.seed)
        example = self.examples[draw.index]
        if example.weight >= SURE and dice.random() < COMPOSED:
            empty = self.backgrounds and dice.random() < EMPTY_BEHIND
            behind = self.backgrounds if empty else self.examples
            back = behind[int(dice.integers(len(behind)))]
            return augment.compose(example, back, draw.height, draw.width, dice)
        return augment.vary(example, draw.height, draw.width, dice)


def batches(data: Examples, *, count: int, size: int, area_px: int, seed: int) -> Iterator[list[Draw]]:
    """`count` batches of `size` draws, the same for the same seed."""
    dice = np.random.default_rng(seed)
    chances = data.draws / data.draws.sum()
    for _ in range(count):
        drawn = dice.choice(len(data.examples), size, p=chances)
        # The shape of one photo for all: sorted by shape, batches of people alone would mislead the batch norms.
        aspect = aspect_of(data.examples[drawn[0]])
        height, width = shape(min(ASPECTS, key=lambda near: abs(math.log(near / aspect))), area_px)
        yield [Draw(int(number), height, width, int(dice.integers(2**62))) for number in drawn]


def one_by_one(data: Examples, area_px: int) -> Iterator[list[Draw]]:
    """Every example once, each at its own shape."""
    for number, example in enumerate(data.examples):
        yield [Draw(number, *shape(aspect_of(example), area_px), 0)]


def aspect_of(example: Example) -> float:
    """Width over height."""
    return example.target.shape[1] / example.target.shape[0]


def shape(aspect: float, area_px: int) -> tuple[int, int]:
    """The network's height and width for an aspect, as the product chooses them."""
    return preprocess.network_size(1000, round(1000 * aspect), mode="dynamic", area_px=area_px)


def with_targets(photos: Iterable[Photo], labels: Path) -> list[tuple[Photo, Example]]:
    """Photos with their true masks or soft targets; those whose target was dropped are left out."""
    weights = {line["key"]: float(line["weight"]) for line in read_lines(labels)}
    found = []
    for photo in photos:
        if photo.mask is not None:
            found.append((photo, Example(photo.rgb, photo.mask, 1.0)))
        elif weights.get(photo.key, 0.0) > 0:
            target = np.asarray(Image.open(labels / f"{photo.key}.png"))
            found.append((photo, Example(photo.rgb, target, weights[photo.key])))
    return found


def draws_of(photo: Photo) -> float:
    """How often a photo is drawn: those with a true mask more often than others."""
    return DRAWN.get(photo.set_name, 1.0) if photo.mask is not None else 1.0


def without_targets(photos: Sequence[Photo], labels: Path) -> list[Example]:
    """Photos in which the teacher found nothing, or nothing for sure: heaps, shelves, textures, views."""
    dropped = {line["key"] for line in read_lines(labels) if line["why"] in ("empty", "uncertain")}
    return [
        Example(photo.rgb, np.zeros(photo.rgb.shape[:2], np.uint8), 1.0) for photo in photos if photo.key in dropped
    ]
