"""The doctor's report: what was found and what of it would be wrong, as text for people or JSON for programs."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from app import __version__
from app.services import doctor, examination
from app.services.doctor import Finding
from app.services.examination import Examination, Machine, Model, Packages, Server, Trial
from app.services.tiny_u2net_service import TinyU2NetService

_NAME_COLUMNS, _COLUMNS = 14, 100


@dataclass(frozen=True)
class Report:
    """What an examination found, and what is to be said about it."""

    found: Examination
    findings: list[Finding]

    @property
    def is_sound(self) -> bool:
        """Whether there is no fault."""
        return not any(finding.is_fault for finding in self.findings)

    def as_json(self) -> str:
        """One object: `version`, `sound`, `findings` and, as they are named in examination.py, the facts."""
        facts = {"version": __version__, "sound": self.is_sound, "findings": [asdict(one) for one in self.findings]}
        return json.dumps(facts | asdict(self.found), indent=2)

    def as_text(self) -> str:
        """Aligned lines: the facts, the faults, the advice, and a verdict at the end."""
        facts = "\n".join(_paragraph(name, text) for name, text in _facts(self.found))
        findings = "\n".join(_paragraph("FAULT" if one.is_fault else "advice", one.message) for one in self.findings)
        parts = [f"TinyCut {__version__}", facts, findings, self.verdict]
        return "\n\n".join(part for part in parts if part)

    @property
    def verdict(self) -> str:
        """One sentence that says whether this host may serve."""
        faults = sum(finding.is_fault for finding in self.findings)
        advice = len(self.findings) - faults
        told = f"{advice} {'piece' if advice == 1 else 'pieces'} of advice"
        if faults:
            return f"Not fit for production: {faults} {'fault' if faults == 1 else 'faults'}, {told}."
        return f"Fit for production, with {told}." if advice else "Fit for production."


def make(service: TinyU2NetService) -> Report:
    """Examine the host with this service and judge what is found.

    Raises:
        ConfigError: WEB_CONCURRENCY is no number.
    """
    found = examination.examine(service)
    return Report(found, doctor.judge(service.settings, found))


def _paragraph(name: str, text: str) -> str:
    return textwrap.fill(
        text,
        _COLUMNS,
        initial_indent=name.ljust(_NAME_COLUMNS),
        subsequent_indent=" " * _NAME_COLUMNS,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _facts(found: Examination) -> Iterator[tuple[str, str]]:
    yield "host", _machine(found.machine)
    yield "memory", _memory(found.machine)
    yield "disk", "; ".join(f"{disk.left_mb:.0f} MB left in {disk.folder}" for disk in found.machine.disks)
    yield "server", _server(found.server)
    yield "packages", _packages(found.packages)
    yield "onnxruntime", _onnxruntime(found.server, found.model)
    yield "model", _model(found.model)
    yield "loading", f"{found.load_s:.2f} s"
    yield "sample photo", _trial(found.trial)
    if not found.trial.fault:
        stages = " · ".join(f"{stage} {ms:.0f}" for stage, ms in found.trial.timings_ms.items() if stage != "total")
        yield "stages, ms", stages
        yield "memory then", f"{found.trial.rss_mb:.0f} MB resident, {found.trial.peak_rss_mb:.0f} MB at the peak"


def _machine(machine: Machine) -> str:
    library = f"glibc {machine.glibc}" if machine.glibc else "no glibc"
    python = ".".join(map(str, machine.python))
    processors = f"{machine.cpu_count} {'processor' if machine.cpu_count == 1 else 'processors'}"
    return f"{machine.platform}, {machine.system}, {processors}, {library}, Python {python}"


def _memory(machine: Machine) -> str:
    small = f"; a small host, for {machine.constrained_because}" if machine.constrained_because else ""
    limit = f"limit {machine.memory_limit_mb} MB ({machine.memory_limit_source})"
    return f"{limit}, {machine.memory_left_mb:.0f} MB left{small}"


def _server(server: Server) -> str:
    workers = "1 worker" if server.workers == 1 else f"{server.workers} workers"
    photos = "1 photo" if server.photos_at_once == 1 else f"{server.photos_at_once} photos"
    routers = "unknown" if server.routers is None else server.routers
    turns = f"{photos} at once, {server.queue_size} may wait"
    return f"{server.address}, {workers} of {server.threads} threads, {turns}; routers in front: {routers}"


def _packages(packages: Packages) -> str:
    as_pinned = packages.pinned - len(packages.missing) - len(packages.differing)
    return f"{as_pinned} of {packages.pinned} as pinned in requirements.txt"


def _onnxruntime(server: Server, model: Model) -> str:
    arena = "on" if model.keeps_memory else "off: what an inference took is given back"
    threads = "1 thread" if server.inference_threads == 1 else f"{server.inference_threads} threads"
    return f"{server.onnxruntime or 'not installed'}, {threads}" + (f", growing arena {arena}" if model.form else "")


def _model(model: Model) -> str:
    if not model.path:
        return f"{model.name}, no file"
    told = f"{model.name}, {model.size_bytes / 1e6:.1f} MB, checksum {model.checksum}, {model.path}"
    when = {"before": "rewritten before", "now": "rewritten just now", "never": "not rewritten"}.get(model.rewritten)
    return f"{told}; {when}, served as {model.form}" if when else told


def _trial(trial: Trial) -> str:
    if trial.fault:
        return "not cut out"
    return (
        f"cut out by {trial.method} ({trial.model}): {trial.timings_ms['total']:.0f} ms, the first {trial.first_ms:.0f}"
    )
