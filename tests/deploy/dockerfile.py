"""A reader of Dockerfiles, as far as the tests need it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Instruction:
    """One instruction with its words, continued lines joined."""

    name: str
    words: str


def stages(path: Path) -> list[list[Instruction]]:
    """The instructions of each stage, from its FROM on; what stands before the first (ARG) is left out."""
    lines = [line for line in path.read_text().splitlines() if line.strip() and not line.lstrip().startswith("#")]
    text = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    found: list[list[Instruction]] = []
    for name, _, words in (line.strip().partition(" ") for line in text.splitlines()):
        if name == "FROM":
            found.append([])
        if found:
            found[-1].append(Instruction(name, words.strip()))
    return found


def words_of(stage: list[Instruction], name: str) -> str:
    """The words of a stage's only instruction of that name."""
    (words,) = (instruction.words for instruction in stage if instruction.name == name)
    return words
