"""What would be wrong in production with what an examination found, each with a sentence that says what to do.

A fault loses or endangers photos, or lets a limit not hold; advice is for what works and could be better.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.config import APP_MODEL_HOME, Settings
from app.errors import UnreadableImage
from app.hosting import MIB
from app.imaging.decode import Probe
from app.services import sizing
from app.services.examination import Examination, Model
from app.services.model_manager import INFERENCE_MB, PUBLISHED_FORM
from app.services.model_rewrites import CHOOSER_MB
from app.services.options import CutoutOptions
from app.services.shipped_model import SHIPPED_MODEL
from app.services.tiny_u2net_service import LEAST_BUDGET_MB, RESIDENT_MB, UPLOAD_SLACK_BYTES

OLDEST_PYTHON, NEWEST_PYTHON = (3, 11), (3, 14)
# A worker with its model, and room for small photos.
LEAST_MEMORY_MB = RESIDENT_MB + LEAST_BUDGET_MB
# The smallest box that photos are sent to (tests/memory).
TESTED_MEMORY_MB = 256
# What docs/deploying.md gives a container's /tmp: batches in memory are in no photo's budget, and fit beside it.
LARGEST_TMPFS_MB = 64
# Heroku's router gives a request up after 30 s, and the work goes on for nobody.
HEROKU_DEADLINE_S = 28
WARM = "python -m app.cli warm"


@dataclass(frozen=True)
class Finding:
    """One thing that would be wrong: a fault or advice, a code for programs, a sentence for people."""

    is_fault: bool
    code: str
    message: str


def judge(settings: Settings, found: Examination) -> list[Finding]:
    """All findings, faults first."""
    findings = [
        *_python_and_packages(found),
        *_memory(settings, found),
        *_model(settings, found),
        *_trial(found),
        *_server(settings, found),
        *_doors(settings),
        *_disks(found),
    ]
    return sorted(findings, key=lambda finding: not finding.is_fault)


def _fault(code: str, message: str) -> Finding:
    return Finding(True, code, message)


def _advice(code: str, message: str) -> Finding:
    return Finding(False, code, message)


def _python_and_packages(found: Examination) -> Iterator[Finding]:
    version = found.machine.python[:2]
    named = ".".join(map(str, version))
    if version < OLDEST_PYTHON:
        yield _fault("python_too_old", f"Python {named} is too old: install 3.13, as .python-version says.")
    if version > NEWEST_PYTHON:
        yield _advice("python_too_new", f"Nothing was tested on Python {named}: use 3.13, as .python-version says.")
    if found.packages.missing:
        yield _fault(
            "packages_missing",
            f"Not installed: {', '.join(found.packages.missing)}. Run pip install -r requirements.txt.",
        )
    if found.packages.differing:
        yield _advice(
            "packages_differ",
            f"Not what was tested: {', '.join(found.packages.differing)}. Run pip install -r requirements.txt.",
        )
    if not found.machine.glibc:
        yield Finding(
            bool(found.machine.constrained_because),
            "no_glibc",
            "The C library is not glibc, so memory is not handed back after a photo: use an image of Debian or Ubuntu, "
            "not of Alpine.",
        )


def _memory(settings: Settings, found: Examination) -> Iterator[Finding]:
    machine, workers = found.machine, found.server.workers
    limit_mb = machine.memory_limit_mb
    if limit_mb < TESTED_MEMORY_MB:
        yield Finding(
            limit_mb < LEAST_MEMORY_MB,
            "memory_too_small",
            f"The limit of {limit_mb} MB is less than the {TESTED_MEMORY_MB} that are tested, and in less than "
            f"{LEAST_MEMORY_MB} the model and a photo do not fit: give the host more.",
        )
    if workers > 1 and (machine.constrained_because or limit_mb < workers * LEAST_MEMORY_MB):
        yield _fault(
            "too_many_workers",
            f"Each of the {workers} workers holds a model and reckons with all of the {limit_mb} MB, so that together "
            "they may be killed: set WEB_CONCURRENCY=1.",
        )
    elif workers > 1:
        yield _advice(
            "several_workers",
            f"Each of the {workers} workers holds a model, reckons with all of the memory and counts its own metrics: "
            f"set MEMORY_LIMIT_MB={limit_mb // workers}, or WEB_CONCURRENCY=1.",
        )
    if machine.glibc and machine.constrained_because and not machine.malloc_arenas_limited:
        yield _advice(
            "malloc_arenas",
            "The server itself keeps malloc to two heaps, but not what runs beside it when the model is rewritten: "
            "set MALLOC_ARENA_MAX=2.",
        )
    yield from _photo_sizes(settings, limit_mb)


def _photo_sizes(settings: Settings, limit_mb: int) -> Iterator[Finding]:
    budget_mb = max(limit_mb - RESIDENT_MB, LEAST_BUDGET_MB)
    megapixels = _largest_megapixels(settings, (budget_mb - settings.max_upload_mb) * MIB - UPLOAD_SLACK_BYTES)
    if not megapixels:
        yield _fault(
            "uploads_too_large",
            f"An upload of MAX_UPLOAD_MB={settings.max_upload_mb:g} leaves too little of the {budget_mb} MB that there "
            f"are for photos: set it to {budget_mb // 4} or less.",
        )
    elif megapixels < 0.99 * settings.max_megapixels:
        yield _advice(
            "photos_reduced",
            f"A JPEG of MAX_MEGAPIXELS={settings.max_megapixels:g} is reduced to {megapixels:.0f} to fit into the "
            "memory, and the answer says so: give the host more, or set MAX_MEGAPIXELS lower.",
        )


def _largest_megapixels(settings: Settings, room_bytes: float) -> float:
    """What a JPEG of MAX_MEGAPIXELS is worked on with, in this room; 0 where it is refused."""
    side_px = int(math.sqrt(settings.max_megapixels * 1e6))
    try:
        plan = sizing.plan(
            Probe("JPEG", side_px, side_px),
            CutoutOptions(),
            None,
            room_bytes=max(0, room_bytes),
            full_megapixels=settings.max_megapixels,
            most_megapixels=settings.max_megapixels,
        )
    except UnreadableImage:
        return 0
    return plan.photo.most_px / 1e6


def _model(settings: Settings, found: Examination) -> Iterator[Finding]:
    model = found.model
    if model.name != model.asked:
        yield _advice(
            "model_not_served",
            f"MODEL_NAME is {model.asked}, and {model.name} is served, for {found.machine.constrained_because}: leave "
            "it out, or give the host more memory.",
        )
    if found.shipped_fault:
        yield _fault(
            "shipped_model_damaged",
            f"{SHIPPED_MODEL}, which comes with the app, cannot be used, and nothing but OpenCV stands in where "
            f"another model cannot be had: install the app again. {found.shipped_fault}",
        )
    if model.name != SHIPPED_MODEL or not found.shipped_fault:
        yield from _model_file(settings, model)
    if settings.model_checksum_disabled:
        differs = " (it differs)" if model.checksum == "wrong" else ""
        yield _advice(
            "checksum_disabled",
            f"The model is not compared with the published one{differs}: set MODEL_CHECKSUM_DISABLED=0, unless the "
            "file is of your own making.",
        )
    yield from _rewriting(found)


def _model_file(settings: Settings, model: Model) -> Iterator[Finding]:
    if not model.path and settings.auto_download:
        yield _advice(
            "model_not_here",
            f"There is no file of the model {model.name}: each new host downloads it at its first start, and until "
            f"then {SHIPPED_MODEL}, which comes with the app, cuts out photos. Run {WARM} when the host is built.",
        )
    elif not model.path:
        yield _advice(
            "model_not_here",
            f"There is no file of the model {model.name}, and AUTO_DOWNLOAD is off: {SHIPPED_MODEL}, which comes with "
            f"the app, cuts out photos. Run {WARM} with AUTO_DOWNLOAD=1, set U2NET_HOME to the folder that has it, or "
            f"set MODEL_NAME={SHIPPED_MODEL} to have it so.",
        )
    elif model.checksum in ("wrong", "unreadable") and not settings.model_checksum_disabled:
        yield Finding(
            not settings.auto_download,
            "model_altered",
            f"The model's file is cut short, altered or cannot be read: delete it and run {WARM} with AUTO_DOWNLOAD=1.",
        )
    elif model.unavailable:
        yield _fault("model_unusable", f"The model cannot be loaded: {model.unavailable}")


def _rewriting(found: Examination) -> Iterator[Finding]:
    model = found.model
    if model.rewritten == "never":
        yield Finding(
            bool(found.machine.constrained_because),
            "model_not_rewritten",
            f"The model could not be rewritten into {model.rewritten_folder}, so that an inference takes "
            f"{INFERENCE_MB[PUBLISHED_FORM]} MB instead of less than 100: set MODEL_CACHE_DIR to a folder that can be "
            f"written, and run {WARM} when the host is built.",
        )
    if model.rewritten == "now":
        yield _advice(
            "model_rewritten_now",
            f"The model was rewritten just now, as a server's start would have done: run {WARM} when the host is "
            "built, so that no start waits for it.",
        )
    # What a build left in the app's own folder is most often read-only, by intention; it holds no choice, since the
    # processor that builds is another.
    if not model.choice_is_kept and not Path(model.rewritten_folder).is_relative_to(APP_MODEL_HOME):
        yield _advice(
            "precision_not_kept",
            f"Whether 8 bits are faster here is asked again at each start, for {model.rewritten_folder} cannot be "
            f"written, or the {CHOOSER_MB} MB to try it were not left: run {WARM} where both are so, or set PRECISION "
            "to float or int8.",
        )


def _trial(found: Examination) -> Iterator[Finding]:
    trial, model = found.trial, found.model
    if trial.fault:
        yield _fault("cutout_failed", f"The sample photo could not be cut out: {trial.fault}")
    is_loaded = not model.unavailable
    best = model.name if is_loaded else SHIPPED_MODEL
    if trial.method and trial.model != best and (is_loaded or not found.shipped_fault):
        yield _fault(
            "served_by_another",
            f"{best} is here, and still the photo was cut out by {trial.method}, most likely for want of memory "
            f"({found.machine.memory_left_mb:.0f} MB are left): give the host more, or stop what else runs there.",
        )


def _server(settings: Settings, found: Examination) -> Iterator[Finding]:
    server, machine = found.server, found.machine
    if server.inference_threads > machine.cpu_count:
        yield _advice(
            "too_many_threads",
            f"OMP_NUM_THREADS is {server.inference_threads} for {machine.cpu_count} processors, which is slower: leave "
            "it out.",
        )
    if machine.platform == "heroku" and settings.deadline_s > HEROKU_DEADLINE_S:
        yield _fault(
            "deadline_too_late",
            f"Heroku gives a request up after 30 s, and DEADLINE_S is {settings.deadline_s:g}: set it to 25.",
        )
    if server.routers is None:
        yield _advice(
            "proxy_hops_unknown",
            "How many routers stand in front is not known on this platform; behind one, all clients have its address "
            "and https is not noticed: set PROXY_HOPS (0 where there is none).",
        )
    if settings.rate_limit and server.workers > 1 and settings.rate_limit_storage == "memory://":
        yield _fault(
            "rate_counted_apart",
            f"Each of the {server.workers} workers counts RATE_LIMIT for itself, so that a client has several times as "
            "much: set RATE_LIMIT_STORAGE to a Redis, or WEB_CONCURRENCY=1.",
        )


def _doors(settings: Settings) -> Iterator[Finding]:
    if not settings.api_keys and not settings.rate_limit:
        yield _advice("api_open", "Anybody may use the API as much as they like: set API_KEYS or RATE_LIMIT.")
    if settings.cors_origins == "*":
        yield _advice(
            "cors_any", "Pages of all sites may call the API: name the sites in CORS_ORIGINS, or leave it out."
        )
    if not settings.metrics_token:
        yield _advice("metrics_open", "Anybody may read /metrics: set METRICS_TOKEN (openssl rand -hex 24 makes one).")


def _disks(found: Examination) -> Iterator[Finding]:
    is_small = bool(found.machine.constrained_because)
    for disk in found.machine.disks:
        if is_small and disk.is_memory and min(disk.left_mb, disk.needed_mb) > LARGEST_TMPFS_MB:
            yield _fault(
                "files_in_memory",
                f"{disk.folder} is memory (a tmpfs), and {disk.purpose} may take {disk.needed_mb:.0f} MB there beside "
                f"the photos: bound it (--tmpfs {disk.folder}:size={LARGEST_TMPFS_MB}m), or use a folder on a disk.",
            )
        elif disk.left_mb < disk.needed_mb:
            yield Finding(
                # A bound is right there: what is over it is refused with a sentence.
                not (is_small and disk.is_memory),
                "disk_low",
                f"{disk.folder or 'No folder for temporary files'} has {disk.left_mb:.0f} MB to write, and "
                f"{disk.purpose} may need {disk.needed_mb:.0f}: make room, or set a smaller limit.",
            )
