"""The README's limits in megapixels are those that are kept, on the hosts that it names."""

from __future__ import annotations

import pytest

from app.config import Settings
from app.errors import UnreadableImage
from app.hosting import MIB
from app.imaging.decode import Probe
from app.services import sizing
from app.services.options import CutoutOptions
from app.services.tiny_u2net_service import LEAST_BUDGET_MB, RESIDENT_MB, UPLOAD_SLACK_BYTES
from scripts.box import REPO

UPLOAD_BYTES = 2 * MIB
# What a photo's codec holds of it, in bytes a pixel, beside Pillow (tests/imaging/test_decode.py).
CODEC_BYTES = {"WEBP": 13, "HEIF": 3}
README = (REPO / "README.md").read_text()
TOLD = next(line for line in README.splitlines() if line.startswith("| largest photo at full size")).split(" | ")


def is_whole(limit_mb: int, megapixels: int, source: str, target: str) -> bool:
    """Whether a host with this limit works on such a photo at its full size; else it is reduced, or refused."""
    settings = Settings()
    budget_mb = max(limit_mb - RESIDENT_MB, LEAST_BUDGET_MB)
    try:
        plan = sizing.plan(
            Probe(source, megapixels * 1000, 1000, CODEC_BYTES.get(source, 0)),
            CutoutOptions(format=target),
            None,
            room_bytes=budget_mb * MIB - UPLOAD_BYTES - UPLOAD_SLACK_BYTES,
            full_megapixels=settings.max_megapixels,
            most_megapixels=settings.max_reduced_megapixels,
        )
    except UnreadableImage:
        return False
    return not plan.reduced


@pytest.mark.parametrize(
    ("source", "target", "most", "words"),
    [
        ("JPEG", "png", 25, "25 megapixels"),
        ("PNG", "jpeg", 25, "25 megapixels"),
        ("HEIF", "png", 25, "25 megapixels"),
        ("WEBP", "png", 22, "22 from WebP"),
        ("JPEG", "webp", 13, "13 to WebP"),
        ("JPEG", "avif", 11, "11 to AVIF"),
    ],
)
def test_in_512_mb_a_photo_keeps_its_size_up_to_what_is_told(source: str, target: str, most: int, words: str) -> None:
    assert words in TOLD[1]
    assert is_whole(512, most, source, target)
    assert not is_whole(512, most + 1, source, target)


@pytest.mark.parametrize("source", ["JPEG", "PNG", "HEIF"])
@pytest.mark.parametrize("target", ["png", "jpeg"])
def test_in_256_mb_a_photo_keeps_its_size_up_to_what_is_told(source: str, target: str) -> None:
    assert "12 megapixels of JPEG, PNG or HEIC to PNG or JPEG" in TOLD[2]
    assert is_whole(256, 12, source, target)
    assert not is_whole(256, 14, source, target)
