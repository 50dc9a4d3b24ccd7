"""Sizes that shops, offices and sites ask for, by name: the one registry of them."""

from __future__ import annotations

from dataclasses import dataclass

from app.imaging.layout import CENTER, Canvas, Layout
from app.imaging.length import Length


@dataclass(frozen=True)
class Preset:
    """A named layout and a line that says what it is for."""

    name: str
    title: str
    layout: Layout

    @property
    def words(self) -> dict[str, str]:
        """The options of the API that say the same, but for a resolution."""
        canvas, margin = self.layout.canvas, self.layout.margin[0]
        words = {}
        if canvas:
            words["size"] = f"{canvas.width}{':' if canvas.is_shape else 'x'}{canvas.height}"
        if self.layout.crop:
            words["crop"] = "true"
        if margin.value:
            words["crop_margin"] = f"{margin.value:g}%"
        if self.layout.scale:
            words["scale"] = f"{self.layout.scale:.0%}"
        return words


def _shape(width: int, height: int) -> Layout:
    return Layout(canvas=Canvas(width, height, is_shape=True))


def _margin(percent: float) -> tuple[Length, Length, Length, Length]:
    return (Length(percent, is_percent=True),) * 4


PRESETS = {
    preset.name: preset
    for preset in (
        Preset("square", "A square, 1:1", _shape(1, 1)),
        Preset("portrait", "An upright post, 4:5", _shape(4, 5)),
        Preset("wide", "A wide picture, 16:9", _shape(16, 9)),
        Preset("story", "A story on a phone, 9:16", _shape(9, 16)),
        Preset(
            "shop",
            "A shop's main picture: 2000×2000, the product on 85 % of it",
            Layout(canvas=Canvas(2000, 2000), scale=0.85, position=CENTER),
        ),
        Preset(
            "passport",
            "A passport photo, 2×2 inches at 300 dpi: 600×600",
            Layout(canvas=Canvas(600, 600, dpi=300)),
        ),
        Preset(
            "avatar",
            "A round or square avatar: 400×400, close around the subject",
            Layout(crop=True, margin=_margin(8), canvas=Canvas(400, 400)),
        ),
        Preset("face", "The input of a face network: 112×112", Layout(crop=True, canvas=Canvas(112, 112))),
        Preset("banner", "A banner, 1500×500", Layout(crop=True, margin=_margin(8), canvas=Canvas(1500, 500))),
    )
}
