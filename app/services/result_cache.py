"""Finished cut-outs, kept on disk for those who send the same photo again; imported only where it is asked for."""

from __future__ import annotations

import io
import json
import logging
import os
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import diskcache

from app.imaging.box import Box
from app.services.cutout import Cutout

log = logging.getLogger(__name__)

# What is told anew of each answer.
_OF_THE_ANSWER = ("image", "timings_ms", "memory", "cached")
# One result may take so much of the cache: a few large ones would leave nothing else.
_LARGEST_SHARE = 0.25
_FAULTS = (OSError, sqlite3.Error, diskcache.Timeout)


class ResultCache:
    """Cut-outs by key, the least recently used dropped when all of them have more than `most_bytes`."""

    def __init__(self, folder: str, most_bytes: int) -> None:
        """Open or make the cache in a folder; without a name, in one of this user's for temporary files.

        Raises:
            OSError: the folder cannot be used, or is another user's.
        """
        path = Path(folder).expanduser() if folder else Path(tempfile.gettempdir()) / f"tinycut-results-{os.getuid()}"
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.lstat().st_uid != os.getuid() or path.is_symlink():
            raise PermissionError(f"{path} is another user's")
        self._most_bytes = most_bytes
        self._entries = diskcache.Cache(
            str(path), disk=_PlainDisk, size_limit=most_bytes, eviction_policy="least-recently-used", timeout=5
        )

    @property
    def size_bytes(self) -> int:
        """Bytes on disk."""
        return int(self._entries.volume())

    def get(self, key: str, *, hold: Callable[[int], None]) -> Cutout | None:
        """The cut-out of this key, without timings or memory; None where there is none, or it cannot be read.

        `hold` is told its bytes before they are read, and may refuse them.
        """
        try:
            entry = self._entries.get(key, read=True)  # a file, but for small ones
            if entry is None:
                return None
            with io.BytesIO(entry) if isinstance(entry, bytes) else entry as file:
                hold(file.seek(0, io.SEEK_END))
                file.seek(0)
                head, image = file.readline(), file.read()
        except _FAULTS as fault:
            log.warning("the result cache cannot be read (%s)", type(fault).__name__)
            return None
        try:
            return _cutout(json.loads(head), image)
        except (ValueError, TypeError, KeyError):  # damaged on its disk
            log.warning("an entry of the result cache is dropped: it is damaged")
            self._drop(key)
            return None

    def put(self, key: str, cutout: Cutout) -> None:
        """Keep a cut-out, unless it is too large or the disk refuses."""
        facts = {name: value for name, value in _facts(cutout).items() if name not in _OF_THE_ANSWER}
        facts["image_bytes"] = len(cutout.image)
        entry = json.dumps(facts).encode() + b"\n" + cutout.image
        if len(entry) > self._most_bytes * _LARGEST_SHARE:
            return
        try:
            self._entries.set(key, entry)
            self._entries.cull()
        except _FAULTS as fault:
            log.warning("the result cache cannot be written (%s)", type(fault).__name__)

    def _drop(self, key: str) -> None:
        with suppress(*_FAULTS):
            self._entries.delete(key)


def _cutout(facts: dict[str, Any], image: bytes) -> Cutout:
    """Raises ValueError, TypeError or KeyError where facts or image are not whole."""
    if facts.pop("image_bytes") != len(image):
        raise ValueError("the image is not whole")
    box = facts.pop("foreground")
    facts["full_size"] = tuple(facts["full_size"])
    return Cutout(image=image, foreground=box and Box(**box), timings_ms={}, memory={}, cached=True, **facts)


class _PlainDisk(diskcache.Disk):  # type: ignore[misc]  # the package has no types
    """Keeps bytes only: an entry that somebody else wrote is never unpickled."""

    def fetch(self, mode: int, filename: str | None, value: Any, read: bool) -> Any:
        if mode == diskcache.core.MODE_PICKLE:
            raise OSError("an entry of the result cache is none of ours")
        return super().fetch(mode, filename, value, read)


def _facts(cutout: Cutout) -> dict[str, Any]:
    return {**asdict(cutout), "image": b""}
