"""The rewritten forms of the model, float and 8 bits: made once, beside the model, and which of them is served here.

Both are made and compared in processes of their own: the `onnx` package never enters this one, and the memory that a
comparison takes is given back whole. Nothing here knows onnxruntime.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import stat
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from app import config, hosting
from app.config import Settings
from app.files import write_whole
from app.services import model_files

log = logging.getLogger(__name__)

# Named in the files, so that a newer recipe is never served an older file.
REWRITE_VERSION = 3
FLOAT, INT8 = "float", "int8"

_SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
_OPTIMIZER, _CHOOSER = _SCRIPTS / "optimize_models.py", _SCRIPTS / "choose_precision.py"
_SCRIPT_LIMIT_S = 120
# What the comparison takes, in a process beside this one; with less left, float is served unmeasured.
CHOOSER_MB = 140


@dataclass(frozen=True)
class Rewrites:
    """Where the rewritten forms of one model file are; the 8-bit one is missing where it cannot be made."""

    float_path: Path

    @property
    def int8_path(self) -> Path:
        """The 8-bit form, which scripts/optimize_models.py writes beside the other."""
        return self.float_path.with_name(f"{self.float_path.stem}-{INT8}{self.float_path.suffix}")

    def path(self, form: str) -> Path:
        """The file of a form, FLOAT or INT8."""
        return self.int8_path if form == INT8 else self.float_path

    @property
    def choice_path(self) -> Path:
        """What was measured on this kind of processor with this onnxruntime."""
        return self.float_path.with_name(f"{self.float_path.stem}-{_measured_on()}.json")

    def discard(self) -> None:
        """Delete all of it, where the disk lets us, to be made anew."""
        for path in (self.float_path, self.int8_path, self.choice_path):
            with contextlib.suppress(OSError):
                path.unlink()


def find(source: Path, settings: Settings | None = None) -> Rewrites:
    """Tell where the rewritten forms of `source` are kept: their names hold the checksum of what they were made from.

    Beside the model, unless that folder is write-protected (a shared or read-only one) and has none: then in this
    user's cache. MODEL_CACHE_DIR outranks both.
    """
    settings = settings or config.current()
    name = f"{source.stem}-{model_files.sha256_of(source)[:16]}-v{REWRITE_VERSION}.onnx"
    if settings.model_cache_dir:
        return Rewrites(Path(settings.model_cache_dir).expanduser() / name)
    beside = Rewrites(source.parent / name)
    # The mode is asked as well, since root may write anywhere and should not.
    open_to_us = os.access(source.parent, os.W_OK) and source.parent.stat().st_mode & stat.S_IWUSR
    # An image is often run read-only, with what its build made.
    if open_to_us or beside.float_path.is_file():
        return beside
    return Rewrites(config.user_cache_dir() / name)


def make(source: Path, settings: Settings) -> Rewrites | None:
    """Return the rewritten forms of a model file, made now if there are none yet; None when they cannot be made."""
    try:
        rewrites = find(source, settings)
        if rewrites.float_path.is_file():
            return rewrites
        rewrites.float_path.parent.mkdir(parents=True, exist_ok=True)
        forms = ("--output", str(rewrites.float_path), "--int8", str(rewrites.int8_path))
        _run(_OPTIMIZER, "--source", str(source), *forms, "--quiet")
        return rewrites
    except (OSError, RuntimeError, subprocess.SubprocessError) as fault:
        log.warning(
            "the published model is served as it is and takes more memory, for it could not be rewritten"
            " (MODEL_CACHE_DIR must be a folder that may be written)",
            exc_info=fault,
        )
        return None


def choose(rewrites: Rewrites, settings: Settings, *, threads: int, available_mb: float) -> str:
    """Say which form is served here, FLOAT or INT8: PRECISION, or what was measured on this kind of processor.

    Measured now, in about a second, if it was not yet and the memory that is left allows it.

    Raises:
        RuntimeError: the comparison failed; one of the files may be damaged.
    """
    if settings.precision == FLOAT:
        return FLOAT
    if not rewrites.int8_path.is_file():
        if settings.precision == INT8:
            log.warning("PRECISION is int8, and there is no 8-bit form of these weights: float is served")
        return FLOAT
    if settings.precision == INT8:
        return INT8
    known = _read_choice(rewrites.choice_path)
    if known:
        return known
    if available_mb < CHOOSER_MB:
        log.warning("the 8-bit network is not served: %d MB are too few to try it", available_mb)
        return FLOAT
    return _measure(rewrites, threads)


def _read_choice(path: Path) -> str | None:
    try:
        return _chosen(path.read_text())
    except (OSError, ValueError):
        return None


def _chosen(line: str) -> str:
    """The form that an outcome names. Raises ValueError where it is no outcome."""
    try:
        form = json.loads(line)["precision"]
    except (TypeError, KeyError, RecursionError) as fault:
        raise ValueError(f"this is no outcome of a comparison: {line[:80]!r}") from fault
    if form not in (FLOAT, INT8):
        raise ValueError(f"there is no precision {form!r}")
    return str(form)


def _measure(rewrites: Rewrites, threads: int) -> str:
    try:
        line = _run(_CHOOSER, str(rewrites.float_path), str(rewrites.int8_path), "--threads", str(threads))
        form = _chosen(line)
    except (OSError, ValueError, subprocess.SubprocessError) as fault:
        raise RuntimeError(str(fault)) from fault
    log.info("the network was tried in float and in 8 bits on this machine: %s", line)
    try:
        write_whole(rewrites.choice_path, line.encode())
    except OSError as fault:  # a read-only disk: it is measured again at the next start
        log.info("what was measured cannot be kept: %s", fault.strerror)
    return form


def _measured_on() -> str:
    """A name for what the measurement depends on: the kind of processor, and onnxruntime."""
    try:
        version = metadata.version("onnxruntime")
    except metadata.PackageNotFoundError:  # installed under another name, such as onnxruntime-gpu
        version = "unknown"
    about = f"{hosting.processor()} {version}"
    return hashlib.sha256(about.encode()).hexdigest()[:12]


def _run(script: Path, *arguments: str) -> str:
    """Run a script of ours and return the last line that it prints. Raises RuntimeError with its reason."""
    command = [sys.executable, str(script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_SCRIPT_LIMIT_S)
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["no reason given"])[-1])
    return (done.stdout.strip().splitlines() or [""])[-1]
