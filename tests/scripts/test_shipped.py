"""The list of what is shipped, on made-up environments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scripts import shipped


def component(name: str, *licences: dict[str, Any]) -> dict[str, Any]:
    """A package as cyclonedx-py tells of it."""
    return {"name": name, "version": "1", "purl": f"pkg:{name}", "licenses": list(licences), "description": "prose"}


def made_of(*components: dict[str, Any]) -> dict[str, Any]:
    """A list of these packages."""
    return {"components": list(components), "metadata": {"tools": {"components": []}}}


def environment(folder: Path, *libraries: str) -> Path:
    """An environment with these files of wheels."""
    for name in libraries:
        path = folder / "lib/python3.13/site-packages" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def test_a_licence_told_as_spdx_is_kept_and_one_that_is_prose_is_replaced(tmp_path: Path) -> None:
    made = shipped.complete(
        made_of(
            component("Of_Its_Own", {"license": {"name": "MIT, see the file"}}, {"license": {"id": "MIT"}}),
            component("scipy", {"license": {"name": "License :: OSI Approved :: BSD License"}}),
        ),
        tmp_path,
    )
    packages = {part["name"]: part for part in made["components"]}
    assert packages["Of_Its_Own"]["licenses"] == [{"expression": "MIT"}]
    assert packages["scipy"]["licenses"] == [{"expression": "BSD-3-Clause"}]
    assert "description" not in packages["scipy"]
    assert {"u2netp", "tinycut", "sample.jpg", "swagger-ui"} <= set(packages)


def test_a_package_whose_licence_nobody_knows_ends_it_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(shipped.Unknown, match="mystery does not tell its licence"):
        shipped.complete(made_of(component("mystery", {"license": {"name": "ask me"}})), tmp_path)


def test_libraries_inside_of_wheels_are_listed_under_their_package(tmp_path: Path) -> None:
    files = ["pillow.libs/libjpeg-6dc8d115.so.62.4.0", "pillow.libs/libwebp-51b0b3f7.so.7.2.0"]
    place = environment(tmp_path, *files, "some_wheel.libs/libopenblasp-r0-59ffcd50.3.15.so")
    found = shipped.libraries_of(place)
    assert found["pillow"] == [("libjpeg", "IJG AND BSD-3-Clause AND Zlib"), ("libwebp", "BSD-3-Clause")]
    assert found["some-wheel"] == [("libopenblasp", "BSD-3-Clause")]


def test_a_library_whose_licence_nobody_has_read_ends_it_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(shipped.Unknown, match="Add libnew to LICENCE_OF_LIBRARY"):
        shipped.libraries_of(environment(tmp_path, "pillow.libs/libnew-0123abcd.so.1"))
