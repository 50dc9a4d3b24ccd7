"""Pixels of an AVIF, decoded in a process of their own.

Its library takes the memory for the coded picture, whatever the container says of its size: here that is the memory
of a small process, which has a limit.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from PIL import Image

_SCRIPT = Path(__file__).with_name("avif_pixels.py")
_PROCESS_BYTES = 24 * 1024 * 1024
_LIMIT_S = 20


def load(header: Image.Image, data: bytes, *, bytes_per_pixel: int) -> Image.Image:
    """Decode the first frame of an AVIF whose header was opened already, with what the header tells in its `info`.

    Raises:
        OSError: the pixels are damaged, or take longer than 20 s or more memory than a picture of this size may.
    """
    width, height = header.size
    most_bytes = _PROCESS_BYTES + 2 * len(data) + bytes_per_pixel * width * height
    # -P: the files beside the script are none of its modules.
    command = [sys.executable, "-P", str(_SCRIPT), str(most_bytes)]
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=_LIMIT_S)
    except subprocess.TimeoutExpired as fault:
        raise OSError(f"the AVIF was not decoded in {_LIMIT_S} s") from fault
    if done.returncode or len(done.stdout) != width * height * len(header.getbands()):
        raise OSError((done.stderr.decode(errors="replace").splitlines() or ["the AVIF has other pixels"])[-1])
    picture = Image.frombuffer(header.mode, header.size, done.stdout, "raw", header.mode, 0, 1)
    picture.info = header.info
    return picture
