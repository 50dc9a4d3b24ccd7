"""What may be asked of a cut-out: one frozen value, filled by every door (forms, command line, scripts)."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.imaging.backdrop import FITS, WHITE, Plain, Veil
from app.imaging.color import RGB
from app.imaging.gradient import Gradient
from app.imaging.layout import Layout
from app.imaging.length import Length
from app.imaging.matte import MatteControls
from app.imaging.shadow import Shadow
from app.services.quality import DEFAULT_TIER

# What is done with a photo in which nothing stands out: refuse it, or give it back whole.
ON_UNKNOWN = ("error", "pass")
COLOR_PROFILES = ("srgb", "keep")
# The subject; its matte as a grey picture; or the photo as it is, for which no subject is looked for.
OUTPUTS = ("cutout", "mask", "photo")


@dataclass(frozen=True)
class ImageBehind:
    """A picture of the client's, the bytes of its file, to stand behind the subject, fitted in one of FITS;
    the colour is for what it leaves, and shows where it is see-through."""

    data: bytes = field(repr=False)
    fit: str = FITS[0]
    color: RGB = WHITE


@dataclass(frozen=True)
class BlurredPhoto:
    """The photo itself, out of focus: the radius of the blur in pixels of a photo of 1024."""

    radius_px: float


Background = Plain | Veil | Gradient | ImageBehind | BlurredPhoto | None


@dataclass(frozen=True)
class Roi:
    """The part of the photo in which the subject is: all outside is background. Percentages are of the photo."""

    left: Length
    top: Length
    right: Length
    bottom: Length


@dataclass(frozen=True)
class CutoutOptions:
    """What to make of a photo.

    `output` is one of OUTPUTS; `background` what stands behind (None: transparent, and white where the format cannot
    be); `format` one of encode.FORMATS, `image_quality` its quality 1..100 ("lossless" is 101; None: the format's
    own); `model` None the host's own; `resize` one of RESIZE_MODES (None: the setting's); `quality` the speed tier,
    one of TIERS; `on_unknown` what to do when there is no subject; `color_profile` whether colours become sRGB or keep
    the photo's own profile; `enough_megapixels` a size of the photo that is enough (None: all of it), before it is
    cropped or placed; `locate` whether the answer tells where in the picture the subject is.
    """

    output: str = OUTPUTS[0]
    format: str = "png"
    image_quality: int | None = None
    background: Background = None
    shadow: Shadow | None = None
    matte: MatteControls = MatteControls()
    roi: Roi | None = None
    layout: Layout = Layout()
    model: str | None = None
    resize: str | None = None
    quality: str = DEFAULT_TIER
    on_unknown: str = ON_UNKNOWN[0]
    color_profile: str = COLOR_PROFILES[0]
    enough_megapixels: float | None = None
    locate: bool = False

    @property
    def may_be_whole(self) -> bool:
        """Whether a photo without a subject is given back as it is."""
        return self.output == "photo" or self.on_unknown == "pass"
