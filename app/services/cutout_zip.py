"""Many photos → one ZIP of their cut-outs and a manifest, written while it is sent: one photo is held at a time."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from app import metrics
from app.errors import AppError, ClientGone
from app.imaging.encode import FORMATS
from app.services.cutout import Cutout

MANIFEST = "manifest.json"
_LONGEST_NAME = 80
_PIECE_BYTES = 256 * 1024


@dataclass(frozen=True)
class NamedPhoto:
    """A photo to come: the name that its client gave it, and what reads it and cuts it out."""

    name: str
    cut_out: Callable[[], Cutout]


def stream(photos: Iterable[NamedPhoto]) -> Iterator[bytes]:
    """Yield a ZIP, stored, of the cut-out of each photo, in their order, and of a manifest.json at its end.

    A photo that cannot be cut out has no file in the ZIP, and its error in the manifest: a list `photos` of each one's
    `name`, `status` (what it would have been answered with alone), `file` or `error`, `method`, `model`, and
    `timings_ms`. Names are kept, made different where they are the same.

    Raises:
        ClientGone: nobody waits for the rest.
    """
    window = _Window()
    entries: list[dict[str, Any]] = []
    taken = {MANIFEST}
    with zipfile.ZipFile(window, "w", zipfile.ZIP_STORED) as archive:
        for photo in photos:
            entry: dict[str, Any] = {"name": _clean(photo.name)}
            entries.append(entry)
            try:
                cutout = photo.cut_out()
            except ClientGone:
                raise
            except AppError as fault:
                metrics.REJECTIONS.labels(reason=fault.code).inc()
                entry |= {"status": fault.status, "error": {"code": fault.code, "message": fault.message}}
                continue
            entry |= {"status": 200, "file": _free_name(entry["name"], FORMATS[cutout.format].suffix, taken)}
            entry |= _facts(cutout)
            archive.writestr(zipfile.ZipInfo(entry["file"]), cutout.image)
            del cutout
            yield from window.take()
        failed = sum("error" in entry for entry in entries)
        manifest = {"succeeded": len(entries) - failed, "failed": failed, "photos": entries}
        archive.writestr(zipfile.ZipInfo(MANIFEST), json.dumps(manifest, indent=1, ensure_ascii=False))
    yield from window.take()


class _Window(io.RawIOBase):
    """The end of a file that grows: zipfile writes into it, and goes back to complete the head of what it wrote."""

    def __init__(self) -> None:
        self._start = 0  # what came before is on its way
        self._held = io.BytesIO()

    def seekable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return self._held.write(data)

    def tell(self) -> int:
        return self._start + self._held.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._start + self._held.seek(offset - self._start if whence == io.SEEK_SET else offset, whence)

    def take(self) -> Iterator[bytes]:
        """Yield what is held, in pieces, and hold it no longer."""
        whole = self._held.getvalue()
        self._start += len(whole)
        self._held = io.BytesIO()
        for start in range(0, len(whole), _PIECE_BYTES):
            yield whole[start : start + _PIECE_BYTES]


def _facts(cutout: Cutout) -> dict[str, Any]:
    names = ("width", "height", "format", "method", "model", "confidence", "animated", "resized", "cached")
    return {**{name: getattr(cutout, name) for name in names}, "timings_ms": cutout.timings_ms}


def _clean(name: str) -> str:
    """The file's own name, without folders or what no folder would take."""
    last = name.replace("\\", "/").rpartition("/")[2]
    kept = "".join(character for character in last if character.isprintable() and character not in '<>:"|?*')
    return kept[-_LONGEST_NAME:].strip(" .") or "photo"


def _free_name(name: str, suffix: str, taken: set[str]) -> str:
    """A name with this suffix that is not taken yet, in capitals or not; it is then."""
    stem = PurePosixPath(name).stem
    candidates = (f"{stem}{'' if count == 1 else f'-{count}'}{suffix}" for count in range(1, len(taken) + 2))
    found = next(candidate for candidate in candidates if candidate.lower() not in taken)
    taken.add(found.lower())
    return found
