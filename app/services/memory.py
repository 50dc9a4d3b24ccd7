"""What this process uses, what is left of the host's limit, and giving memory back."""

from __future__ import annotations

import ctypes
import gc
from functools import cache
from pathlib import Path

import psutil

from app.hosting import MIB, Host, cgroup_usage_bytes

# glibc's mallopt parameters, from malloc.h
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8


def rss_mb() -> float:
    """Resident memory of this process in MB (2^20 bytes)."""
    return float(psutil.Process().memory_info().rss) / MIB


def peak_rss_mb() -> float:
    """The most memory this process ever had resident, in MB."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass  # no /proc: macOS or Windows
    return rss_mb()


def available_mb(host: Host) -> float:
    """What may still be taken before the host's limit, in MB; the file cache counts as free."""
    used_bytes = cgroup_usage_bytes(host.cgroup) if host.cgroup else None
    used_mb = rss_mb() if used_bytes is None else used_bytes / MIB
    free_mb: float = psutil.virtual_memory().available / MIB
    return min(host.memory_limit_mb - used_mb, free_mb)


def report(host: Host) -> dict[str, float | int | str | bool]:
    """Facts about memory for an answer: rss, peak and available in MB, the limit and where it was found."""
    return {
        "rss_mb": round(rss_mb(), 1),
        "peak_rss_mb": round(peak_rss_mb(), 1),
        "available_mb": round(available_mb(host), 1),
        "limit_mb": host.memory_limit_mb,
        "limit_source": host.memory_limit_source,
        "constrained": host.constrained,
    }


def give_back() -> None:
    """Collect garbage and hand free heap pages back to the system, where the C library can."""
    gc.collect()
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


def settle() -> None:
    """Have later collections pass over all that is loaded by now, for a server that keeps it: give_back is quicker."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def tune_allocator() -> None:
    """Set glibc's malloc up for a few large, short-lived buffers in many threads; elsewhere do nothing.

    Two arenas, because every thread's own arena keeps its own free pages; and a fixed threshold above which
    a buffer is mapped and unmapped by itself, because glibc otherwise raises it with each freed buffer until
    photos and tensors land in the heap and leave holes. Only threads started later are held to two arenas.
    """
    libc = _glibc()
    if libc is not None:
        libc.mallopt(_M_ARENA_MAX, 2)
        libc.mallopt(_M_MMAP_THRESHOLD, 1 * MIB)
        libc.mallopt(_M_TRIM_THRESHOLD, 1 * MIB)


@cache
def _glibc() -> ctypes.CDLL | None:
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.malloc_trim  # noqa: B018  # musl has no such symbol
    except (OSError, AttributeError):
        return None
    return libc
