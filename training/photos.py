"""The training photos: read from their tars, split, and kept apart from every photo that is evaluated on."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

SETS = ("caltech101", "cats", "clothing", "fashion-people", "grocery", "horses")
PEOPLE = "fashion-people"
# Never trained on: every tenth person, on whom the promise is measured, and every twentieth photo of the other sets.
HELD_OUT_EVERY = {PEOPLE: 10}
HELD_OUT_OTHERS_EVERY = 20
# Bits of 64 in which the hashes of two pictures of the same thing may differ; unrelated ones differ in about 32.
SAME_PICTURE_BITS = 10
FRAME_SHARE = 0.03  # scanned slides have a black frame


@dataclass(frozen=True)
class Photo:
    """A photo, uint8 [H, W, 3] sRGB, and its true mask, uint8 [H, W] in 0..255, where there is one."""

    set_name: str
    stem: str
    rgb: NDArray[np.uint8]
    mask: NDArray[np.uint8] | None

    @property
    def key(self) -> str:
        """Its name among all photos."""
        return f"{self.set_name}/{self.stem}"

    @property
    def held_out(self) -> bool:
        """Whether it is never trained on."""
        return int(self.stem) % HELD_OUT_EVERY.get(self.set_name, HELD_OUT_OTHERS_EVERY) == 0


def read(folder: Path, sets: Iterable[str] = SETS) -> Iterator[Photo]:
    """Yield every photo of the sets' tars in `folder`, in the order of their names; masks come at the photo's size."""
    for set_name in sets:
        with tarfile.open(folder / f"{set_name}.tar") as tar:
            files = {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}  # type: ignore[union-attr]
        for name in sorted(files):
            if not name.endswith(".jpg"):
                continue
            stem = Path(name).stem
            rgb = np.asarray(Image.open(io.BytesIO(files[name])).convert("RGB"))
            mask = files.get(f"{stem}.png")
            yield Photo(set_name, stem, rgb, None if mask is None else _mask(mask, *rgb.shape[:2]))


def _mask(data: bytes, height: int, width: int) -> NDArray[np.uint8]:
    mask = np.asarray(Image.open(io.BytesIO(data)).convert("L"))
    if mask.max() == 1:
        mask = mask * np.uint8(255)
    if mask.shape == (height, width):
        return mask
    # Half-resolution masks would have stairs of two pixels.
    return cv2.resize(mask, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.uint8, copy=False)


def perceptual_hash(rgb: NDArray[np.uint8]) -> int:
    """64 bits that stay nearly the same when a photo is resized or compressed again: the signs of the lowest
    frequencies against their median (pHash: Zauner, "Implementation and benchmarking of perceptual image hash
    functions", 2010)."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = cv2.dct(small)[:8, :8].ravel()
    bits = low > np.median(low)
    return int("".join("1" if bit else "0" for bit in bits), 2)


def look_alikes(photos: Iterable[Photo], others: dict[str, int]) -> dict[str, str]:
    """Keys of the photos that show what one of `others` (names → hashes) shows, with its name.

    Each is looked at whole and without a frame, mirrored and not.
    """
    found = {}
    for photo in photos:
        views = [perceptual_hash(view) for view in _views(photo.rgb)]
        for name, other in others.items():
            if name != photo.key and min((view ^ other).bit_count() for view in views) <= SAME_PICTURE_BITS:
                found[photo.key] = name
                break
    return found


def _views(rgb: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    for border in (0.0, FRAME_SHARE):
        top, left = (round(side * border) for side in rgb.shape[:2])
        inner = rgb[top : rgb.shape[0] - top, left : rgb.shape[1] - left]
        yield inner
        yield np.ascontiguousarray(inner[:, ::-1])


def hashes_of(folders: Iterable[Path]) -> dict[str, int]:
    """Names and hashes of all pictures below the folders, masks among them left out.

    Raises:
        SystemExit: a folder has no pictures: nothing could be kept apart from what is evaluated.
    """
    return {name: found for folder in folders for name, found in _hashes_below(folder).items()}


def _hashes_below(folder: Path) -> dict[str, int]:
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp") and not {"masks", "u2netp-maps"} & {*path.parts}
    ]
    if not files:
        raise SystemExit(f"There are no pictures in {folder}: the photos trained on cannot be kept apart from its.")
    return {
        f"{path.parent.parent.name}/{path.parent.name}/{path.name}": perceptual_hash(
            np.asarray(Image.open(path).convert("RGB"))
        )
        for path in files
    }
