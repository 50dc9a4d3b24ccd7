"""A cut-out without a neural network, for when onnxruntime or the model file cannot be had.

On a copy of at most 240 px, top to bottom:

1. Superpixels: k-means on Lab colour and place, each pixel choosing among nine grid neighbours
   (SLIC: Achanta et al., PAMI 2012).
2. Border-colour model: how much of each region's like-coloured surroundings lies on the photo's
   border (boundary connectivity: Zhu et al., CVPR 2014), and how far in colour the region itself
   is from the border (geodesic saliency: Wei et al., ECCV 2012).
3. Saliency map: contrast to the background's colours, distance from the border and a centre
   prior, made smooth between like-coloured neighbours by one linear solve (Zhu et al.).
4. A trimap from the saliency map, and GrabCut (Rother et al., SIGGRAPH 2004) on it.
5. Soft edges at the photo's own size: fast guided filter (He and Sun, arXiv:1505.00996).

Numpy and OpenCV only. Distances of colour are in Lab units; a difference of 2 is hardly seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

WORK_SIDE_PX = 240
REGION_PX = 12  # side of a superpixel, at the working size
SLIC_ROUNDS = 4
SLIC_LAB = 15.0  # the colour difference that weighs as much as one REGION_PX of distance
SURFACE_LAB = 7.0  # regions within this geodesic distance are one surface
NEAR = 0.25  # contrast counts within about this share of the longer side
CENTRE_SPREAD = 0.3  # standard deviation of the centre prior, in widths and heights
ALIKE_LAB = 7.0  # neighbours closer in colour than this should be equally salient
ANY_NEIGHBOUR = 0.2  # and, this much, so should all that touch
LEAST_CONTRAST_LAB = 2.0  # a photo with less is flat
SEED_SHARE_OF_OTSU = 0.65  # GrabCut drops an excess sooner than it finds a missing limb
SURE_BACKGROUND = 0.5  # of the seed threshold
SURE_FOREGROUND = 0.3  # the most salient share of the seed
GRABCUT_ROUNDS = 2
LEAST_GRABCUT_PX = 32  # on either side: each of the two colour models has five Gaussians to fit
SENSIBLE_AREA = (0.005, 0.97)  # of the photo; a cut-out beyond it is a failure
EDGE_BOX_PX = 3
EDGE_EPSILON = 1e-3


@dataclass(frozen=True)
class Regions:
    """The n superpixels of a photo of h x w pixels."""

    labels: NDArray[np.intp]  # [h, w], 0..n-1
    colour_distances: Floats  # [n, n], Lab
    places: Floats  # [n, 2]: y and x of the middle, in pixels
    size: Floats  # [2]: h and w
    touching: Bools  # [n, n], false on the diagonal
    on_border: Bools  # [n]
    both_on_border: Bools  # [n, n]


def estimate_saliency(rgb: NDArray[np.uint8]) -> Floats:
    """Find the photo's subject by its colours alone.

    `rgb` is uint8 [H, W, 3], sRGB, of any size from 1x1, and is not changed. Returns the saliency
    map float32 [H, W] in 0..1, above 0.5 on the subject, soft at its edges. A flat photo gives
    zeros. Where GrabCut finds next to nothing, or everything, it is the smooth map of step 3.
    The same photo gives the same map.
    """
    small = _shrink(rgb)
    regions = _find_regions(small)
    saliency = _smooth(regions, _rate(regions))[regions.labels]
    threshold = SEED_SHARE_OF_OTSU * _otsu(saliency)
    if threshold <= 0:
        return np.zeros(rgb.shape[:2], np.float32)
    mask = _grabcut(small, saliency, threshold)
    if mask is None:
        mask = _blur(np.clip(saliency / (2 * threshold), 0, 1), REGION_PX)  # the threshold at 0.5
    return _lift(mask, small, rgb)


def _shrink(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = rgb.shape[:2]
    scale = min(1.0, WORK_SIDE_PX / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def _find_regions(small: NDArray[np.uint8]) -> Regions:
    lab = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    height, width = small.shape[:2]
    y, x = (axis.ravel() for axis in np.indices((height, width)))
    pixels = np.column_stack([lab.reshape(-1, 3), y, x]).astype(np.float32)
    flat = _superpixels(pixels, height, width)
    labels = flat.reshape(height, width)
    count = int(flat.max()) + 1
    means = _means(pixels, flat, count)
    on_border = np.zeros(count, np.bool_)
    for side in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        on_border[side] = True
    touching = np.zeros((count, count), np.bool_)
    touching[labels[:, 1:], labels[:, :-1]] = True
    touching[labels[1:], labels[:-1]] = True
    touching |= touching.T
    np.fill_diagonal(touching, False)
    return Regions(
        labels=labels,
        colour_distances=_distances(means[:, :3]),
        places=means[:, 3:] + np.float32(0.5),
        size=np.array([height, width], np.float32),
        touching=touching,
        on_border=on_border,
        both_on_border=np.logical_and.outer(on_border, on_border),
    )


def _superpixels(pixels: Floats, height: int, width: int) -> NDArray[np.intp]:
    """Group pixels [h * w, 5] of Lab, y and x: labels [h * w], 0..n-1, none unused."""
    rows, columns = max(1, round(height / REGION_PX)), max(1, round(width / REGION_PX))
    row = pixels[:, 3].astype(np.intp) * rows // height
    column = pixels[:, 4].astype(np.intp) * columns // width
    labels = row * columns + column
    scaled = pixels * np.array([1, 1, 1, SLIC_LAB / REGION_PX, SLIC_LAB / REGION_PX], np.float32)
    for _ in range(SLIC_ROUNDS):
        centres = _means(scaled, labels, rows * columns)
        nearest = np.full(labels.size, np.inf, np.float32)
        for dy, dx in np.ndindex(3, 3):
            cell = np.clip(row + dy - 1, 0, rows - 1) * columns
            cell += np.clip(column + dx - 1, 0, columns - 1)
            distance = np.square(scaled - centres[cell]).sum(axis=1)
            closer = distance < nearest
            nearest[closer], labels[closer] = distance[closer], cell[closer]
    return np.asarray(np.unique(labels, return_inverse=True)[1], np.intp)


def _means(values: Floats, labels: NDArray[np.intp], count: int) -> Floats:
    """Average values [pixels, k] over each label: [count, k], zero where a label is unused."""
    sums = np.stack([np.bincount(labels, each, count) for each in values.T], axis=1)
    pixels = np.bincount(labels, minlength=count)
    return np.asarray(sums / np.maximum(pixels, 1)[:, None], np.float32)


def _distances(points: Floats) -> Floats:
    return np.asarray(np.sqrt(np.square(points[:, None] - points).sum(axis=2)), np.float32)


def _bell(values: NDArray[np.floating]) -> Floats:
    return np.asarray(np.exp(-np.square(values) / 2), np.float32)


def _stretch(values: NDArray[np.floating]) -> Floats:
    low, high = values.min(), values.max()
    return np.asarray((values - low) / max(high - low, 1e-6), np.float32)


def _geodesic_distances(regions: Regions) -> Floats:
    """The least sum of colour steps between any two regions [n, n], by Floyd and Warshall."""
    # The border is one place, as Zhu has it: sky left and right of a tower is one background.
    linked = regions.touching | regions.both_on_border
    distances = np.where(linked, regions.colour_distances, np.float32(np.inf))
    np.fill_diagonal(distances, 0)
    for via in range(len(distances)):
        np.minimum(distances, distances[:, via, None] + distances[via], out=distances)
    return distances


def _rate(regions: Regions) -> Floats:
    """How much each region stands out [n], 0..1; all zero in a flat photo."""
    if regions.colour_distances.max() < LEAST_CONTRAST_LAB:
        return np.zeros(len(regions.places), np.float32)
    geodesic = _geodesic_distances(regions)
    surface = _bell(geodesic / SURFACE_LAB)
    # A surface's length along the border over the root of its area: large where the border cuts it.
    background = 1 - _bell(surface @ regions.on_border / np.sqrt(surface.sum(axis=1)))
    near = _bell(_distances(regions.places / regions.size.max()) / NEAR)
    contrast = (regions.colour_distances * near) @ background
    from_border = geodesic[:, regions.on_border].min(axis=1)
    off_centre = (regions.places / regions.size - np.float32(0.5)) / CENTRE_SPREAD
    centre = _bell(off_centre).prod(axis=1)
    return _stretch((_stretch(contrast) + _stretch(from_border)) * centre)


def _smooth(regions: Regions, saliency: Floats) -> Floats:
    """Keep near the given saliency [n], yet have like-coloured neighbours alike: least squares."""
    touching = regions.touching.astype(np.float32)
    within_two = touching + touching @ touching > 0
    ties = (within_two | regions.both_on_border) * _bell(regions.colour_distances / ALIKE_LAB)
    ties += ANY_NEIGHBOUR * touching
    system = np.diag(1 + ties.sum(axis=1)) - ties
    return _stretch(np.linalg.solve(system, saliency))


def _otsu(saliency: Floats) -> float:
    levels = np.rint(saliency * 255).astype(np.uint8)
    return cv2.threshold(levels, 0, 255, cv2.THRESH_OTSU)[0] / 255


def _grabcut(small: NDArray[np.uint8], saliency: Floats, threshold: float) -> Floats | None:
    """The foreground [h, w] as 0 and 1, or None where it cannot be told from the background."""
    seed = saliency > threshold
    if not LEAST_GRABCUT_PX <= np.count_nonzero(seed) <= seed.size - LEAST_GRABCUT_PX:
        return None
    trimap = np.where(seed, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    trimap[saliency < SURE_BACKGROUND * threshold] = cv2.GC_BGD
    trimap[saliency > np.quantile(saliency[seed], 1 - SURE_FOREGROUND)] = cv2.GC_FGD
    background, foreground = np.zeros((2, 1, 65))
    cv2.setRNGSeed(0)  # GrabCut starts from k-means, which draws from this thread's generator
    no_box, mode = (0, 0, 0, 0), cv2.GC_INIT_WITH_MASK
    cv2.grabCut(small, trimap, no_box, background, foreground, GRABCUT_ROUNDS, mode)
    mask = np.isin(trimap, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
    return mask if SENSIBLE_AREA[0] < mask.mean() < SENSIBLE_AREA[1] else None


def _lift(mask: Floats, small: NDArray[np.uint8], rgb: NDArray[np.uint8]) -> Floats:
    """Fit mask = a * grey + b around each pixel of the small photo; use a and b at full size."""
    grey = _grey(small)
    grey_mean, mask_mean = _blur(grey, EDGE_BOX_PX), _blur(mask, EDGE_BOX_PX)
    covariance = _blur(grey * mask, EDGE_BOX_PX) - grey_mean * mask_mean
    variance = _blur(grey * grey, EDGE_BOX_PX) - grey_mean * grey_mean
    a = covariance / (variance + np.float32(EDGE_EPSILON))
    b = mask_mean - a * grey_mean
    size = rgb.shape[1], rgb.shape[0]
    alpha = _grey(rgb)
    alpha *= cv2.resize(_blur(a, EDGE_BOX_PX), size, interpolation=cv2.INTER_LINEAR)
    alpha += cv2.resize(_blur(b, EDGE_BOX_PX), size, interpolation=cv2.INTER_LINEAR)
    return np.clip(alpha, 0, 1, out=alpha)


def _grey(rgb: NDArray[np.uint8]) -> Floats:
    return np.divide(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), 255, dtype=np.float32)


def _blur(values: NDArray[np.floating], box_px: int) -> Floats:
    return np.asarray(cv2.blur(values, (box_px, box_px)), np.float32)
