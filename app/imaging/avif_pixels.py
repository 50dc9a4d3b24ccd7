"""The script of avif.py: an AVIF on standard input → its first frame's pixels, row by row, on standard output.

Takes the bytes of memory that it may use. It imports no more of Pillow than the decoder: a third of the time.
"""

from __future__ import annotations

import contextlib
import signal
import sys

from PIL import _avif


def _limit_memory(most_bytes: int) -> None:
    if sys.platform != "win32":
        import resource

        with contextlib.suppress(ValueError):  # the host's own limit is stricter
            resource.setrlimit(resource.RLIMIT_DATA, (most_bytes, most_bytes))


def _main() -> None:
    # Some hosts tell every process to end, not the server alone, which still answers the photo at work.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _limit_memory(int(sys.argv[1]))
    # One thread: each more has a stack and buffers of its own.
    pixels, *_times = _avif.AvifDecoder(sys.stdin.buffer.read(), "auto", 1).get_frame(0)
    sys.stdout.buffer.write(pixels)


if __name__ == "__main__":
    _main()
