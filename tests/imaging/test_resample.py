"""A part of a resized picture is that part of the whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app.imaging import resample
from app.imaging.resample import resized_part
from tests.properties import bounded

CHANNELS = {"L": (), "RGB": (3,), "RGBA": (4,)}


def noise(width: int, height: int, mode: str) -> np.ndarray:
    """The hardest of pictures for a filter: overshoot everywhere."""
    return np.random.default_rng(width * height).integers(0, 256, (height, width, *CHANNELS[mode]), np.uint8)


def part_of(pixels: np.ndarray, new_size: tuple[int, int], rows: slice, columns: slice) -> np.ndarray:
    """By reading only what is asked for, which must lie within the picture."""

    def read(*part: slice) -> Image.Image:
        for piece, side in zip(part, pixels.shape, strict=False):
            assert 0 <= piece.start < piece.stop <= side
        return Image.fromarray(np.ascontiguousarray(pixels[part]))

    return np.asarray(resized_part(read, pixels.shape[1::-1], new_size, rows, columns))


def shown(pixels: np.ndarray) -> np.ndarray:
    """What is seen of it: colours by their alpha. Under next to no alpha a rounding may be many levels of colour."""
    if pixels.ndim < 3 or pixels.shape[2] < 4:
        return pixels.astype(float)
    return np.dstack([pixels[:, :, :3] * (pixels[:, :, 3:] / 255.0), pixels[:, :, 3]])


SIZES = [
    ((300, 200), (150, 100)),
    ((301, 203), (97, 65)),
    ((300, 200), (280, 187)),
    ((64, 48), (511, 383)),
    ((50, 40), (1000, 800)),
    ((31, 17), (31, 50)),
    ((1200, 30), (300, 8)),
    ((1, 9), (1, 3)),
]


@pytest.mark.parametrize("mode", list(CHANNELS))
@pytest.mark.parametrize(("size", "new_size"), SIZES)
def test_the_whole_is_just_what_pillow_makes(mode: str, size: tuple[int, int], new_size: tuple[int, int]) -> None:
    pixels = noise(*size, mode)
    whole = np.asarray(Image.fromarray(pixels).resize(new_size, resample.FILTER))
    assert np.array_equal(part_of(pixels, new_size, slice(0, new_size[1]), slice(0, new_size[0])), whole)


@pytest.mark.parametrize("strip", [8, 37])
@pytest.mark.parametrize("mode", list(CHANNELS))
@pytest.mark.parametrize(("size", "new_size"), SIZES)
def test_strips_joined_are_the_whole_without_a_seam(
    mode: str, size: tuple[int, int], new_size: tuple[int, int], strip: int
) -> None:
    pixels = noise(*size, mode)
    width, height = new_size
    whole = np.asarray(Image.fromarray(pixels).resize(new_size, resample.FILTER))
    parts = [
        part_of(pixels, new_size, slice(top, min(top + strip, height)), slice(0, width))
        for top in range(0, height, strip)
    ]
    differences = np.abs(shown(np.concatenate(parts)) - shown(whole))
    assert differences.max() <= 2
    assert (differences > 0.6).mean() < 0.001


@bounded
@given(
    st.sampled_from(list(CHANNELS)),
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.integers(1, 90),
    st.data(),
)
def test_any_part_at_any_size_is_that_part_of_the_whole(
    mode: str, size: tuple[int, int], new_width: int, data: st.DataObject
) -> None:
    new_size = new_width, max(1, round(new_width * size[1] / size[0]))
    left, right = sorted(data.draw(st.lists(st.integers(0, new_size[0]), min_size=2, max_size=2, unique=True)))
    top, bottom = sorted(data.draw(st.lists(st.integers(0, new_size[1]), min_size=2, max_size=2, unique=True)))
    rows, columns = slice(top, bottom), slice(left, right)
    pixels = noise(*size, mode)
    whole = part_of(pixels, new_size, slice(0, new_size[1]), slice(0, new_size[0]))
    assert np.abs(shown(part_of(pixels, new_size, rows, columns)) - shown(whole[rows, columns])).max() <= 2


def test_a_small_part_of_a_large_picture_needs_only_a_small_part_read() -> None:
    asked: list[tuple[slice, slice]] = []

    def read(rows: slice, columns: slice) -> Image.Image:
        asked.append((rows, columns))
        return Image.new("RGB", (columns.stop - columns.start, rows.stop - rows.start))

    resized_part(read, (8000, 6000), (800, 600), slice(300, 308), slice(400, 500))
    ((rows, columns),) = asked
    assert rows.stop - rows.start < 200
    assert columns.stop - columns.start < 1100


def test_stripes_finer_than_the_result_become_grey_and_no_false_pattern() -> None:
    pixels = np.zeros((200, 1000), np.uint8)
    pixels[:, ::2] = 255
    reduced = part_of(pixels, (270, 54), slice(0, 54), slice(5, 265))
    assert reduced.min() >= 120
    assert reduced.max() <= 135


@pytest.mark.parametrize("new_size", [(40, 30), (53, 41), (400, 300)])
def test_a_colour_hidden_under_no_alpha_never_bleeds_into_an_edge(new_size: tuple[int, int]) -> None:
    pixels = np.zeros((75, 100, 4), np.uint8)
    pixels[:, :, 1] = 255  # hidden green
    pixels[20:55, 30:70] = (255, 0, 0, 255)
    resized = part_of(pixels, new_size, slice(0, new_size[1]), slice(0, new_size[0]))
    visible = resized[resized[:, :, 3] > 0]
    assert len(visible)
    assert visible[:, 1].max() == 0
    assert visible[:, 0].min() == 255
