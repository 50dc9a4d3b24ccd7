"""Where are we running, and how much memory and processor may we use?

Standard library only, no side effects: gunicorn's master imports this file. Every reader takes a `root`, so
that tests show it a made-up /proc and /sys.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

MIB = 1024 * 1024
CONSTRAINED_BELOW_MB = 1024
NO_LIMIT_BYTES = 1 << 40  # cgroup v1 writes "no limit" as a number near 2^63; nothing real is over 1 TiB

PLATFORMS = (
    ("railway", ("RAILWAY_ENVIRONMENT_NAME", "RAILWAY_SERVICE_ID")),
    ("heroku", ("DYNO",)),
    ("render", ("RENDER",)),
    ("fly", ("FLY_APP_NAME",)),
)
SMALL_PLATFORMS = ("railway", "heroku")
# How many addresses a platform's routers add to X-Forwarded-For, the client's being the first of them. Heroku adds the
# client; Railway (which drops what the client sent) and Fly the client and an address of their own; Render the client,
# Cloudflare and an inner router. Counted from the right, so that what a client writes there itself is never read.
ROUTER_HOPS = {"heroku": 1, "railway": 2, "render": 3, "fly": 2}
TRUE_WORDS = ("1", "true", "yes", "on")
FALSE_WORDS = ("0", "false", "no", "off")


@dataclass(frozen=True)
class Host:
    """What was found out about the machine, or the box on it, that this process lives in.

    `memory_limit_file` is the control group's file with the limit that binds, None when another limit does.
    """

    platform: str
    memory_limit_mb: int
    memory_limit_source: str
    cpu_count: int
    constrained: bool
    constrained_because: str
    memory_limit_file: Path | None = None

    @property
    def cgroup(self) -> Path | None:
        """The folder of the control group whose limit binds."""
        return self.memory_limit_file.parent if self.memory_limit_file else None

    @property
    def memory_limit_found_in(self) -> str:
        """Where the limit was read: a control group's file in full, else what `memory_limit_source` says."""
        return str(self.memory_limit_file or self.memory_limit_source)


@dataclass(frozen=True)
class _Limit:
    size_bytes: int
    source: str
    file: Path | None = None


def detect(root: Path | str = "/", environ: Mapping[str, str] | None = None) -> Host:
    """Find the platform, the least of all memory limits, the processors, and whether memory is scarce."""
    root = Path(root)
    environ = os.environ if environ is None else environ
    platform = detect_platform(environ)
    limit = min(_memory_limits(root, environ), key=lambda found: found.size_bytes)
    limit_mb = limit.size_bytes // MIB
    because = _constrained_because(limit_mb, platform, environ.get("MEMORY_CONSTRAINED", ""))
    return Host(
        platform=platform,
        memory_limit_mb=limit_mb,
        memory_limit_source=limit.source,
        cpu_count=_cpu_count(root),
        constrained=bool(because),
        constrained_because=because,
        memory_limit_file=limit.file,
    )


def detect_platform(environ: Mapping[str, str]) -> str:
    """Name the hosting platform by the variables it sets, or "local"."""
    for name, markers in PLATFORMS:
        if any(environ.get(marker) for marker in markers):
            return name
    return "local"


def malloc_arenas_are_limited(environ: Mapping[str, str] | None = None) -> bool:
    """Whether glibc is told from a process's first moment to keep few heaps: MALLOC_ARENA_MAX, or its tunable."""
    environ = os.environ if environ is None else environ
    return bool(environ.get("MALLOC_ARENA_MAX")) or "malloc.arena_max" in environ.get("GLIBC_TUNABLES", "")


def processor(root: Path | str = "/") -> str:
    """Name the kind of processor and what it can do: its model and flags where Linux tells them, else little."""
    kinds = [platform.machine()]
    for line in _read_text(Path(root) / "proc/cpuinfo").splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "flags", "CPU part", "Features"):
            kinds.append(value.strip())
        if not line and len(kinds) > 1:  # the first processor's paragraph ends; the others are alike
            break
    return "; ".join(kinds)


def is_kept_in_memory(folder: Path, root: Path | str = "/") -> bool:
    """Whether the files of a folder, given by its real path, lie in a tmpfs: its container pays for them in memory."""
    kinds = {}  # of mount points; what is mounted later covers what was there
    for line in _read_text(Path(root) / "proc/mounts").splitlines():
        _device, mount_point, kind = line.split()[:3]
        kinds[Path(mount_point)] = kind
    return next((kinds[part] for part in (folder, *folder.parents) if part in kinds), "") == "tmpfs"


def cgroup_usage_bytes(cgroup: Path) -> int | None:
    """Tell what a control group uses now, without the file cache that the kernel drops by itself."""
    for usage_file, cache_key in (
        ("memory.current", "inactive_file"),
        ("memory.usage_in_bytes", "total_inactive_file"),
    ):
        usage = _read_number(cgroup / usage_file)
        if usage is not None:
            return max(0, usage - _read_keyed(cgroup / "memory.stat", cache_key))
    return None


def _constrained_because(limit_mb: int, platform: str, word: str) -> str:
    """Say why memory counts as scarce; empty when it does not. A word of the deployer outranks the platform."""
    word = word.strip().lower()
    if limit_mb < CONSTRAINED_BELOW_MB:
        return f"the memory limit is {limit_mb} MB"
    if word in TRUE_WORDS:
        return "MEMORY_CONSTRAINED is set"
    if platform in SMALL_PLATFORMS and word not in FALSE_WORDS:
        return f"the platform is {platform}"
    return ""


def _memory_limits(root: Path, environ: Mapping[str, str]) -> Iterator[_Limit]:
    asked_mb = environ.get("MEMORY_LIMIT_MB", "").strip()
    if asked_mb.isdecimal() and int(asked_mb) > 0:
        yield _Limit(int(asked_mb) * MIB, "MEMORY_LIMIT_MB")
    for folder in _cgroup_folders(root, ""):
        for name in ("memory.max", "memory.high"):
            size = _read_number(folder / name)
            if size is not None and size < NO_LIMIT_BYTES:
                yield _Limit(size, f"cgroup v2 {name}", folder / name)
    for folder in _cgroup_folders(root, "memory"):
        file = folder / "memory.limit_in_bytes"
        size = _read_number(file)
        if size is not None and size < NO_LIMIT_BYTES:
            yield _Limit(size, f"cgroup v1 {file.name}", file)
    yield from _rlimits()
    total_kib = _read_keyed(root / "proc/meminfo", "MemTotal:")
    yield _Limit(total_kib * 1024 if total_kib else _sysconf_memory_bytes(), "MemTotal")


def _rlimits() -> Iterator[_Limit]:
    try:
        import resource
    except ImportError:  # Windows has none
        return
    for kind in ("RLIMIT_AS", "RLIMIT_RSS"):
        number = getattr(resource, kind, None)
        if number is None:
            continue
        soft, _hard = resource.getrlimit(number)
        if soft != resource.RLIM_INFINITY and 0 < soft < NO_LIMIT_BYTES:
            yield _Limit(soft, kind)


def _sysconf_memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return NO_LIMIT_BYTES


def _cgroup_folders(root: Path, controller: str) -> Iterator[Path]:
    """Walk this process's control group and its parents, up to the mount; "" is the v2 hierarchy.

    Inside a container the path in /proc is often the host's and does not exist; the mount itself is then the
    container's own group, so it is always looked at.
    """
    mounts = root / "sys/fs/cgroup"
    for mount in (mounts, mounts / "unified") if not controller else (mounts / controller,):
        if not mount.is_dir():
            continue
        relative = Path(_cgroup_path(root, controller).lstrip("/"))
        if ".." not in relative.parts:
            for part in (relative, *relative.parents):
                if part != Path() and (mount / part).is_dir():
                    yield mount / part
        yield mount


def _cgroup_path(root: Path, controller: str) -> str:
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return "/"
    for line in lines:
        _number, controllers, path = (*line.split(":", 2), "", "")[:3]
        if controller in controllers.split(","):
            return path
    return "/"


def _cpu_count(root: Path) -> int:
    try:
        cpus = float(len(os.sched_getaffinity(0)))
    except AttributeError:  # macOS and Windows
        cpus = float(os.cpu_count() or 1)
    for folder in _cgroup_folders(root, ""):
        words = _read_text(folder / "cpu.max").split()
        if len(words) == 2 and words[0].isdecimal() and words[1].isdecimal() and int(words[1]):
            cpus = min(cpus, int(words[0]) / int(words[1]))
    for folder in _cgroup_folders(root, "cpu"):
        quota = _read_number(folder / "cpu.cfs_quota_us")
        period = _read_number(folder / "cpu.cfs_period_us")
        if quota and period and quota > 0:
            cpus = min(cpus, quota / period)
    return max(1, round(cpus))


def _read_text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""


def _read_number(path: Path) -> int | None:
    text = _read_text(path).strip()
    return int(text) if text.isdecimal() else None


def _read_keyed(path: Path, key: str) -> int:
    """Read the number after `key` in a file of "key number" lines; 0 when it is not there."""
    for line in _read_text(path).splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == key and words[1].isdecimal():
            return int(words[1])
    return 0
