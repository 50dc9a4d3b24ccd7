"""What becomes of the maps that the teacher makes of one photo."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training import label
from training.label import Label, judge
from training.photos import Photo


def maps(*boxes: tuple[int, int], value: float = 1.0) -> NDArray[np.float32]:
    """Maps [views, 40, 40], each with a square from its first to its second number."""
    made = np.zeros((len(boxes), 40, 40), np.float32)
    for view, (begin, end) in zip(made, boxes, strict=True):
        view[begin:end, begin:end] = value
    return made


def test_views_that_agree_make_a_target_of_full_weight() -> None:
    found = judge(maps((10, 30), (10, 30), (10, 30)))
    assert found.weight == 1.0
    assert found.target[20, 20] == 255 and found.target[2, 2] == 0


def test_views_that_differ_a_little_weigh_less() -> None:
    found = judge(maps((10, 30), (10, 30), (11, 31)))
    assert 0.7 <= found.weight < 1.0
    assert 0 < found.target[10, 10] < 255


def test_views_that_contradict_each_other_are_dropped() -> None:
    found = judge(maps((0, 24), (16, 40), (8, 32)))
    assert (found.weight, found.why) == (0.0, "uncertain")


def test_a_photo_in_which_nothing_is_found_is_dropped() -> None:
    assert judge(maps((10, 30), (10, 30), value=0.4)).why == "empty"
    assert judge(maps((10, 12), (10, 12))).why == "empty"


def test_a_photo_that_is_all_subject_is_dropped() -> None:
    assert judge(maps((0, 40), (0, 40))).why == "full"


class CountingLabeller:
    """Stands in for u2netp, and stops as a power cut would."""

    def __init__(self, stops_after: int) -> None:
        self.left = stops_after
        self.seen: list[int] = []

    def label(self, rgb: NDArray[np.uint8]) -> Label:
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        self.seen.append(int(rgb[0, 0, 0]))
        return Label(rgb[..., 0], 0.9, "")


def test_labelling_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    photos = [Photo("grocery", f"{number}", np.full((4, 4, 3), number, np.uint8), None) for number in range(5)]
    first, second = CountingLabeller(3), CountingLabeller(9)
    try:
        label.label_all(photos, first, tmp_path)  # type: ignore[arg-type]
    except KeyboardInterrupt:
        label.label_all(photos, second, tmp_path)  # type: ignore[arg-type]
    assert first.seen + second.seen == [0, 1, 2, 3, 4]
    assert [line["key"] for line in label.read_lines(tmp_path)] == [photo.key for photo in photos]


def test_a_line_that_was_cut_short_is_not_read_and_spoils_none_that_follows(tmp_path: Path) -> None:
    (tmp_path / "labels.jsonl").write_text(json.dumps({"key": "cats/1"}) + "\n" + '{"key": "ca')
    assert [line["key"] for line in label.read_lines(tmp_path)] == ["cats/1"]
    photos = [Photo("cats", f"{number}", np.zeros((4, 4, 3), np.uint8), None) for number in (1, 2)]
    label.label_all(photos, CountingLabeller(9), tmp_path)  # type: ignore[arg-type]
    assert [line["key"] for line in label.read_lines(tmp_path)] == ["cats/1", "cats/2"]
