"""Every link, anchor and path in the docs leads somewhere."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest

from scripts.box import REPO

PAGES = sorted([*REPO.glob("*.md"), *REPO.glob("docs/*.md")])
NAMES = [str(page.relative_to(REPO)) for page in PAGES]

REPOSITORY = "https://github.com/tinycut/tinycut"
ROOMS = "app|deploy|docs|scripts|tests"
LINK = re.compile(r"\]\(([^)\s]+)\)|<img src=\"([^\"]+)\"")
PATH = re.compile(rf"(?<![\w/.-])((?:{ROOMS})/[\w./-]*[\w-])")
OUTSIDE = ("https://", "http://")


def prose(text: str) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors_of(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", prose(page.read_text(encoding="utf-8")), flags=re.MULTILINE)
    return {anchor_of(re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)) for heading in headings}


def anchor_of(heading: str) -> str:
    kept = [sign for sign in heading.lower() if sign in " -_" or unicodedata.category(sign)[0] in "LNM"]
    return "".join(kept).replace(" ", "-")


@pytest.mark.parametrize("name", NAMES)
def test_every_link_to_a_file_or_a_heading_leads_there(name: str) -> None:
    page = REPO / name
    for target in ("".join(found) for found in LINK.findall(prose(page.read_text(encoding="utf-8")))):
        if target.startswith(OUTSIDE):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.is_relative_to(REPO), target
        assert linked.exists(), target
        assert not anchor or anchor in anchors_of(linked), target


@pytest.mark.parametrize("name", NAMES)
def test_every_file_that_is_named_is_there(name: str) -> None:
    text = re.sub(r"https?://\S+|/api/[\w-]+", "", (REPO / name).read_text(encoding="utf-8"))
    missing = [found for found in PATH.findall(text) if not (REPO / found).exists()]
    assert not missing


def test_an_anchor_is_what_github_makes_of_a_heading() -> None:
    assert anchor_of("Keys, limits, origins") == "keys-limits-origins"
    assert anchor_of("Addresses of pictures (`image_url`)") == "addresses-of-pictures-image_url"


def test_every_page_of_the_docs_is_linked_from_the_readme_or_a_page_that_is() -> None:
    found, unread = {REPO / "README.md"}, [REPO / "README.md"]
    while unread:
        page = unread.pop()
        targets = ("".join(link).partition("#")[0] for link in LINK.findall(page.read_text(encoding="utf-8")))
        linked = {(page.parent / target).resolve() for target in targets if target.endswith(".md")}
        unread += [path for path in linked - found if path.exists()]
        found |= linked
    assert set(PAGES) <= found


def test_every_address_of_the_repository_is_the_same() -> None:
    addresses = {
        found
        for page in PAGES
        for found in re.findall(r"https://github\.com/tinycut/[\w.-]+", page.read_text(encoding="utf-8"))
    }
    assert addresses == {REPOSITORY}


def test_the_readme_has_a_button_for_each_host_that_has_buttons() -> None:
    buttons = re.findall(r"^\[!\[[^]]+\]\((\S+)\)\]\((\S+)\)$", (REPO / "README.md").read_text(), flags=re.MULTILINE)
    assert [link.removesuffix(REPOSITORY) for _picture, link in buttons] == [
        "https://www.heroku.com/deploy?template=",
        "docs/deploying.md#railway",
        "https://render.com/deploy?repo=",
    ]
    assert all(picture.startswith("https://") and picture.endswith(".svg") for picture, _link in buttons)
