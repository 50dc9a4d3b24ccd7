"""Write the people that are never trained on as a set for scripts/evaluate.py: python -m training.hold_out --help"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2

from training.photos import PEOPLE, read


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks; answer the exit status."""
    parser = argparse.ArgumentParser(description="Write the people held out as images/ and masks/.")
    parser.add_argument("--data", type=Path, required=True, help="the folder of the tars")
    parser.add_argument("--output", type=Path, required=True, help="a new folder, named as the table shall name it")
    options = parser.parse_args(arguments)
    for part in ("images", "masks"):
        (options.output / part).mkdir(parents=True, exist_ok=True)
    for photo in read(options.data, [PEOPLE]):
        if photo.held_out and photo.mask is not None:
            # PNG: compressed once more the photos would be others.
            cv2.imwrite(str(options.output / "images" / f"{photo.stem}.png"), photo.rgb[..., ::-1])
            cv2.imwrite(str(options.output / "masks" / f"{photo.stem}.png"), photo.mask)
    return 0


if __name__ == "__main__":
    sys.exit(main())
