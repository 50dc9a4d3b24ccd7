"""ICC profiles: a photo's own colours → sRGB."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

Pixels = NDArray[np.uint8]
Conversion = Callable[[Image.Image], Image.Image]

# The kind of colours that a profile is of → Pillow's mode for them.
_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
_CONVERTED_MODES = ("RGB", "RGBA", "RGBX", "P", "PA", "L", "LA", "1", "CMYK")
# Of monitors, scanners and printers, and of none of them; not those that lead from one device to another.
_OF_A_PICTURE = ("mntr", "scnr", "prtr", "spac")
_SAME_WITHIN = 2  # of 255
# What is written into a file has to be whole: libpng takes no other.
_LARGEST_BYTES = 1 << 20
_FAULTS = (ImageCms.PyCMSError, OSError, ValueError, TypeError, AttributeError)


def to_srgb(profile: bytes, mode: str) -> Conversion | None:
    """Make the conversion of pictures of Pillow's `mode` in the colours of an ICC profile to RGB in sRGB.

    None where there is nothing to convert: the profile's colours are those of sRGB, it is damaged, or of another kind
    of colours than the mode.
    White stays white and black black (relative colorimetric intent with black point compensation).
    """
    if mode not in _CONVERTED_MODES:
        return None
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        own_mode = _MODES.get(_kind(source))
        is_grey, is_cmyk = mode in ("L", "LA", "1"), mode == "CMYK"
        if own_mode is None or is_grey != (own_mode == "L") or is_cmyk != (own_mode == "CMYK"):
            return None
        # Unoptimized: a fifth of the time, for what is most often sRGB.
        srgb = _srgb()
        if _changes_nothing(_transform(source, srgb, own_mode, ImageCms.Flags.NOOPTIMIZE), own_mode):
            return None
        transform = _transform(source, srgb, own_mode)
    except _FAULTS:
        return None

    def convert(picture: Image.Image) -> Image.Image:
        picture = picture if picture.mode == own_mode else picture.convert(own_mode)
        converted: Image.Image = transform.apply(picture)
        return converted

    return convert


def from_srgb(profile: bytes) -> Callable[[Pixels], Pixels]:
    """Make the conversion of sRGB colours, uint8 [..., 3], to those of an ICC profile of RGB, which is whole.

    Colours stay what they are where the profile is a scanner's, which only tells the other way.
    """
    try:
        target = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        transform = _transform(_srgb(), target, "RGB")
    except _FAULTS:
        return lambda colors: colors

    def convert(colors: Pixels) -> Pixels:
        picture = Image.fromarray(np.ascontiguousarray(colors).reshape(1, -1, 3))
        return np.asarray(transform.apply(picture)).reshape(colors.shape)

    return convert


def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _transform(
    source: ImageCms.ImageCmsProfile,
    target: ImageCms.ImageCmsProfile,
    mode: str,
    flags: ImageCms.Flags = ImageCms.Flags.NONE,
) -> ImageCms.ImageCmsTransform:
    """From colours of Pillow's `mode` in one profile to RGB in another."""
    intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
    return ImageCms.buildTransform(source, target, mode, "RGB", intent, flags | ImageCms.Flags.BLACKPOINTCOMPENSATION)


def _changes_nothing(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether a transform leaves colours from all over RGB as they are; what a profile calls itself says little."""
    steps = np.linspace(0, 255, 5).astype(np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    colours = Image.fromarray(cube).convert(mode)
    before, after = (np.asarray(picture, np.int16) for picture in (colours.convert("RGB"), transform.apply(colours)))
    return int(np.abs(after - before).max()) <= _SAME_WITHIN


def is_of_rgb(profile: bytes) -> bool:
    """Whether a profile is whole, a picture's and its colours are RGB, so that a picture in RGB can carry it."""
    if int.from_bytes(profile[:4], "big") != len(profile) or len(profile) > _LARGEST_BYTES:
        return False
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return _kind(opened) == "RGB" and str(opened.profile.device_class).strip() in _OF_A_PICTURE
    except _FAULTS:
        return False


def _kind(profile: ImageCms.ImageCmsProfile) -> str:
    return str(profile.profile.xcolor_space).strip()
