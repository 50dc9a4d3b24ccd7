"""The training photos: read whole, split, and kept apart from what is evaluated."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.support import SHARED, need
from training.photos import PEOPLE, SETS, Photo, hashes_of, look_alikes, perceptual_hash, read


@pytest.fixture(scope="module")
def train_dir() -> Path:
    """The folder of the real tars."""
    return need(SHARED / "data" / "train")


@pytest.fixture(scope="module")
def horses(train_dir: Path) -> list[Photo]:
    """A whole set."""
    return list(read(train_dir, ["horses"]))


def test_every_photo_of_every_tar_is_read(train_dir: Path) -> None:
    counts = dict.fromkeys(SETS, 0)
    for photo in read(train_dir):
        counts[photo.set_name] += 1
        assert photo.rgb.ndim == 3 and photo.rgb.dtype == np.uint8
    assert counts == {
        "caltech101": 4672, "cats": 296, "clothing": 2200, "fashion-people": 1003, "grocery": 984, "horses": 328,
    }  # fmt: skip


def test_a_mask_comes_at_its_photos_size_and_from_black_to_white(horses: list[Photo]) -> None:
    for photo in horses:
        assert photo.mask is not None
        assert photo.mask.shape == photo.rgb.shape[:2]
        assert photo.mask.min() < 10 and photo.mask.max() > 245


def test_a_mask_of_ones_is_stretched_to_white(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "cats.tar", "w") as tar:
        for name, picture in (("0.jpg", np.zeros((8, 8, 3), np.uint8)), ("0.png", np.eye(8, dtype=np.uint8))):
            data = io.BytesIO()
            Image.fromarray(picture).save(data, "JPEG" if name.endswith("jpg") else "PNG")
            facts = tarfile.TarInfo(name)
            facts.size = len(data.getvalue())
            tar.addfile(facts, io.BytesIO(data.getvalue()))
    (photo,) = read(tmp_path, ["cats"])
    assert photo.mask is not None and photo.mask.max() == 255


def test_every_tenth_person_is_held_out(train_dir: Path) -> None:
    people = list(read(train_dir, [PEOPLE]))
    held_out = [photo.stem for photo in people if photo.held_out]
    assert held_out == [f"{number:05}" for number in range(0, 1003, 10)]


@pytest.mark.parametrize("kind", ["the same", "mirrored", "smaller", "as a poor JPEG", "in a black frame"])
def test_a_photo_is_known_again(horses: list[Photo], kind: str) -> None:
    others = {photo.stem: perceptual_hash(photo.rgb) for photo in horses[:1]}
    rgb = horses[0].rgb
    again = {
        "the same": lambda: rgb,
        "mirrored": lambda: np.ascontiguousarray(rgb[:, ::-1]),
        "smaller": lambda: cv2.resize(rgb, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
        "as a poor JPEG": lambda: cv2.imdecode(cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, 20])[1], 1),
        "in a black frame": lambda: cv2.copyMakeBorder(rgb, 5, 5, 7, 7, cv2.BORDER_CONSTANT),
    }[kind]()
    photo = Photo("found", "again", np.asarray(again, np.uint8), None)
    assert look_alikes([photo], others) == {"found/again": horses[0].stem}


def test_different_horses_are_not_taken_for_the_same(horses: list[Photo]) -> None:
    others = {photo.key: perceptual_hash(photo.rgb) for photo in horses[:100]}
    assert len(look_alikes(horses[:100], others)) <= 4


def test_no_training_begins_where_an_evaluated_set_is_missing(tmp_path: Path) -> None:
    (tmp_path / "sod-dev" / "images").mkdir(parents=True)
    Image.new("RGB", (40, 40)).save(tmp_path / "sod-dev" / "images" / "1.png")
    assert list(hashes_of([tmp_path / "sod-dev"])) == ["sod-dev/images/1.png"]
    with pytest.raises(SystemExit, match="davis-dev"):
        hashes_of([tmp_path / "sod-dev", tmp_path / "davis-dev"])
