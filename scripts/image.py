"""Build the image, run it as the smallest host would, and print what the image and Heroku's slug weigh.

    python scripts/image.py [--base IMAGE] [--engine WORDS] [--build WORDS] [--run WORDS]

Needs Docker or Podman. It is run with a read-only root, without network, in 512 MB: ready, one photo, the health check,
and an end in order; anything else is an error. WORDS are handed on, such as --engine "podman --runtime runc" or
--build "--format docker" (Podman leaves the HEALTHCHECK out without it). Without a way to the model's address, put
u2netp.onnx into .rembg/ first.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[1]
_TAG = "localhost/tinycut"
_AS_A_SMALL_HOST = ("--read-only", "--tmpfs", "/tmp:size=64m", "--network", "none", "--memory", "512m")  # noqa: S108
_READY_LIMIT_S = 60
# Runs inside: with no network there is no way in from outside.
_CLIENT = """
import http.client, json, os, time
server = http.client.HTTPConnection("127.0.0.1", int(os.environ["PORT"]), timeout=60)
def ask(*request):
    server.request(*request)
    return json.loads(server.getresponse().read())
while not ask("GET", "/ready")["ready"]:
    time.sleep(0.2)
started_s = time.perf_counter()
photo = open("app/static/sample.jpg", "rb").read()
method = ask("POST", "/api/remove-background", photo, {"Content-Type": "image/jpeg"})["method"]
took_s = time.perf_counter() - started_s
memory = ask("GET", "/ready")["memory"]
print(json.dumps({"method": method, "s": took_s, "user": os.getuid(), "peak_mb": memory["peak_rss_mb"]}))
"""


class Failure(Exception):
    """What the image does otherwise than it should, in one sentence."""


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks; answer the exit status."""
    parser = argparse.ArgumentParser(description="Build the image, run it in 512 MB, print what it and the slug weigh.")
    parser.add_argument("--base", help="an image with Python 3.13; by default the Dockerfile's")
    parser.add_argument("--engine", type=shlex.split, default=_installed_engine(), metavar="WORDS")
    parser.add_argument("--build", type=shlex.split, default=[], metavar="WORDS", help="more words for build")
    parser.add_argument("--run", type=shlex.split, default=[], metavar="WORDS", help="more words for run")
    options = parser.parse_args(arguments)
    if not options.engine:
        print("SKIPPED: neither docker nor podman is installed, so there is no image.", file=sys.stderr)
        return 2
    base = ["--build-arg", f"BASE={options.base}"] if options.base else []
    build = [*options.engine, "build", "--file", "deploy/Dockerfile", "--tag", _TAG, *base, *options.build, "."]
    try:
        subprocess.run(build, cwd=_ROOT, check=True, stdout=sys.stderr)
        print(trial(options.engine, options.run))
    except Failure as failure:
        print(failure, file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as fault:
        print(f"{shlex.join(fault.cmd[:4])} … ended with {fault.returncode}.", file=sys.stderr)
        return 1
    print(sizes(options.engine, options.run))
    return 0


def _installed_engine() -> list[str]:
    return [name for name in ("docker", "podman") if shutil.which(name)][:1]


def trial(engine: Sequence[str], words: Sequence[str]) -> str:
    """Run the image as a small host does and say how it went.

    Raises:
        Failure: it is not ready in time, runs as root, does not cut out by the neural network, or ends with a fault.
    """
    with _container(engine, words) as name:
        _wait_until_healthy(engine, name)
        client = [*engine, "exec", name, "python", "-c", _CLIENT]
        found = json.loads(subprocess.run(client, check=True, capture_output=True, text=True).stdout)
        if found["method"] != "tiny_u2net" or found["user"] == 0:
            raise Failure(f"The image should cut out by tiny_u2net as another user than root: {found}.")
        subprocess.run([*engine, "stop", "-t", "30", name], check=True, capture_output=True)
        state = _inspect(engine, "container", name)["State"]
        if state["ExitCode"] != 0 or state["OOMKilled"]:
            raise Failure(f"The image should end in order: {state}.")
    return (
        f"run:   read-only, as user {found['user']}, without network, in 512 MB: healthy, a photo by {found['method']} "
        f"in {found['s']:.1f} s, at most {found['peak_mb']:.0f} MB, ended with 0"
    )


@contextmanager
def _container(engine: Sequence[str], words: Sequence[str]) -> Iterator[str]:
    run = [*engine, "run", "--detach", *_AS_A_SMALL_HOST, *words, _TAG]
    name = subprocess.run(run, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    try:
        yield name
    finally:
        subprocess.run([*engine, "rm", "--force", name], check=False, capture_output=True)


def _wait_until_healthy(engine: Sequence[str], name: str) -> None:
    """Run the image's own HEALTHCHECK until it passes. Raises Failure where it never does."""
    check = (_inspect(engine, "container", name)["Config"].get("Healthcheck") or {}).get("Test")
    if not check:
        raise Failure('The image has no HEALTHCHECK. With Podman, add --build "--format docker".')
    ends_s = time.monotonic() + _READY_LIMIT_S
    while subprocess.run([*engine, "exec", name, *check[1:]], check=False, capture_output=True).returncode:
        if time.monotonic() > ends_s:
            log = subprocess.run([*engine, "logs", name], check=False, capture_output=True, text=True)
            raise Failure(f"The image is not healthy after {_READY_LIMIT_S} s. Its log:\n{log.stdout}{log.stderr}")
        time.sleep(0.5)


def _inspect(engine: Sequence[str], kind: str, name: str) -> dict[str, Any]:
    done = subprocess.run([*engine, kind, "inspect", name], check=True, stdout=subprocess.PIPE)
    found: dict[str, Any] = json.loads(done.stdout)[0]
    return found


def sizes(engine: Sequence[str], words: Sequence[str]) -> str:
    """Say what the image weighs, and what Heroku would pack: the same packages and model, and the files of HEAD."""
    image, packed_image = weigh([*engine, "save", _TAG])
    ignored = [f":!{line.strip('/')}" for line in (_ROOT / ".slugignore").read_text().split()]
    source = weigh(["git", "-C", str(_ROOT), "archive", "HEAD", "--", ".", *ignored])
    inside = [*engine, "run", "--rm", "--network", "none", *words, _TAG]
    installed = weigh([*inside, "tar", "-C", "/", "-c", "venv", "app/.rembg"])
    slug, packed_slug = (sum(parts) for parts in zip(source, installed, strict=True))
    return (
        f"image: {image / 1e6:.0f} MB, {packed_image / 1e6:.0f} MB compressed, its base included\n"
        f"slug:  {slug / 1e6:.0f} MB, {packed_slug / 1e6:.0f} MB compressed, without Heroku's own Python"
    )


def weigh(command: Sequence[str]) -> tuple[int, int]:
    """How many bytes a command prints, and how many they are once compressed as gzip does."""
    size = packed = 0
    compressor = zlib.compressobj(6)
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while piece := process.stdout.read(1 << 20):
            size += len(piece)
            packed += len(compressor.compress(piece))
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, list(command))
    return size, packed + len(compressor.flush())


if __name__ == "__main__":
    sys.exit(main())
