"""Three networks of one frame: an encoder to 1/32, context, a top-down decoder, and a convex upsampling head.

All take float32 [N, 3, H, W], H and W multiples of 32, and give logits [N, 1, H, W] and, while training, those of the
decoder's coarser levels (deep supervision: Lee et al., AISTATS 2015).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

UPSAMPLING = 4


def conv(inputs: int, outputs: int, side: int = 3, *, stride: int = 1, groups: int = 1, act: bool = True) -> nn.Module:
    """Convolution, batch norm and, where `act`, ReLU."""
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, side, stride, side // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    if act:
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


class Residual(nn.Module):
    """Two dense 3×3 convolutions and a way around them (He et al., CVPR 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(conv(inputs, outputs, stride=stride), conv(outputs, outputs, act=False))
        same = inputs == outputs and stride == 1
        self.around = nn.Identity() if same else conv(inputs, outputs, 1, act=False)
        self.pool = nn.Identity() if stride == 1 else nn.AvgPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        """Features of the stride's size."""
        return functional.relu(self.body(x) + self.around(self.pool(x)))


class InvertedResidual(nn.Module):
    """Widen, a depthwise convolution, narrow (Sandler et al., CVPR 2018)."""

    def __init__(self, inputs: int, outputs: int, stride: int, widening: int = 4, side: int = 5) -> None:
        super().__init__()
        wide = inputs * widening
        self.body = nn.Sequential(
            conv(inputs, wide, 1),
            conv(wide, wide, side, stride=stride, groups=wide),
            conv(wide, outputs, 1, act=False),
        )
        self.is_same = inputs == outputs and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        """Features of the stride's size."""
        y = self.body(x)
        return x + y if self.is_same else y


class SmallU(nn.Module):
    """A U inside a block, as U²-Net's RSU: `depth` halvings with `middle` channels (Qin et al., 2020)."""

    def __init__(self, inputs: int, outputs: int, middle: int, depth: int) -> None:
        super().__init__()
        self.enter = conv(inputs, outputs)
        self.down = nn.ModuleList(conv(outputs if level == 0 else middle, middle) for level in range(depth + 1))
        self.up = nn.ModuleList(conv(2 * middle, middle) for _ in range(depth))
        self.leave = conv(middle, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Features of the same size."""
        entered = self.enter(x)
        levels, y = [], entered
        for number, down in enumerate(self.down):
            y = down(functional.max_pool2d(y, 2) if number else y)
            levels.append(y)
        for number in reversed(range(len(self.up))):
            y = self.up[number](torch.cat((twice(y), levels[number]), 1))
        return entered + self.leave(y)


class Context(nn.Module):
    """What lies anywhere in the photo, at 1/32: a wide depthwise convolution, and the mean over the whole map."""

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__()
        self.around = nn.Sequential(conv(channels, channels, 7, groups=channels), conv(channels, channels, 1))
        self.whole = nn.Sequential(nn.Conv2d(channels, channels, 1), nn.ReLU(inplace=True))
        self.join = conv(channels, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Features of the same size."""
        return self.join(x + self.around(x) + self.whole(x.mean((2, 3), keepdim=True)))


class Decoder(nn.Module):
    """From coarse to fine: a level is the one before, enlarged, plus its own features through a 1×1 convolution."""

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        self.beside = nn.ModuleList(conv(level, width, 1, act=False) for level in channels)
        self.mix = nn.ModuleList(conv(width, width) for _ in channels)

    def forward(self, coarse: Tensor, levels: Sequence[Tensor]) -> list[Tensor]:
        """Features of every level of `levels` (fine to coarse), in the order from coarse to fine."""
        made = []
        for number in reversed(range(len(levels))):
            coarse = self.mix[number](functional.relu(twice(coarse) + self.beside[number](levels[number])))
            made.append(coarse)
        return made


class ConvexHead(nn.Module):
    """Logits at four times the size: each pixel a learnt mean of 3×3 coarse ones (Teed & Deng, "RAFT", ECCV 2020)."""

    neighbours: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.coarse = nn.Conv2d(channels, 1, 3, padding=1)
        self.weights = nn.Sequential(conv(channels, 2 * channels), nn.Conv2d(2 * channels, 9 * UPSAMPLING**2, 1))
        self.register_buffer("neighbours", torch.eye(9).reshape(9, 1, 3, 3), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Logits [N, 1, 4h, 4w] of features [N, C, h, w]."""
        coarse = functional.pad(self.coarse(x), (1, 1, 1, 1), mode="replicate")
        around = functional.conv2d(coarse, self.neighbours)
        weights = self.weights(x).unflatten(1, (9, UPSAMPLING**2)).softmax(1)
        return functional.pixel_shuffle((weights * around.unsqueeze(2)).sum(1), UPSAMPLING)


class Network(nn.Module):
    """The frame: stages at 1/4, 1/8, 1/16 and 1/32, of which each halves the size at its beginning."""

    def __init__(self, stem: nn.Module, stages: Sequence[nn.Module], channels: Sequence[int], width: int) -> None:
        super().__init__()
        self.stem, self.stages = stem, nn.ModuleList(stages)
        self.context = Context(channels[-1], width)
        self.decoder = Decoder(channels[:-1], width)
        self.head = ConvexHead(width)
        # The finest level has its own head.
        self.side = nn.ModuleList(nn.Conv2d(width, 1, 1) for _ in channels[:-1])

    def forward(self, x: Tensor) -> list[Tensor]:
        """Logits, the full-sized first; while training also those at 1/8, 1/16 and 1/32, fine to coarse."""
        x = self.stem(x)
        levels = []
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        coarse = self.context(levels[-1])
        made = self.decoder(coarse, levels[:-1])
        logits = [self.head(made[-1])]
        if self.training:
            logits += [side(level) for side, level in zip(self.side, [*reversed(made[:-1]), coarse], strict=True)]
        return logits


def twice(x: Tensor) -> Tensor:
    """Enlarge to twice the size, bilinearly."""
    return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def residual() -> Network:
    """Dense residual blocks: many multiplications for their parameters, and few passes over memory."""
    channels, counts = (24, 40, 72, 112), (2, 2, 2, 2)
    stages = _stages(Residual, 16, channels, counts)
    return Network(conv(3, 16, stride=2), stages, channels, 40)


def inverted() -> Network:
    """Inverted residuals: the most parameters and depth for a multiplication."""
    channels, counts = (24, 40, 64, 96), (2, 3, 4, 4)
    stages = _stages(InvertedResidual, 16, channels, counts)
    return Network(conv(3, 16, stride=2), stages, channels, 40)


def nested() -> Network:
    """U²-Net slimmed: a U in every stage, one scale coarser than the published network's."""
    return _nested((24, 40, 64, 96), (12, 16, 24, 48), 40)


def wide_nested() -> Network:
    """The same, wider where the maps are small: nearly three times the weights for the same time."""
    return _nested((32, 64, 112, 160), (16, 32, 56, 80), 48)


def _nested(channels: Sequence[int], middles: Sequence[int], width: int) -> Network:
    stages, inputs = [], 16
    for outputs, middle, depth in zip(channels, middles, (3, 2, 1, 0), strict=True):
        stages.append(nn.Sequential(nn.MaxPool2d(2), SmallU(inputs, outputs, middle, depth)))
        inputs = outputs
    return Network(conv(3, 16, stride=2), stages, channels, width)


def _stages(kind: type[nn.Module], inputs: int, channels: Sequence[int], counts: Sequence[int]) -> list[nn.Module]:
    stages = []
    for outputs, count in zip(channels, counts, strict=True):
        blocks = [kind(inputs if number == 0 else outputs, outputs, 2 if number == 0 else 1) for number in range(count)]
        stages.append(nn.Sequential(*blocks))
        inputs = outputs
    return stages


NETWORKS = {make.__name__: make for make in (residual, inverted, nested, wide_nested)}
