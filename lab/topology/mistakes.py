"""What is wrong with a lab.yml, where, and what to write instead; all of it at once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from lab.errors import TopologyError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
PLAIN_KEY: Final = re.compile(r"[A-Za-z0-9_.-]{1,63}")
SHOWN_CHARACTERS: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a value stands: its path in the lab (`workers.count`), line and column from 1."""

    path: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Located(Generic[T_co]):
    value: T_co
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    path: str
    line: int
    column: int
    reason: str
    instead: str
    """What to write, as it follows the word "write"."""

    def __str__(self) -> str:
        path = f" {self.path}:" if self.path else ""
        return f"{self.line}:{self.column}:{path} {self.reason} — write {self.instead}"


class Mistakes:
    """The mistakes found so far."""

    def __init__(self) -> None:
        self._found: list[Mistake] = []

    def add(self, place: Place, reason: str, *, instead: str) -> None:
        mistake = Mistake(
            path=place.path, line=place.line, column=place.column, reason=reason, instead=instead
        )
        if mistake not in self._found[-1:]:
            self._found.append(mistake)

    def in_file_order(self) -> tuple[Mistake, ...]:
        return tuple(sorted(self._found, key=lambda mistake: (mistake.line, mistake.column)))


class InvalidTopologyError(TopologyError):
    """A lab.yml with mistakes, in the order of the file."""

    def __init__(self, file: str, mistakes: tuple[Mistake, ...]) -> None:
        self.file = file
        self.mistakes = mistakes
        super().__init__("\n     ".join(self.lines()), hint="`lab schema` describes every key")

    def lines(self) -> list[str]:
        """Return one line a mistake: `lab.yml:12:5: workers.count: … — write …`."""
        return [f"{self.file}:{mistake}" for mistake in self.mistakes]


def shown(text: str) -> str:
    """Return `text` as a message can show it: quoted, short, without control characters."""
    short = text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in f"'{short}'")


def child(path: str, key: str) -> str:
    """Return the path of `key` below `path`."""
    name = key if PLAIN_KEY.fullmatch(key) else shown(key)
    return f"{path}.{name}" if path else name


def values(items: tuple[Located[T], ...]) -> tuple[T, ...]:
    """Return the values without their places."""
    return tuple(item.value for item in items)
