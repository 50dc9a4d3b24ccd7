"""Soft targets for the photos without a mask, from the real u2netp: python -m training.label --help

Each photo is shown to it at three sizes, one of them mirrored; the target is the mean of the three maps. How sure it
is (its certainty) becomes the photo's weight. Labels are kept as they come: started again, it goes on.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from tqdm import tqdm

from app.files import write_whole
from app.imaging import preprocess
from training.photos import Photo, read

# Areas of the network's input, and whether the photo is mirrored: the photos have 224² pixels.
VIEWS = ((224**2, False), (256**2, True), (320**2, False))
LEAST_PEAK, LEAST_SHARE, MOST_SHARE = 0.7, 0.01, 0.9
SPOKEN, LEAST_CERTAINTY = 0.1, 0.45


@dataclass(frozen=True)
class Label:
    """A soft target, uint8 [H, W], and its weight in 0..1 (0: not trained on, `why` says for what)."""

    target: NDArray[np.uint8]
    weight: float
    why: str


class Labeller:
    """u2netp, rewritten to take any multiple of 32."""

    def __init__(self, model: Path, threads: int) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._input, self._output = self._session.get_inputs()[0].name, self._session.get_outputs()[0].name

    def label(self, rgb: NDArray[np.uint8]) -> Label:
        """Label one photo, uint8 [H, W, 3]."""
        maps = np.stack([self._look(rgb, area_px, mirrored) for area_px, mirrored in VIEWS])
        return judge(maps)

    def _look(self, rgb: NDArray[np.uint8], area_px: int, mirrored: bool) -> NDArray[np.float32]:
        height, width = rgb.shape[:2]
        rows, columns = preprocess.network_size(height, width, mode="dynamic", area_px=area_px)
        shown = np.ascontiguousarray(rgb[:, ::-1]) if mirrored else rgb
        (raw,) = self._session.run([self._output], {self._input: preprocess.to_network_input(shown, rows, columns)})
        enlarged = cv2.resize(preprocess.to_saliency(raw[0, 0]), (width, height), interpolation=cv2.INTER_LINEAR)
        saliency = enlarged.astype(np.float32, copy=False)
        return np.ascontiguousarray(saliency[:, ::-1]) if mirrored else saliency


def judge(maps: NDArray[np.float32]) -> Label:
    """Join maps float32 [views, H, W] in 0..1 to their mean.

    The certainty is how far it is from undecided where it says anything: views that contradict each other leave it
    undecided too. Its square is the weight.
    """
    target = np.rint(maps.mean(axis=0) * 255).astype(np.uint8)
    mean = target.astype(np.float32) / 255
    share = float((mean > 0.5).mean())
    if mean.max() < LEAST_PEAK or share < LEAST_SHARE:
        return Label(target, 0.0, "empty")
    if share > MOST_SHARE:
        return Label(target, 0.0, "full")
    certainty = float(np.abs(2 * mean[mean > SPOKEN] - 1).mean())
    return Label(target, certainty**2, "") if certainty >= LEAST_CERTAINTY else Label(target, 0.0, "uncertain")


def label_all(photos: list[Photo], labeller: Labeller, folder: Path) -> None:
    """Write SET/STEM.png and a line of labels.jsonl for every photo that has none yet."""
    found = read_lines(folder)
    known = {line["key"] for line in found}
    # A line that was cut short would swallow the next one.
    write_whole(folder / "labels.jsonl", "".join(json.dumps(line) + "\n" for line in found).encode())
    with (folder / "labels.jsonl").open("a") as lines:
        for photo in tqdm([photo for photo in photos if photo.key not in known], desc="labelling", unit="photo"):
            label = labeller.label(photo.rgb)
            path = folder / f"{photo.key}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), label.target)
            lines.write(json.dumps({"key": photo.key, "weight": round(label.weight, 4), "why": label.why}) + "\n")
            lines.flush()


def read_lines(folder: Path) -> list[dict[str, str | float]]:
    """The lines of labels.jsonl; one that was cut short at the end is left out."""
    path = folder / "labels.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.is_file() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks; answer the exit status."""
    parser = argparse.ArgumentParser(description="Give every photo without a mask a soft target from u2netp.")
    parser.add_argument("--data", type=Path, required=True, help="the folder of the tars")
    parser.add_argument("--teacher", type=Path, required=True, help="u2netp, rewritten by scripts/optimize_models.py")
    parser.add_argument("--work", type=Path, required=True, help="where the labels go")
    parser.add_argument("--threads", type=int, default=0, help="of one inference; default: all")
    options = parser.parse_args(arguments)
    options.work.mkdir(parents=True, exist_ok=True)
    photos = [photo for photo in read(options.data) if photo.mask is None]
    # So that what is there after a while is of every set.
    np.random.default_rng(0).shuffle(photos)  # type: ignore[arg-type]
    label_all(photos, Labeller(options.teacher, options.threads), options.work)
    return 0


if __name__ == "__main__":
    sys.exit(main())
