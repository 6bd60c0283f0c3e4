"""Walkthroughs as data: what is typed where, what it prints, and where that is not word for word what the article has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing typed on one machine.

    `article` has what the article types and shows where that cannot be had today, and `because` says why.
    """

    machine: str
    type: str
    prints: str | None = None
    again: str = ""
    """What a reader waits for: the line is typed until it prints what it should."""
    ordered: bool = True
    keep: Mapping[str, str] = field(default_factory=dict)
    """Names for later lines, each with the expression whose group finds its value in what was printed."""
    article: Mapping[str, str] = field(default_factory=dict)
    because: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Walkthrough:
    article: str
    lines: tuple[Line, ...]
    cleanup: tuple[Line, ...]


def walkthroughs() -> dict[str, Walkthrough]:
    """Return all walkthroughs by the names of their files."""
    return {path.stem: read(path) for path in sorted(HERE.glob("*.yaml"))}


def read(path: Path) -> Walkthrough:
    document = yaml.safe_load(path.read_text())
    return Walkthrough(
        article=document["article"],
        lines=tuple(map(_line, document["steps"])),
        cleanup=tuple(map(_line, document["cleanup"])),
    )


def _line(step: dict[str, Any]) -> Line:
    ordered = not step.pop("in any order", False)
    return Line(**step, ordered=ordered)


def filled_in(text: str, kept: Mapping[str, str]) -> str:
    """Return the text with `{name}` replaced by what an earlier line printed."""
    for name, value in kept.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def found(keep: Mapping[str, str], printed: str) -> dict[str, str]:
    """Return what `keep` finds in the text; raises ValueError when something is not there."""
    matches = {name: re.search(pattern, printed) for name, pattern in keep.items()}
    missing = [name for name, match in matches.items() if match is None]
    if missing:
        raise ValueError(f"{', '.join(missing)} not found in: {printed}")
    return {name: match[1] for name, match in matches.items() if match}
