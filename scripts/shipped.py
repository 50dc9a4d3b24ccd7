"""Write docs/sbom.json and docs/licences.md: everything that is shipped, and under which licence.

`scripts/lock` runs it on an environment that holds exactly what requirements.lock names. The list of components is
made by cyclonedx-py; this adds what it cannot see (libraries inside of wheels, the model, the sample photo, Swagger
UI), puts SPDX names where a package has a free text, and checks the whole against CycloneDX's schema.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from app import __version__
from app.services import shipped_model
from app.services.model_files import PUBLISHED
from app.services.shipped_model import SHIPPED_MODEL

REPO = Path(__file__).resolve().parents[1]
SBOM, LICENCES = REPO / "docs/sbom.json", REPO / "docs/licences.md"

# Of packages whose own words are no SPDX name: as their licence files say.
LICENCE_OF_PACKAGE = {
    "certifi": "MPL-2.0",
    "diskcache": "Apache-2.0",
    "flatbuffers": "Apache-2.0",
    "itsdangerous": "BSD-3-Clause",
    "jinja2": "BSD-3-Clause",
    "numba": "BSD-2-Clause",
    "opencv-python-headless": "Apache-2.0",
    "pillow-heif": "BSD-3-Clause AND LGPL-3.0-or-later AND GPL-2.0-or-later",
    "protobuf": "BSD-3-Clause",
    "requests": "Apache-2.0",
    "scikit-image": "BSD-3-Clause",
    "scipy": "BSD-3-Clause",
}
# Of the shared libraries that wheels for Linux bring along, in their folders `….libs`.
LICENCE_OF_LIBRARY = {
    "libXau": "MIT-open-group",
    "libaom": "BSD-2-Clause",
    "libavcodec": "LGPL-2.1-or-later",
    "libavformat": "LGPL-2.1-or-later",
    "libavif": "BSD-2-Clause",
    "libavutil": "LGPL-2.1-or-later",
    "libbrotlicommon": "MIT",
    "libbrotlidec": "MIT",
    "libcrypto": "OpenSSL",
    "libde265": "LGPL-3.0-or-later",
    "libdrm": "MIT",
    "libfreetype": "FTL",
    "libgfortran": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "libharfbuzz": "MIT-Modern-Variant",
    "libheif": "LGPL-3.0-or-later",
    "libjpeg": "IJG AND BSD-3-Clause AND Zlib",
    "liblcms2": "MIT",
    "liblzma": "0BSD",
    "libopenblasp": "BSD-3-Clause",
    "libopenjp2": "BSD-2-Clause",
    "libpng16": "libpng-2.0",
    "libquadmath": "LGPL-2.1-or-later",
    "libscipy_openblas": "BSD-3-Clause",
    "libscipy_openblas64_": "BSD-3-Clause",
    "libsharpyuv": "BSD-3-Clause",
    "libssl": "OpenSSL",
    "libswresample": "LGPL-2.1-or-later",
    "libswscale": "LGPL-2.1-or-later",
    "libtiff": "libtiff",
    "libvpx": "BSD-3-Clause",
    "libwebp": "BSD-3-Clause",
    "libwebpdemux": "BSD-3-Clause",
    "libwebpmux": "BSD-3-Clause",
    "libx265": "GPL-2.0-or-later",
    "libxcb": "MIT",
    "libzstd": "BSD-3-Clause",
}
# Of what is shipped and no package: CycloneDX's type, name, licence, and what it is.
OTHERS = (
    ("machine-learning-model", "u2netp", "Apache-2.0", "U²-Net-p by Xuebin Qin and others, as rembg publishes it"),
    ("machine-learning-model", SHIPPED_MODEL, "MIT", "the app's own network, in app/weights (docs/models.md)"),
    ("data", "sample.jpg", "CC0-1.0", "the page's sample photo, by Rachel Michetti of Pikolo Espresso Bar"),
    ("library", "swagger-ui", "Apache-2.0", "what shows /docs, in the package flask-swagger-ui and of its version"),
)

HEAD = """# Licences of what is shipped

Written by `scripts/lock`, from [sbom.json](sbom.json) (CycloneDX): what an image of TinyCut holds beside Python
and the system. The licence of TinyCut's own code is not told here.

Under a copyleft are, of the packages, {packages}; of the libraries inside of wheels,
{libraries}.

The wheel of pillow-heif, which reads the photos of iPhones, is under GPL 2 as a whole by its own word, for x265 in it:
that writes HEIC, which TinyCut never does. libgfortran comes with the exception that lets every program use it.
"""


class Unknown(Exception):
    """Something is shipped whose licence nobody has written down yet."""


def main(arguments: list[str] | None = None) -> None:
    """Write both files, or end with a sentence about what is not known."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("environment", type=Path, help="a virtual environment with what requirements.lock names")
    environment = parser.parse_args(arguments).environment
    try:
        sbom = complete(components_of(environment), environment)
    except Unknown as fault:
        sys.exit(str(fault))
    text = json.dumps(sbom, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    check_schema(text)
    SBOM.write_text(text)
    LICENCES.write_text(as_table(sbom))


def components_of(environment: Path) -> dict[str, Any]:
    """The list that cyclonedx-py makes of an environment, always the same for the same packages."""
    lines = (REPO / "requirements.txt").read_text().splitlines()
    direct = sorted({Requirement(line).name for line in lines if line.strip() and not line.startswith("#")})
    with tempfile.TemporaryDirectory() as folder:
        about = Path(folder) / "pyproject.toml"
        about.write_text(
            f'[project]\nname = "tinycut"\nversion = "{__version__}"\ndependencies = {json.dumps(direct)}\n'
        )
        command = ["cyclonedx-py", "environment", "--output-reproducible", "--pyproject", str(about), str(environment)]
        made = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    sbom: dict[str, Any] = json.loads(made)
    return sbom


def complete(sbom: dict[str, Any], environment: Path) -> dict[str, Any]:
    """Add what the tool cannot see, and name every licence as SPDX does; addresses and prose are left out.

    Raises:
        Unknown: there is a licence that has no SPDX name.
    """
    libraries = libraries_of(environment)
    for component in [*sbom["components"], *sbom["metadata"]["tools"]["components"]]:
        component.pop("externalReferences", None)
        component.pop("description", None)
    for component in sbom["components"]:
        package = canonicalize_name(component["name"])
        licence = LICENCE_OF_PACKAGE.get(package) or licence_of(component)
        component["licenses"] = [{"expression": licence}]
        inside = [_component("library", name, licence=licence) for name, licence in libraries.get(package, [])]
        if inside:
            component["components"] = inside
    checksums = {name: model.sha256 for name, model in PUBLISHED.items()}
    checksums[SHIPPED_MODEL] = shipped_model.find().sha256
    for kind, name, licence, about in OTHERS:
        other = _component(kind, name, licence=licence) | {"description": about}
        if name in checksums:
            other["hashes"] = [{"alg": "SHA-256", "content": checksums[name]}]
        sbom["components"].append(other)
    return sbom


def licence_of(component: dict[str, Any]) -> str:
    """The SPDX name or expression that a package itself tells.

    Raises:
        Unknown: it tells none.
    """
    for told in component.get("licenses", []):
        licence = told.get("expression") or told.get("license", {}).get("id")
        if licence:
            return str(licence)
    raise Unknown(
        f"{component['name']} does not tell its licence by an SPDX name. Read its licence file and add it to "
        "LICENCE_OF_PACKAGE in scripts/shipped.py."
    )


def libraries_of(environment: Path) -> dict[str, list[tuple[str, str]]]:
    """Package → the shared libraries that its wheel brings along, with their licences.

    Raises:
        Unknown: there is one whose licence is not written down.
    """
    found: dict[str, set[str]] = {}
    for path in environment.glob("lib/python*/site-packages/*.libs/*.so*"):
        name = re.split(r"-[0-9a-f]{8}|-r0|\.so", path.name)[0]
        found.setdefault(canonicalize_name(path.parent.name.removesuffix(".libs")), set()).add(name)
    unknown = sorted(set().union(*found.values()) - set(LICENCE_OF_LIBRARY))
    if unknown:
        raise Unknown(f"Add {', '.join(unknown)} to LICENCE_OF_LIBRARY in scripts/shipped.py, as their wheels say.")
    return {package: [(name, LICENCE_OF_LIBRARY[name]) for name in sorted(names)] for package, names in found.items()}


def check_schema(text: str) -> None:
    """End with a sentence where this is no CycloneDX."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if fault is not None:
        sys.exit(f"This is no CycloneDX 1.6: {fault}")


def as_table(sbom: dict[str, Any]) -> str:
    """The page for people."""
    named = {canonicalize_name(part["name"]): part for part in sbom["components"] if "purl" in part}
    packages = [part | {"name": name} for name, part in sorted(named.items())]
    inside = [(part, library) for part in packages for library in part.get("components", [])]
    packages_under_it = [part["name"] for part in packages if _is_copyleft(part)]
    libraries_under_it = sorted({library["name"] for _, library in inside if _is_copyleft(library)})
    rows = [f"| {part['name']} | {part['version']} | {_licence(part)} |" for part in packages]
    library_rows = [f"| {library['name']} | {part['name']} | {_licence(library)} |" for part, library in inside]
    others = [part for part in sbom["components"] if "purl" not in part]
    other_rows = [f"| {part['name']} | {part['description']} | {_licence(part)} |" for part in others]
    return "\n".join(
        [
            HEAD.format(packages=", ".join(packages_under_it), libraries=", ".join(libraries_under_it)),
            *_table("Packages", "name", "version", rows),
            *_table("Libraries inside of wheels", "library", "in", library_rows),
            *_table("Everything else", "name", "what it is", other_rows),
        ]
    )


def _table(title: str, first: str, second: str, rows: list[str]) -> Iterator[str]:
    yield from (f"## {title}", "", f"| {first} | {second} | licence |", "|---|---|---|", *rows, "")


def _component(kind: str, name: str, *, licence: str) -> dict[str, Any]:
    return {"type": kind, "name": name, "licenses": [{"expression": licence}]}


def _is_copyleft(component: dict[str, Any]) -> bool:
    return re.search("[GM]PL-", _licence(component)) is not None


def _licence(component: dict[str, Any]) -> str:
    return str(component["licenses"][0]["expression"])


if __name__ == "__main__":
    main()
