"""What is shipped: pinned, locked by hash, listed, under licences that somebody has read."""

from __future__ import annotations

import ast
import json
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from app.services import shipped_model
from app.services.model_files import PUBLISHED
from scripts import shipped
from tests.support import REPO

LOCK = (REPO / "requirements.lock").read_text()
# What an image has: Linux, and the Python of .python-version.
IMAGE = {
    "python_version": "3.13",
    "python_full_version": "3.13.0",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "os_name": "posix",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
    "extra": "",
}
# Packages whose module has another name.
MODULE_OF_PACKAGE = {
    "opencv-python-headless": "cv2",
    "pillow": "PIL",
    "python-json-logger": "pythonjsonlogger",
    "prometheus-client": "prometheus_client",
}
FREE = {
    *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "FTL", "IJG", "MIT", "MIT-CMU"),
    *("MIT-Modern-Variant", "MIT-open-group", "OpenSSL", "PSF-2.0", "Zlib", "libpng-2.0", "libtiff"),
    "Apache-2.0 WITH LLVM-exception",
}
# Copyleft that somebody has looked at; all of it is named in docs/licences.md. Each is used as it comes, unchanged.
LOOKED_AT = {
    **dict.fromkeys(("certifi", "tqdm"), {"MPL-2.0"}),
    **dict.fromkeys(("libavcodec", "libavformat", "libavutil", "libquadmath"), {"LGPL-2.1-or-later"}),
    **dict.fromkeys(("libswresample", "libswscale"), {"LGPL-2.1-or-later"}),
    **dict.fromkeys(("libheif", "libde265"), {"LGPL-3.0-or-later"}),
    "libgfortran": {"GPL-3.0-or-later WITH GCC-exception-3.1"},
    "libx265": {"GPL-2.0-or-later"},
    "pillow-heif": {"LGPL-3.0-or-later", "GPL-2.0-or-later"},
}


def requirements(name: str) -> list[Requirement]:
    """The lines of a requirements file, without comments and other files."""
    lines = (REPO / name).read_text().splitlines()
    return [Requirement(line) for line in lines if line.strip() and not line.startswith(("#", "-"))]


def locked() -> dict[str, str]:
    """Package → version, as the lock names them."""
    return dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", LOCK, re.MULTILINE))


def counts_in_the_image(requirement: Requirement) -> bool:
    """Whether its marker is true there."""
    return requirement.marker is None or requirement.marker.evaluate(IMAGE)


def sbom() -> dict[str, Any]:
    """The committed list of what is shipped."""
    made: dict[str, Any] = json.loads(shipped.SBOM.read_text())
    return made


def components() -> list[dict[str, Any]]:
    """All components of it, those inside of others too."""
    top = sbom()["components"]
    return [*top, *(inside for part in top for inside in part.get("components", []))]


@pytest.mark.parametrize("path", sorted(REPO.glob("requirements*.txt")), ids=lambda path: path.name)
def test_every_requirement_is_pinned_to_one_version(path: Path) -> None:
    for requirement in requirements(path.name):
        assert re.fullmatch(r"==[\w.]+", str(requirement.specifier)), f"{requirement.name} is not pinned"


def test_every_package_that_the_app_imports_is_required_by_name() -> None:
    imported = set()
    for path in (REPO / "app").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module or "")
            elif isinstance(node, ast.Call) and "import" in ast.unparse(node.func):
                imported |= {word.value for word in node.args if isinstance(word, ast.Constant)}
    modules = {name.partition(".")[0] for name in imported} - {"app", "_typeshed"} - sys.stdlib_module_names
    names = {canonicalize_name(requirement.name) for requirement in requirements("requirements.txt")}
    assert {"flask", "numpy", "onnxruntime", "rembg"} <= modules
    assert modules <= {MODULE_OF_PACKAGE.get(name, name.replace("-", "_")) for name in names}


def test_every_pin_is_in_the_lock_with_the_same_version_or_scripts_lock_must_be_run() -> None:
    pins = {canonicalize_name(pin.name): pin for pin in requirements("requirements.txt") if counts_in_the_image(pin)}
    stale = [name for name, pin in pins.items() if not pin.specifier.contains(locked().get(name, "0"))]
    assert not stale, "run scripts/lock"


def test_the_lock_has_every_package_that_another_of_its_packages_asks_for() -> None:
    versions = locked()
    looked_at = 0
    for name in versions:
        try:
            asked = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # not on this Python or machine
            continue
        looked_at += 1
        for wanted in filter(counts_in_the_image, map(Requirement, asked)):
            version = versions.get(canonicalize_name(wanted.name))
            assert version is not None, f"{name} asks for {wanted}, which is not locked: run scripts/lock"
    assert looked_at > 40


def test_every_package_of_the_lock_has_hashes_and_nothing_says_where_it_is_fetched_from() -> None:
    entries = re.split(r"^(?=[a-z0-9.-]+==)", LOCK, flags=re.MULTILINE)[1:]
    assert len(entries) == len(locked())
    for entry in entries:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry.splitlines()[0]
    assert "://" not in LOCK
    assert "--index" not in LOCK


def test_the_sbom_has_exactly_the_packages_of_the_lock_and_the_models_by_their_checksums() -> None:
    named = {canonicalize_name(part["name"]): part for part in sbom()["components"]}
    packages = {name: part["version"] for name, part in named.items() if "purl" in part}
    assert packages == locked()
    assert sbom()["specVersion"] == "1.6"
    for name, checksum in (("u2netp", PUBLISHED["u2netp"].sha256), ("tinycut", shipped_model.find().sha256)):
        assert named[name]["hashes"] == [{"alg": "SHA-256", "content": checksum}], "run scripts/lock"
    assert named["tinycut"]["licenses"] == [{"expression": shipped_model.read_manifest().licence}]


def test_the_table_of_licences_is_the_one_of_the_sbom_and_names_everything() -> None:
    table = shipped.LICENCES.read_text()
    assert table == shipped.as_table(sbom()), "run scripts/lock"
    for name, version in locked().items():
        assert f"| {name} | {version} | " in table
    for name in ("u2netp", "tinycut", "sample.jpg", "swagger-ui", "libx265"):
        assert f"| {name} | " in table


def test_every_licence_is_free_or_a_copyleft_that_somebody_has_looked_at() -> None:
    for part in components():
        terms = set(re.split(r" (?:AND|OR) ", part["licenses"][0]["expression"]))
        name = canonicalize_name(part["name"])
        assert terms - FREE <= LOOKED_AT.get(name, set()), f"{name} is under {terms}"
        if terms - FREE:
            assert name in shipped.LICENCES.read_text().partition("## Packages")[0]
