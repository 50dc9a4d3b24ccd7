"""How far logits are from soft targets: cross-entropy for the pixels, IoU for the whole, SSIM for the edges.

The three together are those of BASNet (Qin et al., CVPR 2019).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

SIDE_WEIGHTS = (0.5, 0.4, 0.3)
SSIM_SIDE_PX, SSIM_WEIGHT = 7, 0.5


def total_loss(logits: Sequence[Tensor], target: Tensor, weights: Tensor) -> Tensor:
    """One number for a batch: `logits` [N, 1, h, w] fine to coarse, `target` [N, 1, H, W] in 0..1, `weights` [N]."""
    finest = logits[0].float()
    probability = finest.sigmoid()
    losses = _pixels_and_whole(finest, probability, target) + SSIM_WEIGHT * _edges(probability, target)
    for weight, side in zip(SIDE_WEIGHTS, logits[1:], strict=False):
        coarse = functional.adaptive_avg_pool2d(target, side.shape[2:])
        losses = losses + weight * _pixels_and_whole(side.float(), side.float().sigmoid(), coarse)
    return (losses * weights).sum() / weights.sum()


def _pixels_and_whole(logits: Tensor, probability: Tensor, target: Tensor) -> Tensor:
    pixels = functional.binary_cross_entropy_with_logits(logits, target, reduction="none").mean((1, 2, 3))
    both = (probability * target).sum((1, 2, 3))
    either = (probability + target).sum((1, 2, 3)) - both
    return pixels + 1 - (both + 1) / (either + 1)


def _edges(probability: Tensor, target: Tensor) -> Tensor:
    """1 − SSIM with a square window (Wang et al., 2004), the mean of each map."""
    maps = torch.cat((probability, target, probability**2, target**2, probability * target), 1)
    # Rows, then columns: a third of the time of both at once.
    maps = functional.avg_pool2d(maps, (SSIM_SIDE_PX, 1), (2, 1))
    mean_p, mean_t, mean_pp, mean_tt, mean_pt = functional.avg_pool2d(maps, (1, SSIM_SIDE_PX), (1, 2)).unbind(1)
    variance_p, variance_t = mean_pp - mean_p**2, mean_tt - mean_t**2
    covariance = mean_pt - mean_p * mean_t
    similar = (2 * mean_p * mean_t + 0.0001) * (2 * covariance + 0.0009)
    similar = similar / ((mean_p**2 + mean_t**2 + 0.0001) * (variance_p + variance_t + 0.0009))
    return 1 - similar.mean((1, 2))
