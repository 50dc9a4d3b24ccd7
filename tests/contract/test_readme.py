"""What the README and the docs say is so."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Iterator

import pytest

from app import __version__
from app.config import SETTINGS
from app.hosting import PLATFORMS
from app.imaging.encode import FORMATS
from app.routes import removebg, removebg_errors
from app.routes.forms import BACKGROUND_FIELD
from app.services.option_words import OPTION_FIELDS
from app.services.presets import PRESETS
from scripts.box import REPO

README, API, DROP_INS = ((REPO / name).read_text() for name in ("README.md", "docs/api.md", "docs/drop-ins.md"))
SECTIONS = [
    "Start in a minute", "The page", "The API", "Limits", "How it works", "Settings", "Command line and Python",
    "Tests", "Deploy", "Security", "Credits and licence",
]  # fmt: skip
# Variables that the code reads by a name that it is given.
NAMES_GIVEN = {"setting.name": [setting.name for setting in SETTINGS]}
NAMES_GIVEN["marker"] = [marker for _name, markers in PLATFORMS for marker in markers]


def rows_of(text: str) -> list[list[str]]:
    """The cells of every row of a table."""
    return [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]


def section(title: str) -> str:
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def shown(default: object) -> str:
    return f"{default:g}" if isinstance(default, float) else str(default)


def test_every_setting_is_in_the_readme_with_its_default_and_its_help() -> None:
    rows = {cells[0].strip(" `"): cells for cells in (line[1:-1].split(" | ") for line in README.splitlines())}
    for setting in SETTINGS:
        cells = rows[setting.name]
        assert (cells[1].strip(), cells[2].strip()) == (shown(setting.default), setting.help)


def test_no_row_of_the_settings_is_of_one_that_is_gone() -> None:
    table = section("Settings").split("| name | what it does |")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE) == [setting.name for setting in SETTINGS]


def variables_read(path: str) -> Iterator[str]:
    """The names of the environment's variables that a file reads."""
    for node in ast.walk(ast.parse((REPO / path).read_text())):
        name: ast.expr | None = None
        if isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("environ"):
            name = node.slice
        elif isinstance(node, ast.Call) and re.search(
            r"environ\.(get|setdefault|pop)$|getenv$", ast.unparse(node.func)
        ):
            name = node.args[0]
        if isinstance(name, ast.Constant):
            yield str(name.value)
        elif name is not None:
            yield from NAMES_GIVEN[ast.unparse(name)]


@pytest.mark.parametrize("path", ["app/config.py", "app/hosting.py", "gunicorn.conf.py"])
def test_every_variable_that_is_read_has_a_row_in_the_readme(path: str) -> None:
    described = {name for cells in rows_of(section("Settings")) for name in re.findall(r"`(\w+)`", " ".join(cells))}
    read = set(variables_read(path))
    assert read
    assert read <= described


def test_every_variable_that_a_host_is_given_has_a_row_in_the_readme() -> None:
    given = set(json.loads((REPO / "app.json").read_text())["env"])
    given |= set(re.findall(r"\b([A-Z_]+)=", (REPO / "Procfile").read_text()))
    described = {name for cells in rows_of(section("Settings")) for name in re.findall(r"`(\w+)`", cells[0])}
    assert given <= described


def test_the_limits_are_those_of_the_settings() -> None:
    defaults = {setting.name: shown(setting.default) for setting in SETTINGS}
    table = section("Limits").split("| setting |")[1].split("\n\n")[0]
    rows = [cells for cells in rows_of(table) if "`" in cells[-1]]
    assert len(rows) > 4
    for cells in rows:
        for name in re.findall(r"`(\w+)`", cells[-1]):
            assert re.search(rf"\b{defaults[name]}\b", cells[1]), name


@pytest.mark.parametrize("page", ["README.md", "docs/figures.md"])
def test_every_figure_has_its_command(page: str) -> None:
    tables = (REPO / page).read_text().split("| measured | command |")[1:]
    rows = [cells for table in tables for cells in rows_of(table.split("\n\n")[0])]
    assert rows
    assert all("`scripts/" in cells[-1] for cells in rows)


def test_the_figures_of_the_readme_are_those_of_the_docs() -> None:
    docs = "".join(
        (REPO / page).read_text() for page in ("docs/figures.md", "docs/performance.md", "docs/reliability.md")
    )
    numbers = set(re.findall(r"[\d.]*\d", docs))
    rows = rows_of(section("Limits").split("| measured | command |")[1].split("\n\n")[0])
    assert {number for cells in rows for number in re.findall(r"[\d.]*\d", cells[1])} <= numbers


def test_its_sections_are_in_the_order_in_which_a_reader_asks() -> None:
    assert re.findall(r"^## (.+)$", README, flags=re.MULTILINE) == SECTIONS


def test_every_option_format_and_preset_of_the_api_is_documented() -> None:
    for name in (*OPTION_FIELDS, *FORMATS, BACKGROUND_FIELD):
        assert f"`{name}`" in API
    for preset in PRESETS.values():
        assert f"| `{preset.name}` | {preset.title} |" in API


def test_every_parameter_of_the_drop_in_for_remove_bg_is_documented() -> None:
    for name in (*removebg.SOURCES, *removebg.BACKGROUND_SOURCES, *removebg_errors.PARAMETERS, "size", "channels"):
        assert f"`{name}`" in DROP_INS


def test_it_starts_with_the_two_commands() -> None:
    assert README.index("scripts/serve") < README.index("scripts/test") < README.index("curl -F file=@")


def test_the_changelog_tells_of_this_version_and_it_is_written_down_in_one_place() -> None:
    newest = (REPO / "CHANGELOG.md").read_text().split("\n## ")[1]
    assert __version__ in newest
    assert "version" not in tomllib.loads((REPO / "pyproject.toml").read_text()).get("project", {})
