"""What is found on this host: the machine, the server's shape, the model, the packages, a real cut-out.

Facts only, for the command `doctor`; services/doctor.py judges them. Never imported by the server.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from app import config, hosting
from app.config import Settings
from app.errors import AppError, ModelUnavailable
from app.hosting import MIB, Host
from app.services import memory, model_files, model_rewrites, shipped_model
from app.services.model_files import PUBLISHED, TINY_MODEL
from app.services.model_manager import PUBLISHED_FORM, ModelManager, OnnxSession
from app.services.model_rewrites import Rewrites
from app.services.options import CutoutOptions
from app.services.shipped_model import SHIPPED_MODEL
from app.services.tiny_u2net_service import TinyU2NetService

_APP = Path(__file__).resolve().parents[1]
SAMPLE_PHOTO = _APP / "static" / "sample.jpg"
REQUIREMENTS = _APP.parent / "requirements.txt"


@dataclass(frozen=True)
class Disk:
    """Free space of a folder, in MB, how much of it is needed for what, and whether it is no disk but memory."""

    purpose: str
    folder: str
    left_mb: float
    needed_mb: float
    is_memory: bool = False


@dataclass(frozen=True)
class Machine:
    """The host: `glibc` is its version, empty where the C library is another one.

    `disks` are those of the folders that are written to.
    """

    platform: str
    system: str
    python: tuple[int, int, int]
    glibc: str
    cpu_count: int
    memory_limit_mb: int
    memory_limit_source: str
    memory_left_mb: float
    constrained_because: str
    malloc_arenas_limited: bool
    disks: tuple[Disk, ...]


@dataclass(frozen=True)
class Server:
    """How gunicorn runs here, and where it listens; `routers` is None where nobody knows how many stand in front."""

    address: str
    workers: int
    threads: int
    photos_at_once: int
    queue_size: int
    inference_threads: int
    onnxruntime: str
    routers: int | None


@dataclass(frozen=True)
class Model:
    """The model that is to serve, which may not be the one `asked` for, its file, and how it was loaded just now.

    `path` is empty where there is no file. `checksum` is right, wrong, unreadable, or unknown (no file, or nobody here
    knows the publisher's). `unavailable` says why it could not be loaded. `form` is told of a network in onnxruntime,
    as in model_manager.INFERENCE_MB; the rest of u2netp: whether it was rewritten "before", "now" (by this examination,
    as a start would have) or "never", and by `choice_is_kept`, whether the next start need not measure again which form
    is faster.
    """

    name: str
    asked: str
    path: str
    size_bytes: int
    checksum: str
    unavailable: str = ""
    form: str = ""
    keeps_memory: bool = True
    rewritten: str = ""
    rewritten_folder: str = ""
    choice_is_kept: bool = True


@dataclass(frozen=True)
class Packages:
    """The pins of requirements.txt that count on this Python: how many, those not installed, those that differ."""

    pinned: int
    missing: tuple[str, ...] = ()
    differing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trial:
    """The sample photo, cut out twice: the first with what a process does once; all else tells of the second.

    `fault` is the message of an error that came instead.
    """

    fault: str = ""
    method: str = ""
    model: str = ""
    first_ms: float = 0
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    peak_rss_mb: float = 0
    rss_mb: float = 0


@dataclass(frozen=True)
class Examination:
    """All that was found; `load_s` is how long the model took to check and load, and to rewrite where it had to be.

    `shipped_fault` says what is wrong with the network that comes with the app; mostly nothing.
    """

    machine: Machine
    server: Server
    model: Model
    packages: Packages
    load_s: float
    trial: Trial
    shipped_fault: str = ""


def examine(service: TinyU2NetService) -> Examination:
    """Look at the host and cut out the sample photo with this service.

    Nothing is downloaded. A model that was never rewritten is rewritten now, as a server's start would do.

    Raises:
        ConfigError: WEB_CONCURRENCY is no number, or PORT no port.
    """
    settings, host = service.settings, service.models.host
    started_s = time.perf_counter()
    model = _model(service.models, settings)
    load_s = time.perf_counter() - started_s
    return Examination(
        machine=_machine(settings, host),
        server=_server(settings, host, service.models.threads),
        model=model,
        packages=compare_packages(REQUIREMENTS),
        load_s=round(load_s, 2),
        trial=_try(service),
        shipped_fault=_shipped_fault(),
    )


def compare_packages(requirements: Path) -> Packages:
    """Compare what is installed with the pins of a requirements file; of a file that is not there, none."""
    lines = requirements.read_text().splitlines() if requirements.is_file() else []
    wanted = [Requirement(line) for line in lines if line.strip() and not line.startswith(("#", "-"))]
    pins = [pin for pin in wanted if pin.marker is None or pin.marker.evaluate()]
    missing, differing = [], []
    for pin in pins:
        version = _version(pin.name)
        if not version:
            missing.append(pin.name)
        elif not pin.specifier.contains(version, prereleases=True):
            differing.append(f"{pin.name} {version} (pinned {pin.specifier})")
    return Packages(len(pins), tuple(missing), tuple(differing))


def _server(settings: Settings, host: Host, inference_threads: int) -> Server:
    is_known = settings.proxy_hops >= 0 or host.platform in hosting.ROUTER_HOPS
    return Server(
        address=config.address(),
        workers=config.worker_processes(),
        threads=config.server_threads(settings, host),
        photos_at_once=config.photos_at_once(settings, host),
        queue_size=settings.queue_size,
        inference_threads=inference_threads,
        onnxruntime=_version("onnxruntime"),
        routers=config.routers_in_front(settings, host) if is_known else None,
    )


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _machine(settings: Settings, host: Host) -> Machine:
    library, version = platform.libc_ver()
    return Machine(
        platform=host.platform,
        system=f"{platform.system()} {platform.machine()}",
        python=sys.version_info[:3],
        glibc=version if library == "glibc" else "",
        cpu_count=host.cpu_count,
        memory_limit_mb=host.memory_limit_mb,
        memory_limit_source=host.memory_limit_found_in,
        memory_left_mb=round(memory.available_mb(host), 1),
        constrained_because=host.constrained_because,
        malloc_arenas_limited=hosting.malloc_arenas_are_limited(),
        disks=tuple(examine_disks(settings)),
    )


def examine_disks(settings: Settings) -> list[Disk]:
    """The folders that a server with these settings writes to; one that cannot be written to has nothing left."""
    try:
        temporary = tempfile.gettempdir()
    except FileNotFoundError:  # none of the usual ones can be written
        temporary = ""
    disks = [_disk("batches that are read", temporary, settings.max_batch_mb * config.BATCHES_AT_ONCE)]
    if settings.result_cache_mb:
        disks.append(_disk("the result cache", settings.result_cache_dir or temporary, settings.result_cache_mb))
    return disks


def _disk(purpose: str, folder: str, needed_mb: float) -> Disk:
    try:
        path = Path(folder).expanduser().resolve()
        existing = next(part for part in (path, *path.parents) if os.path.exists(part))
        can_be_written = bool(folder) and os.access(existing, os.W_OK | os.X_OK)
        left_mb = shutil.disk_usage(existing).free / MIB if can_be_written else 0
    except (OSError, RuntimeError):  # a folder that may not be looked into, a user without a home
        return Disk(purpose, folder, 0, needed_mb)
    return Disk(purpose, folder, round(left_mb, 1), needed_mb, hosting.is_kept_in_memory(path))


def _model(models: ModelManager, settings: Settings) -> Model:
    name = models.served_name()
    path = _find(name, settings)
    found = Model(
        name=name,
        asked=settings.model_name,
        path=str(path or ""),
        size_bytes=path.stat().st_size if path else 0,
        checksum=_checksum(name, path),
    )
    rewrites = _rewrites(name, path, settings)
    was_rewritten = rewrites is not None and rewrites.float_path.is_file()
    try:
        session = models.load(name, may_download=False)
    except AppError as fault:
        return replace(found, unavailable=fault.detail if isinstance(fault, ModelUnavailable) else fault.message)
    if not isinstance(session, OnnxSession):
        return found
    found = replace(found, form=session.form, keeps_memory=session.keeps_memory)
    if rewrites is None:
        return found
    is_rewritten = session.form != PUBLISHED_FORM
    return replace(
        found,
        rewritten=("before" if was_rewritten else "now") if is_rewritten else "never",
        rewritten_folder=str(rewrites.float_path.parent),
        choice_is_kept=not (is_rewritten and _must_choose(rewrites, settings)) or rewrites.choice_path.is_file(),
    )


def _shipped_fault() -> str:
    try:
        shipped_model.find()
    except ModelUnavailable as fault:
        return fault.detail
    return ""


def _find(name: str, settings: Settings) -> Path | None:
    try:
        if name == SHIPPED_MODEL:
            return shipped_model.find().path
        return model_files.find_model(name, settings)
    except ModelUnavailable:  # told as `shipped_fault`
        return None
    except (OSError, RuntimeError):  # a folder that may not be looked into, a user without a home
        return None


def _must_choose(rewrites: Rewrites, settings: Settings) -> bool:
    return settings.precision == "auto" and rewrites.int8_path.is_file()


def _checksum(name: str, path: Path | None) -> str:
    if name == SHIPPED_MODEL and path:  # found by its checksum
        return "right"
    if path is None or name not in PUBLISHED:
        return "unknown"
    try:
        return "right" if model_files.sha256_of(path) == PUBLISHED[name].sha256 else "wrong"
    except OSError:
        return "unreadable"


def _rewrites(name: str, path: Path | None, settings: Settings) -> Rewrites | None:
    try:
        return model_rewrites.find(path, settings) if path and name == TINY_MODEL else None
    except OSError:  # a file that cannot be read
        return None


def _try(service: TinyU2NetService) -> Trial:
    """Cut the sample photo out twice, without a result cache: the second would be found there."""
    service = TinyU2NetService(replace(service.settings, result_cache_mb=0), service.models)
    photo = SAMPLE_PHOTO.read_bytes()
    options = CutoutOptions(model=service.models.served_name())  # one that is named is never downloaded
    try:
        first, second = service.cut_out(photo, options), service.cut_out(photo, options)
    except AppError as fault:
        return Trial(fault=fault.message)
    return Trial(
        method=second.method,
        model=second.model,
        first_ms=first.timings_ms["total"],
        timings_ms=second.timings_ms,
        peak_rss_mb=round(memory.peak_rss_mb(), 1),
        rss_mb=round(memory.rss_mb(), 1),
    )
