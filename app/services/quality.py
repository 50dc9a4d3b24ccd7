"""The speed tiers: how much the network is shown of a photo."""

from __future__ import annotations

from dataclasses import dataclass

from app.imaging.preprocess import TRAINED_SIDE_PX


@dataclass(frozen=True)
class Tier:
    """A speed tier.

    `area_px` is the network's input, height times width, before it is fitted to multiples of 32; `closer_area_px`
    that of a second look at a subject that fills only a part of the photo (0: there is none).
    """

    name: str
    area_px: int
    closer_area_px: int = 0


# scripts/evaluate.py has a row for each. A larger first input finds less (416² of area: 0.06 less mean IoU), for
# subjects that fill the frame then have parts that the network never saw whole.
TIERS = {
    tier.name: tier
    for tier in (
        Tier("balanced", TRAINED_SIDE_PX**2),
        Tier("fast", 51_200, closer_area_px=20_480),
        Tier("best", TRAINED_SIDE_PX**2, closer_area_px=65_536),
    )
}
DEFAULT_TIER = "balanced"
