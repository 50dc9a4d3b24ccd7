"""A hard memory limit of our own (a cgroup, v1 or v2) and the server, started in it by its Procfile.

For tests and for the scripts that measure; the app never imports this.
"""

from __future__ import annotations

import itertools
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import psutil
import requests

REPO = Path(__file__).resolve().parents[1]
MIB = 1024 * 1024

_V1 = Path("/sys/fs/cgroup/memory")
_V2 = Path("/sys/fs/cgroup")
_numbers = itertools.count(1)


class BoxUnavailable(Exception):
    """This machine or this user may not make a cgroup."""


class Box:
    """A cgroup with a hard memory limit and no swap; processes put themselves in with `enter`."""

    def __init__(self, limit_mb: int) -> None:
        self.limit_mb = limit_mb
        self._v1 = _V1.is_dir()
        self._folder = (_V1 if self._v1 else _V2) / f"tinycut-{os.getpid()}-{next(_numbers)}"

    def __enter__(self) -> Box:
        size = str(self.limit_mb * MIB)
        limits = {self._limit_name: size} if self._v1 else {self._limit_name: size, "memory.swap.max": "0"}
        try:
            self._folder.mkdir()
        except OSError as fault:
            raise BoxUnavailable(f"no cgroup can be made at {self._folder.parent}: {fault.strerror}") from fault
        for name, value in limits.items():
            try:
                (self._folder / name).write_text(value)
            except OSError as fault:
                if name == "memory.swap.max":  # a kernel without swap accounting
                    continue
                self._folder.rmdir()
                raise BoxUnavailable(f"{name} cannot be set: {fault.strerror}") from fault
        return self

    def __exit__(self, *_error: object) -> None:
        ends_s = time.monotonic() + 5
        while True:
            try:
                self._folder.rmdir()
                return
            except OSError:  # the kernel is still clearing up after the last process
                if time.monotonic() > ends_s:
                    raise
                time.sleep(0.05)

    @property
    def _limit_name(self) -> str:
        return "memory.limit_in_bytes" if self._v1 else "memory.max"

    def change_limit(self, limit_mb: int) -> None:
        """Set another limit while processes are in the box, as a host does that is told to."""
        (self._folder / self._limit_name).write_text(str(limit_mb * MIB))
        self.limit_mb = limit_mb

    def enter(self) -> None:
        """Put the calling process, and all its later children, in the box."""
        (self._folder / "cgroup.procs").write_text(str(os.getpid()))

    @property
    def peak_mb(self) -> float:
        """The most memory that was in use in the box, file cache included."""
        name = "memory.max_usage_in_bytes" if self._v1 else "memory.peak"
        return int((self._folder / name).read_text()) / MIB

    @property
    def in_use_mb(self) -> float:
        """What is in use in the box now, without the file cache that the kernel would give up first."""
        total = "memory.usage_in_bytes" if self._v1 else "memory.current"
        stat = dict(line.split() for line in (self._folder / "memory.stat").read_text().splitlines())
        idle_files = int(stat["total_inactive_file" if self._v1 else "inactive_file"])
        return (int((self._folder / total).read_text()) - idle_files) / MIB

    @property
    def kills(self) -> int:
        """How often the kernel killed a process for memory."""
        name = "memory.oom_control" if self._v1 else "memory.events"
        words = dict(line.split() for line in (self._folder / name).read_text().splitlines())
        return int(words.get("oom_kill", 0))


class Server:
    """A server on a free port of the loopback; a context manager. Without a `command`, which finds its port in $PORT,
    it is the one of this repo, started by its Procfile, in `folder`.
    `within` is a command that sets the server's surroundings up and then runs the rest of its line in its own place.
    """

    def __init__(
        self,
        *,
        env: Mapping[str, str] | None = None,
        box: Box | None = None,
        log: Path | None = None,
        app: str = "wsgi:app",
        command: str | None = None,
        folder: Path = REPO,
        within: Sequence[str] = (),
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._env = {**os.environ, **(env or {}), "PORT": str(self.port)}
        # The interpreter's own folder first: the Procfile says `gunicorn`, as on a host.
        self._env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{self._env['PATH']}"
        self._command = command or procfile_command().replace("wsgi:app", app)
        self._folder = folder
        self._box = box
        self._within = within
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Server:
        self.start()
        try:
            self.wait_for("/health")
        except BaseException:
            self.stop()
            raise
        return self

    def start(self) -> None:
        """Start the process, and wait for nothing."""
        with (self.log or Path(os.devnull)).open("ab") as output:
            self._process = subprocess.Popen(
                [*self._within, "sh", "-c", f"exec {self._command}"],
                cwd=self._folder,
                env=self._env,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=self._box.enter if self._box else None,
            )

    @property
    def running(self) -> bool:
        """Whether the process that was started has not ended."""
        return self._process is not None and self._process.poll() is None

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Process id of gunicorn's master."""
        assert self._process is not None
        return self._process.pid

    def terminate(self) -> None:
        """Tell the server to end, as a host would (SIGTERM)."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def stop(self) -> int:
        """End the server as a host would and return its exit status."""
        self.terminate()
        assert self._process is not None
        try:
            return self._process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise

    def wait_for(self, path: str, *, limit_s: float = 60) -> None:
        """Wait until a path answers 200."""
        ends_s = time.monotonic() + limit_s
        while time.monotonic() < ends_s:
            assert self._process is not None
            if self._process.poll() is not None:
                break
            try:
                if requests.get(self.url + path, timeout=5).status_code == 200:
                    return
            except (requests.ConnectionError, requests.Timeout):
                pass
            time.sleep(0.05)
        text = self.log.read_text(errors="replace") if self.log else "(not logged)"
        raise RuntimeError(f"{path} of the server did not answer 200; its log:\n{text}")

    def rss_mb(self) -> float:
        """Resident memory of the worker in MB (the master's is the smaller one)."""
        return max(child.memory_info().rss for child in self._children()) / MIB

    @contextmanager
    def peak_growth_mb(self) -> Iterator[list[float]]:
        """Measure how far the worker's resident memory rose, at its peak, during the block: the list's one item."""
        process = Path("/proc") / str(max(self._children(), key=lambda child: child.memory_info().rss).pid)
        (process / "clear_refs").write_text("5")  # the kernel forgets the peak so far
        before_mb, growth = _peak_mb(process), list[float]()
        yield growth
        growth.append(_peak_mb(process) - before_mb)

    def worker_pids(self) -> list[int]:
        """Process ids of the workers."""
        return [child.pid for child in self._children()]

    def _children(self) -> Sequence[psutil.Process]:
        assert self._process is not None
        return list(psutil.Process(self._process.pid).children())


def _peak_mb(process: Path) -> float:
    fields = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    return int(fields["VmHWM"].split()[0]) / 1024


def procfile_command() -> str:
    """The command of the Procfile's web process."""
    for line in (REPO / "Procfile").read_text().splitlines():
        kind, _, command = line.partition(":")
        if kind == "web":
            return command.strip()
    raise ValueError("the Procfile has no web process")


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def boxed_server(
    limit_mb: int, *, env: Mapping[str, str] | None = None, log: Path | None = None, app: str = "wsgi:app"
) -> Iterator[tuple[Box, Server]]:
    """The server in a box of `limit_mb`, until the block ends."""
    with Box(limit_mb) as box, Server(env=env, box=box, log=log, app=app) as server:
        yield box, server
