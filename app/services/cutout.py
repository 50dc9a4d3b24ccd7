"""A finished cut-out."""

from __future__ import annotations

from dataclasses import dataclass

from app.imaging import encode
from app.imaging.box import Box


@dataclass(frozen=True)
class Cutout:
    """A finished cut-out: the file's bytes and the facts about how it was made.

    `method` is "tiny_u2net", "tinycut", "rembg" or "opencv", or "none" where the photo was asked for as it is, and no
    `model` then; `timings_ms` maps stage → milliseconds, with "total";
    `confidence` is 0..1, 0 for a photo that came back whole; of an `animated` photo this is the first picture; it is
    `resized` where it had to be smaller than asked for; `full_size` are the width and height that it would have if all
    of the photo's pixels were worked on; `foreground` is the subject's box in the picture, where the options asked to
    `locate` it; a `cached` one was not made anew.
    """

    image: bytes
    format: str
    width: int
    height: int
    method: str
    model: str
    confidence: float
    animated: bool
    resized: bool
    full_size: tuple[int, int]
    foreground: Box | None
    timings_ms: dict[str, float]
    memory: dict[str, float | int | str | bool]
    cached: bool = False

    @property
    def mimetype(self) -> str:
        """The media type of `image`."""
        return encode.FORMATS[self.format].mimetype
