"""What a line of acceptance is, and how a line that a person carried out is looked up."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Outcome:
    """Whether a line held, and the figures that were seen."""

    held: bool
    figures: str


@dataclass(frozen=True)
class Line:
    """A claim and the way to show it."""

    number: str
    claim: str
    show: Callable[[], Outcome]


def recorded(area: str, number: str) -> Outcome:
    """The last record of a line carried out by hand: a section `## <number>` of docs/acceptance/<area>.md with its figures and commit."""
    path = ROOT / "docs" / "acceptance" / f"{area}.md"
    text = path.read_text() if path.exists() else ""
    match = re.search(rf"^## {re.escape(number)}[ .].*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if match is None:
        return Outcome(False, f"no record of line {number} in docs/acceptance/{area}.md")
    return Outcome("Held: yes" in match.group(0), match.group(0).strip())
