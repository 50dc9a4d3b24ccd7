"""What goes behind the cut-out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.imaging import composite
from app.imaging.color import RGB

# What a cut-out stands on in a format that has no transparency, when no colour was asked for.
DEFAULT_COLOR: RGB = (255, 255, 255)


def put_on_background(
    rgb: NDArray[np.uint8], alpha: NDArray[np.uint8], *, color: RGB | None, keep_alpha: bool
) -> NDArray[np.uint8]:
    """Compose the result picture from colours uint8 [H, W, 3] and alpha uint8 [H, W].

    With a colour: RGB [H, W, 3] on it. Without: RGBA [H, W, 4] where the format keeps alpha, else RGB on white.
    """
    if color is None and keep_alpha:
        return composite.to_rgba(rgb, alpha)
    return composite.over_color(rgb, alpha, color or DEFAULT_COLOR)
