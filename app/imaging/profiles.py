"""ICC profiles: a photo's own colours → sRGB."""

from __future__ import annotations

import io
from collections.abc import Callable

from PIL import Image, ImageCms

Conversion = Callable[[Image.Image], Image.Image]

# The kind of colours that a profile is of → Pillow's mode for them.
_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
_CONVERTED_MODES = ("RGB", "RGBA", "RGBX", "P", "PA", "L", "LA", "1", "CMYK")
# What is written into a file has to be whole: libpng takes no other.
_LARGEST_BYTES = 1 << 20
_FAULTS = (ImageCms.PyCMSError, OSError, ValueError, TypeError, AttributeError)


def to_srgb(profile: bytes, mode: str) -> Conversion | None:
    """Make the conversion of pictures of Pillow's `mode` in the colours of an ICC profile to RGB in sRGB.

    None where there is nothing to convert: the profile is sRGB, damaged, or of another kind of colours than the mode.
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
        if "srgb" in ImageCms.getProfileDescription(source).lower():
            return None
        transform = ImageCms.buildTransform(
            source,
            ImageCms.createProfile("sRGB"),
            own_mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except _FAULTS:
        return None

    def convert(picture: Image.Image) -> Image.Image:
        picture = picture if picture.mode == own_mode else picture.convert(own_mode)
        converted: Image.Image = transform.apply(picture)
        return converted

    return convert


def is_of_rgb(profile: bytes) -> bool:
    """Whether a profile is whole and its colours are RGB, so that a picture in RGB can carry it."""
    if int.from_bytes(profile[:4], "big") != len(profile) or len(profile) > _LARGEST_BYTES:
        return False
    try:
        return _kind(ImageCms.ImageCmsProfile(io.BytesIO(profile))) == "RGB"
    except _FAULTS:
        return False


def _kind(profile: ImageCms.ImageCmsProfile) -> str:
    return str(profile.profile.xcolor_space).strip()
