"""The shortest way in: a path in, a path out."""

from __future__ import annotations

import os

from app.services.tiny_u2net_service import tiny_u2net_service


def remove_background(input_path: str | os.PathLike[str], output_path: str | os.PathLike[str]) -> bool:
    """Cut the subject out of the photo at `input_path` into `output_path` (.png, .webp or .jpg).

    Returns True, or logs the reason and returns False; a half-written file is never left behind.
    """
    return tiny_u2net_service.remove_background(input_path=input_path, output_path=output_path)
