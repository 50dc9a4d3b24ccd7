"""The model's files on disk: found where rembg keeps them or in the app's folder, checked, downloaded once.

Nothing here knows onnxruntime. Every failure is a ModelUnavailable: the service then goes on without the model.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app import config
from app.config import Settings
from app.errors import ModelUnavailable

log = logging.getLogger(__name__)

TINY_MODEL = "u2netp"
_CONNECT_LIMIT_S, _READ_LIMIT_S = 5, 15
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_DISK_CLOSED = (errno.EROFS, errno.EACCES, errno.EPERM)


@dataclass(frozen=True)
class PublishedModel:
    """A model file as its publisher gives it out."""

    name: str
    url: str
    sha256: str

    @property
    def file_name(self) -> str:
        """The name that rembg gives the file."""
        return f"{self.name}.onnx"


PUBLISHED = {
    TINY_MODEL: PublishedModel(
        TINY_MODEL,
        "https://github.com/danielgatis/rembg/releases/download/v0.0.0/u2netp.onnx",
        "309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8",
    )
}


class NoUsableFile(ModelUnavailable):
    """A model's file is missing, or is not the published one: downloading it would mend that."""


def find_model(name: str, settings: Settings | None = None) -> Path | None:
    """Return the model's file where rembg would find it (either of its layouts), or None."""
    homes = config.model_homes(settings or config.current())
    candidates = [home / "models" / name / f"{name}.onnx" for home in homes]
    candidates += [home / f"{name}.onnx" for home in homes]
    return next((path for path in candidates if path.is_file()), None)


def state_of(name: str, settings: Settings) -> object:
    """What is another when the model's file has come or changed; None where there is none, or it is out of reach."""
    try:
        path = find_model(name, settings)
        facts = path.stat() if path else None
    except (OSError, RuntimeError):  # a folder that cannot be read, a user without a home
        return None
    return facts and (path, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)


def installed_models(settings: Settings | None = None) -> list[str]:
    """Names of all models of which there is a file."""
    homes = [home for home in config.model_homes(settings or config.current()) if os.access(home, os.R_OK)]
    files = [path for home in homes for pattern in ("*.onnx", "models/*/*.onnx") for path in home.glob(pattern)]
    return sorted({path.stem for path in files if find_model(path.stem, settings)})


def usable(name: str, settings: Settings) -> Path:
    """Return the model's file, checked where its publisher's checksum is known and MODEL_CHECKSUM_DISABLED is off.

    Raises:
        NoUsableFile: it is missing, cannot be read, or is another one.
        ModelUnavailable: the folders of models cannot be reached.
    """
    try:
        path = find_model(name, settings)
    except (OSError, RuntimeError) as fault:  # a folder that cannot be read, a user without a home
        raise ModelUnavailable(f"The files of the model {name} cannot be reached: {fault}") from fault
    if path is None:
        homes = " or ".join(str(home) for home in config.model_homes(settings))
        raise NoUsableFile(
            f"The model file {name}.onnx is not in {homes}.",
            advice=f"There is no {name}.onnx in the folder U2NET_HOME: put it there.",
        )
    if name in PUBLISHED and not settings.model_checksum_disabled:
        verify(path, PUBLISHED[name])
    return path


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify(path: Path, model: PublishedModel) -> None:
    """Check a file against the published checksum.

    Raises:
        NoUsableFile: it differs or cannot be read; the message names the file and both checksums.
    """
    try:
        found = sha256_of(path)
    except OSError as fault:
        raise NoUsableFile(
            f"The model file {path} cannot be read: {fault.strerror}.",
            advice=f"The file {path.name} cannot be read ({fault.strerror}): let the server's user read it.",
        ) from fault
    if found != model.sha256:
        raise NoUsableFile(
            f"The model file {path} is cut short or altered: expected sha256 {model.sha256}, found {found}. "
            "Delete it to have it downloaded again, or set MODEL_CHECKSUM_DISABLED=1 to use it as it is.",
            advice=f"The file {path.name} is cut short or altered: delete it, then run python -m app.cli warm.",
        )


def download(model: PublishedModel, settings: Settings) -> Path:
    """Download a model into rembg's folder, checked and put in place in one step; shows progress on a terminal.

    One download runs at a time on the machine; whoever waited for it gets the file that it brought.

    Raises:
        ModelUnavailable: the network, the disk or the checksum says no.
    """
    folder = config.model_homes(settings)[0] / "models" / model.name
    target = folder / model.file_name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _only_one(folder / f".{model.file_name}.lock"):
            if not target.is_file() or sha256_of(target) != model.sha256:
                _fetch(model, folder)
    except OSError as fault:  # requests' errors are OSErrors too
        raise ModelUnavailable(
            f"The model {model.name} could not be downloaded from {model.url} to {folder}: {_reason(fault)}.",
            advice=_advice(model, fault),
        ) from fault
    return target


def _fetch(model: PublishedModel, folder: Path) -> None:
    # Imported here: with requests it costs 12 MB, and a server that finds its model never needs it.
    import pooch

    log.info("downloading the model %s from %s", model.name, model.url)
    download_to = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=(_CONNECT_LIMIT_S, _READ_LIMIT_S))
    # Of one name: what a process left that ended in the middle is written over, not kept for ever.
    part = folder / f".{model.file_name}.part"
    try:
        download_to(model.url, str(part), None)
        found = sha256_of(part)
        if found != model.sha256:
            raise ModelUnavailable(
                f"What {model.url} sent for {folder / model.file_name} is not the published model: "
                f"expected sha256 {model.sha256}, found {found}.",
                advice=f"What came for {model.file_name} is not the published file: is a proxy in between?",
            )
        part.chmod(0o644)  # a deployed app may be run by another user
        part.replace(folder / model.file_name)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _only_one(lock_path: Path) -> Iterator[None]:
    with lock_path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _reason(fault: OSError) -> str:
    return fault.strerror or f"{type(fault).__name__}: {fault}"


def _advice(model: PublishedModel, fault: OSError) -> str:
    """What to do about a download that failed."""
    if fault.errno in _DISK_FULL:
        return f"The disk is full: free 10 MB for {model.file_name}, or set U2NET_HOME to a folder on another disk."
    if fault.errno in _DISK_CLOSED:
        return "The model's folder cannot be written: set U2NET_HOME to another, or put the model there by hand."
    return f"{model.file_name} could not be downloaded: put it in the folder U2NET_HOME, or open the way to its site."
