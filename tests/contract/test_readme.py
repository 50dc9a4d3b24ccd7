"""What the README says is so."""

from __future__ import annotations

import re

from app.config import SETTINGS
from app.imaging.encode import FORMATS
from app.routes import removebg, removebg_errors
from app.routes.forms import BACKGROUND_FIELD
from app.services.option_words import OPTION_FIELDS
from app.services.presets import PRESETS
from scripts.box import REPO

README, API, DROP_INS = ((REPO / name).read_text() for name in ("README.md", "docs/api.md", "docs/drop-ins.md"))


def test_every_setting_is_in_the_readme_with_its_default_and_its_help() -> None:
    rows = {cells[0].strip(" `"): cells for cells in (line[1:-1].split(" | ") for line in README.splitlines())}
    for setting in SETTINGS:
        cells = rows[setting.name]
        default = f"{setting.default:g}" if isinstance(setting.default, float) else str(setting.default)
        assert (cells[1].strip(), cells[2].strip()) == (default, setting.help)


def test_every_option_format_and_preset_of_the_api_is_documented() -> None:
    for name in (*OPTION_FIELDS, *FORMATS, BACKGROUND_FIELD):
        assert f"`{name}`" in API
    for preset in PRESETS.values():
        assert f"| `{preset.name}` | {preset.title} |" in API


def test_every_parameter_of_the_drop_in_for_remove_bg_is_documented() -> None:
    for name in (*removebg.SOURCES, *removebg.BACKGROUND_SOURCES, *removebg_errors.PARAMETERS, "size", "channels"):
        assert f"`{name}`" in DROP_INS


def test_every_file_and_script_that_the_readme_names_is_there() -> None:
    for name in re.findall(r"(?:scripts|docs|app)/[\w./-]+", README.replace("/api/", "")):
        assert (REPO / name).exists(), name


def test_it_starts_with_the_two_commands() -> None:
    assert README.index("scripts/serve") < README.index("scripts/test") < README.index("curl -F file=@")
