"""docs/architecture.md, its drawing and CONTRIBUTING.md tell of the code as it is."""

from __future__ import annotations

import ast
import importlib
import re
from xml.etree import ElementTree

import pytest

from app.services.progress import STAGES
from scripts.box import REPO
from tests.test_architecture import ALLOWED, LEAVES

PAGE, README, CONTRIBUTING, QUALITY = (
    (REPO / name).read_text() for name in ("docs/architecture.md", "README.md", "CONTRIBUTING.md", "docs/quality.md")
)
# Names with a dot that are rooms, or Python's.
OTHERS = {*LEAVES, "app.cli", "app.routes", "app.services", "app.imaging", "os.environ"}
DRAWING = ElementTree.parse(REPO / "docs/architecture.svg").getroot()
SVG = "{http://www.w3.org/2000/svg}"
MODULES = {path.stem: ".".join(path.relative_to(REPO).with_suffix("").parts) for path in REPO.glob("app/*/*.py")}


def spans() -> list[str]:
    """The stages that the service measures, in their order."""
    tree = ast.parse((REPO / "app/services/tiny_u2net_service.py").read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and "span" in ast.unparse(node.func)]
    names = {ast.literal_eval(call.args[0]) for call in calls}
    return sorted(names, key=("probe", "cache", "queue", *STAGES).index)


def rows_under(page: str, header: str) -> list[list[str]]:
    """The cells of the rows of the table with this header."""
    table = page.split(f"{header}\n")[1].split("\n\n")[0]
    return [line.strip("| ").split(" | ") for line in table.splitlines()[1:]]


def drawn_steps() -> dict[str, list[str]]:
    """The texts of each step of the drawing."""
    steps = {group.get("id"): group for group in DRAWING.iter(f"{SVG}g")}
    return {name: [text.text or "" for text in group.iter(f"{SVG}text")] for name, group in steps.items() if name}


def test_the_stages_are_those_that_are_measured_on_the_page_in_the_drawing_and_in_the_readme() -> None:
    assert [cells[0].strip("`") for cells in rows_under(PAGE, "| stage | what is called |")] == spans()
    assert list(drawn_steps()) == ["request", *spans(), "answer"]
    line = README.split("## How it works")[1].split("\n\n")[1]
    assert re.findall(r"\*\*(\w+)\*\*", line) == [stage for stage in spans() if stage != "cache"]


def test_every_step_is_drawn_with_its_name_and_files_that_are_there() -> None:
    for step, texts in drawn_steps().items():
        assert texts[0] == step
        files = re.findall(r"\w+/\w+\.py", texts[2])
        assert files
        assert all((REPO / "app" / name).exists() for name in files)


def test_the_memory_that_is_drawn_is_what_was_measured() -> None:
    measured = rows_under(QUALITY, "| stage | ms | MB more before | at the peak | after |")
    assert len(measured) == 7
    for stage, _ms, _before, peak, after in measured:
        numbers = [text for text in drawn_steps()[stage][3:] if text.isdecimal()]
        assert numbers[:2] == ([] if peak == "0" else [peak, after])


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(\w+\.(?!py`|md`)\w+)`", PAGE)) - set(OTHERS)))
def test_every_function_that_the_page_names_is_there(name: str) -> None:
    owner, _, attribute = name.partition(".")
    if owner in MODULES:
        owners = [importlib.import_module(MODULES[owner])]
    else:
        owners = [getattr(importlib.import_module(module), owner, None) for module in MODULES.values()]
    assert any(hasattr(found, attribute) for found in owners)


def test_the_rooms_may_import_what_the_page_says() -> None:
    told = {}
    for room, _what, imports in rows_under(PAGE, "| room | what is in it | may import |"):
        names = re.findall(r"`([\w.]+)`", imports)
        told[room.strip("`")] = {*names, *(LEAVES if "the leaves" in imports else ())}
    assert told == {room: set(ALLOWED[room]) for room in told}
    leaves = re.search(r"^(.*): leaves", PAGE, flags=re.MULTILINE)
    assert leaves is not None
    assert [f"app.{name}" for name in leaves[1].split(", ")] == list(LEAVES)


@pytest.mark.parametrize(
    "row", [line for line in CONTRIBUTING.splitlines() if line.startswith("| `")], ids=lambda row: row.split("`")[1]
)
def test_every_name_of_the_walk_from_form_to_pixel_is_in_the_file_beside_it(row: str) -> None:
    words = re.findall(r"`([^`]+)`", row)
    files = [word for word in words if re.fullmatch(r"(app|docs|tests)/[\w./]+", word)]
    text = "\n".join((REPO / name).read_text() for name in files)
    assert files
    for name in words:
        if name not in files and re.fullmatch(r"[A-Za-z_][\w.]+", name):
            assert name in text, name


def test_the_walk_goes_through_every_file_of_the_server_that_names_the_option() -> None:
    naming = {
        str(path.relative_to(REPO))
        for path in (REPO / "app").rglob("*")
        if path.suffix in (".py", ".js", ".html") and "shadow_opacity" in path.read_text(encoding="utf-8")
    }
    of_removebg = {name for name in naming if "removebg" in name}
    assert naming - of_removebg <= set(re.findall(r"`(app/[\w./]+)`", CONTRIBUTING))
