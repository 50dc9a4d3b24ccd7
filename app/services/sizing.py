"""How large a photo is decoded and its result may be, so that neither can outgrow the memory there is."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from app.errors import BadRequest, UnreadableImage
from app.imaging import encode
from app.imaging.decode import OWN_BYTES_PER_PIXEL, SHRINKS, Probe
from app.imaging.layout import most_canvas_px
from app.services.options import CutoutOptions, ImageBehind

# Held of a pixel: colours and alpha of the photo; of the result.
PHOTO_BYTES, RESULT_BYTES = OWN_BYTES_PER_PIXEL, 4
# Beside them while edges are worked out: the photo's own alpha, and a softened one.
MATTE_BYTES = 2
# A photo is reduced at most to this share of its pixels; sooner it is refused.
LEAST_SHARE = 1 / 16
# A phone's "50 megapixels" are 8160×6144.
ROUNDING = 1.01
SEARCH_STEPS = 50
# A photo that is only needed small is decoded with this many times the pixels a side, and no smaller than the network
# and the edges need it: what is resampled is never a decoder's coarse copy.
SPARE = 2
LEAST_SIDE_PX = 1024
# An image behind the subject is kept with at most so many pixels for one of the canvas, and in so much of the memory.
IMAGE_SPARE, IMAGE_SHARE = 2, 1 / 3


@dataclass(frozen=True)
class Decoding:
    """How a file is decoded: the JPEG decoder's `shrink` (one of SHRINKS, so many times smaller a side), and the most
    pixels that are kept."""

    shrink: int
    most_px: float


@dataclass(frozen=True)
class Plan:
    """How the photo and the client's background image are decoded, the most pixels of the canvas, the bytes that all
    of it takes, and whether the photo is `reduced` for want of room."""

    photo: Decoding
    image: Decoding | None
    canvas_px: float
    working_bytes: int
    reduced: bool


def plan(
    probe: Probe,
    options: CutoutOptions,
    image: Probe | None,
    *,
    room_bytes: float,
    full_megapixels: float,
    most_megapixels: float,
    enough_megapixels: float | None = None,
) -> Plan:
    """Plan the work on a photo, and an image behind it, within `room_bytes`.

    Up to `full_megapixels` the photo is worked on as it is, up to `most_megapixels` reduced to that; in both cases
    reduced further to what fits in memory. `enough_megapixels` (None: all) are as many as the client wants.

    Raises:
        UnreadableImage: it has more pixels, or cannot be made small enough.
        BadRequest: the canvas that was asked for, or the image, does not fit.
    """
    limits = _Limits(room_bytes, full_megapixels, most_megapixels, enough_megapixels or math.inf)
    made = _plan(probe, options, image, limits)
    if made is None:
        # Of what is like this one, but smaller: the largest that would do.
        shares = (step / SEARCH_STEPS for step in range(SEARCH_STEPS - 1, 0, -1))
        fitting = (share for share in shares if _plan(_scaled(probe, share), options, image, limits))
        raise _too_large(probe, options.format, next(fitting, 0) * probe.px)
    return made


@dataclass(frozen=True)
class _Limits:
    """What `plan` must keep to."""

    room_bytes: float
    full_megapixels: float
    most_megapixels: float
    enough_megapixels: float


def _scaled(probe: Probe, share: float) -> Probe:
    """A photo like this one with a share of its pixels."""
    width, height = (max(1, int(side * math.sqrt(share))) for side in (probe.width, probe.height))
    return replace(probe, width=width, height=height)


def _plan(probe: Probe, options: CutoutOptions, image: Probe | None, limits: _Limits) -> Plan | None:
    """`plan`, but None where the photo has too many pixels."""
    output = encode.FORMATS[options.format]
    own_px, full_px, most_own_px = probe.px, limits.full_megapixels * 1e6, limits.most_megapixels * 1e6
    canvas_px = most_canvas_px(options.layout, probe.height, probe.width)
    exact = options.layout.is_exact
    image_decoding, image_bytes, image_peak_bytes = _plan_image(image, options, canvas_px, limits.room_bytes)
    room_bytes = limits.room_bytes - image_bytes
    result_px = min(full_px, room_bytes / output.bytes_per_pixel)
    if exact and canvas_px > result_px:
        raise BadRequest(
            f"The size asked for has {canvas_px / 1e6:.1f} megapixels; in {output.name.upper()} this server makes up "
            f"to {result_px / 1e6:.3g}. Please ask for a smaller one.",
            code="invalid_size",
        )
    if exact:
        beside_px = (room_bytes - RESULT_BYTES * canvas_px) / PHOTO_BYTES
    else:
        beside_px = room_bytes / (PHOTO_BYTES + RESULT_BYTES)
    most_px = min(beside_px, room_bytes / (PHOTO_BYTES + MATTE_BYTES), full_px)
    if not options.layout.moves:
        most_px = min(most_px, result_px)  # more would not be seen
    enough_px = limits.enough_megapixels * 1e6
    enough = _enough_shrink(probe, options, enough_px)
    decoding = _decoding(probe, min(most_px, enough_px), room_bytes, enough)
    wanted_px = min(own_px / enough**2, enough_px)
    if own_px > ROUNDING * max(most_own_px, full_px) or decoding.most_px < wanted_px * LEAST_SHARE:
        return None
    photo_px = decoding.most_px
    if not exact:
        canvas_px = min(canvas_px, result_px, (room_bytes - PHOTO_BYTES * photo_px) / RESULT_BYTES)
    photo_bytes = max(
        probe.decoding_bytes(photo_px, decoding.shrink),
        (PHOTO_BYTES + MATTE_BYTES) * photo_px,
        PHOTO_BYTES * photo_px + RESULT_BYTES * canvas_px,
        output.bytes_per_pixel * canvas_px,
    )
    working_bytes = max(image_bytes + photo_bytes, image_peak_bytes)
    return Plan(decoding, image_decoding, canvas_px, int(working_bytes), reduced=photo_px < wanted_px)


def _plan_image(
    image: Probe | None, options: CutoutOptions, canvas_px: float, room_bytes: float
) -> tuple[Decoding | None, float, float]:
    """How the image behind is decoded, the bytes that are kept of it, and those at the peak of its decoding."""
    behind = options.background
    if image is None or not isinstance(behind, ImageBehind):
        return None, 0, 0
    own_px = image.px
    # A tile is used at its own size; of the others not much more than the canvas shows.
    useful_px = own_px if behind.fit == "tile" else IMAGE_SPARE * canvas_px
    decoding = _decoding(image, min(useful_px, IMAGE_SHARE * room_bytes / PHOTO_BYTES), room_bytes)
    if decoding.most_px < min(own_px, useful_px) * LEAST_SHARE:
        raise BadRequest(
            f"The background image has {own_px / 1e6:.1f} megapixels, too many for this server. Please send a smaller "
            "one.",
            code="invalid_background_image",
        )
    kept_px = min(own_px, decoding.most_px)
    return decoding, PHOTO_BYTES * kept_px, image.decoding_bytes(kept_px, decoding.shrink)


def _decoding(probe: Probe, most_px: float, room_bytes: float, enough: int = 1) -> Decoding:
    """The way to decode that keeps the most pixels, up to `most_px`, within `room_bytes`; at least `enough` shrunk."""
    shrinks = [shrink for shrink in SHRINKS if shrink >= enough and (shrink == 1 or probe.can_shrink)]
    kept_px = {
        shrink: min(_shrunk_px(probe, shrink), most_px, _decodable_px(probe, shrink, room_bytes)) for shrink in shrinks
    }
    best = max(shrinks, key=lambda shrink: (kept_px[shrink], -shrink))
    return Decoding(best, kept_px[best])


def _enough_shrink(probe: Probe, options: CutoutOptions, enough_px: float) -> int:
    """How much smaller a JPEG may be decoded when `enough_px` are wanted, or all of it goes on a small canvas."""
    layout, canvas = options.layout, options.layout.exact_canvas
    if not probe.can_shrink:
        return 1
    sides = probe.width, probe.height
    factor = min(1.0, math.sqrt(enough_px / probe.px))
    # Where the subject is cropped or scaled it may be small: all pixels of it are needed.
    if canvas is not None and not layout.crop and layout.scale is None and layout.position is None:
        # Turned or not: EXIF is not known yet.
        fits = (min(canvas.width / across, canvas.height / down) for across, down in (sides, sides[::-1]))
        factor = min(factor, max(fits))
    if factor == 1:
        return 1
    least_px = max(LEAST_SIDE_PX, SPARE * factor * max(sides))
    return max((shrink for shrink in SHRINKS if max(sides) / shrink >= least_px), default=1)


def _shrunk_px(probe: Probe, shrink: int) -> int:
    """The pixels that the JPEG decoder makes of a photo: a part of one at its border becomes a whole one."""
    return math.ceil(probe.width / shrink) * math.ceil(probe.height / shrink)


def _decodable_px(probe: Probe, shrink: int, room_bytes: float) -> float:
    """The most pixels that a photo can have once it is decoded within `room_bytes`."""
    if probe.decoding_bytes(0, shrink) > room_bytes:
        return 0
    return (room_bytes - probe.loaded_bytes(shrink)) / PHOTO_BYTES


def _too_large(probe: Probe, output_name: str, most_px: float) -> UnreadableImage:
    name = probe.format.replace("HEIF", "HEIC")
    advice = "Please send a smaller one." if probe.can_shrink else "Please send a smaller one, or a JPEG."
    return UnreadableImage(
        f"The photo has {probe.width} × {probe.height} pixels, {probe.px / 1e6:.1f} megapixels; from {name} to "
        f"{output_name.upper()} this server works on up to {math.floor(most_px / 1e5) / 10:g}. {advice}",
        code="too_many_pixels",
    )
