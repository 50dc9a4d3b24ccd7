"""The stages of a photo's way: where the subject is looked for, and the pictures that are made of it."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from app.errors import BadRequest
from app.imaging import preprocess
from app.imaging.backdrop import Picture
from app.imaging.box import Box
from app.imaging.drawing import Placement
from app.imaging.encode import FileFacts
from app.imaging.length import parse_length
from app.imaging.matte import MatteControls
from app.services import stages
from app.services.bg_changer import open_background, probe_image
from app.services.options import CutoutOptions, ImageBehind, Roi
from app.services.sizing import Decoding
from tests.support import encoded, opened, picture

ALL = Decoding(1, 1e9)


def roi(words: str) -> Roi:
    return Roi(*map(parse_length, words.split()))


@pytest.mark.parametrize(
    ("words", "reduced_to", "box"),
    [
        ("0 0 100% 100%", 1, Box(0, 0, 600, 800)),
        ("25% 50% 75% 100%", 1, Box(300, 200, 600, 600)),
        ("10 20 30 40", 1, Box(20, 10, 40, 30)),
        ("10 20 30 40", 0.5, Box(10, 5, 20, 15)),  # of a photo that was reduced to 800 × 600
        ("0 0 801 601", 1, Box(0, 0, 600, 800)),  # a rounding
    ],
)
def test_the_region_is_that_part_of_the_photo(words: str, reduced_to: float, box: Box) -> None:
    assert stages.region_of(roi(words), 600, 800, reduced_to) == box


def test_without_a_region_it_is_all_of_the_photo() -> None:
    assert stages.region_of(None, 600, 800, 1) == Box(0, 0, 600, 800)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("50% 0 50% 100%", "roi_region_empty"),
        ("60% 0 50% 100%", "roi_region_empty"),
        ("0 5 9 4", "roi_region_empty"),
        ("0 0 900 600", "roi_exceeds_bounds"),
        ("0 0 101% 100%", "roi_exceeds_bounds"),
    ],
)
def test_an_empty_region_and_one_that_leaves_the_photo_are_refused(words: str, code: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        stages.region_of(roi(words), 600, 800, 1)
    assert refusal.value.code == code


def test_outside_of_the_region_all_is_background_and_no_colour_changes() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    before, region = rgb.copy(), Box(50, 80, 250, 320)
    reduced = preprocess.reduce_to(rgb[region.slices], 320)
    saliency = np.linspace(0, 1, 64, dtype=np.float32)[None].repeat(64, 0)
    alpha = stages.make_matte(rgb, saliency, region, reduced, MatteControls(feather_px=20))
    outside = np.ones(alpha.shape, bool)
    outside[region.slices] = False
    assert alpha[outside].max() == 0
    assert np.array_equal(rgb[outside], before[outside])
    assert alpha[region.slices].max() > 200


@pytest.mark.parametrize("placement", [Placement.identity(60, 80), Placement(50, 50, -7, 3, 40, 30)])
def test_a_mask_is_the_alpha_of_the_cut_out(placement: Placement) -> None:
    rng = np.random.default_rng(1)
    rgb, alpha = rng.integers(0, 256, (60, 80, 3), np.uint8), rng.integers(0, 256, (60, 80), np.uint8)
    (mask,) = stages.draw_pictures(rgb, alpha, placement, CutoutOptions(output="mask"), None)
    (cutout,) = stages.draw_pictures(rgb, alpha, placement, CutoutOptions(), None)
    colors, matte = stages.draw_pictures(rgb, alpha, placement, CutoutOptions(format="zip"), None)
    assert np.abs(mask.astype(int) - cutout[:, :, 3]).max() <= 1
    assert np.array_equal(matte, mask)
    assert colors.shape == (*mask.shape, 3)


def test_a_see_through_image_stands_on_its_colour() -> None:
    veiled = picture(40, 30, "RGBA")
    veiled.putalpha(128)
    behind = open_background(ImageBehind(encoded(veiled), "contain", (255, 0, 255)), ALL)
    assert isinstance(behind, Picture)
    assert (behind.fit, behind.color) == ("contain", (255, 0, 255))
    expected = np.asarray(picture(40, 30)) * (128 / 255) + np.array((255, 0, 255)) * (127 / 255)
    assert np.abs(behind.pixels - expected).max() <= 1


def test_an_image_behind_is_reduced_as_planned() -> None:
    behind = open_background(ImageBehind(encoded(picture(400, 300))), Decoding(1, 3000))
    assert isinstance(behind, Picture)
    assert behind.pixels.shape == (47, 63, 3)


@pytest.mark.parametrize("data", [b"", b"no image", encoded(picture(200, 200))[:60]])
def test_an_image_that_cannot_be_used_is_refused_by_its_name(data: bytes) -> None:
    with pytest.raises(BadRequest, match="background image cannot be used") as refusal:
        probe_image(ImageBehind(data))
        open_background(ImageBehind(data), ALL)
    assert refusal.value.code == "invalid_background_image"


@pytest.mark.parametrize("side", [80, 33])
def test_a_zip_put_together_shows_none_of_the_old_background_at_the_edge(side: int) -> None:
    rgb = np.full((80, 80, 3), (0, 255, 0), np.uint8)
    alpha = np.zeros((80, 80), np.uint8)
    rgb[21:60, 20:59], alpha[21:60, 20:59] = (255, 0, 0), 255
    options, placement = CutoutOptions(format="zip"), Placement(side, side, 0, 0, side, side)
    data = stages.encode_pictures(stages.draw_pictures(rgb, alpha, placement, options, None), options, FileFacts())
    with zipfile.ZipFile(io.BytesIO(data)) as members:
        colors, matte = (np.asarray(opened(members.read(name)), np.float64) for name in members.namelist())
    on_blue = colors * (matte / 255)[:, :, None] + np.array((0, 0, 255)) * (1 - matte / 255)[:, :, None]
    assert on_blue[:, :, 1].max() < 40, "JPEG itself blurs a little"


def test_a_length_of_the_matte_is_the_photos_whatever_the_region() -> None:
    rgb = np.full((1000, 1000, 3), 128, np.uint8)
    rows, columns = np.ogrid[:1000, :1000]
    disc = (np.hypot(rows - 500, columns - 500) < 200).astype(np.float32)
    widths = []
    for region in (Box(0, 0, 1000, 1000), Box(200, 150, 800, 850)):
        part = np.ascontiguousarray(disc[region.slices])
        reduced = np.ascontiguousarray(rgb[region.slices])
        alpha = stages.make_matte(rgb.copy(), part, region, reduced, MatteControls(dilation_px=20))
        widths.append(int((alpha[500] > 127).sum()))
    assert widths[0] == pytest.approx(400 + 2 * 20, abs=5)
    assert widths[1] == pytest.approx(widths[0], abs=3)
