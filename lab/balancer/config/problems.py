"""What is wrong with configuration objects, and a reader of one object that collects it.

Every problem says where it is, what is wrong and what would be right. Reading goes on after a problem, so that a user
sees all of them at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import Any, Final

from lab.balancer.model import Address
from lab.kube.resources import Json
from lab.kube.selectors import LabelSelector

DURATION: Final = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?")


class Severity(StrEnum):
    ERROR = "error"
    """The configuration cannot be used."""
    TRANSIENT = "transient"
    """Something that it refers to is not there yet."""
    WARNING = "warning"
    """It can be used, but probably not as meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake in one object."""

    kind: str
    name: str
    path: str
    """As in `kubectl explain`: spec.addresses[0]."""
    message: str
    hint: str = ""
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        hint = f"; {self.hint}" if self.hint else ""
        return f"{self.kind} {self.name}: {self.path}: {self.message}{hint}"


class Reader:
    """Reads the spec of one object; what cannot be read is reported and replaced by a harmless value."""

    def __init__(self, kind: str, item: Json, problems: list[Problem]) -> None:
        self.kind = kind
        self.name: str = item["metadata"]["name"]
        self.namespace: str = item["metadata"].get("namespace") or ""
        self.labels: Mapping[str, str] = item["metadata"].get("labels") or {}
        spec = item.get("spec")
        self.spec: Mapping[str, Any] = spec if isinstance(spec, dict) else {}
        self._problems = problems

    def report(self, path: str, message: str, hint: str = "", *, severity: Severity = Severity.ERROR) -> None:
        self._problems.append(
            Problem(
                kind=self.kind,
                name=self.name,
                path=f"spec.{path}" if path else "spec",
                message=message,
                hint=hint,
                severity=severity,
            )
        )

    def integer(self, path: str, default: int, *, low: int, high: int) -> int:
        """Return the number at `path`, which must be between `low` and `high`."""
        value = self.spec.get(path)
        if value is None:
            return default
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            self.report(path, f"{value!r} is not possible", f"write a number from {low} to {high}")
            return default
        return value

    def flag(self, path: str, *, default: bool = False) -> bool:
        value = self.spec.get(path)
        return value if isinstance(value, bool) else default

    def text(self, path: str) -> str:
        value = self.spec.get(path)
        return value if isinstance(value, str) else ""

    def address(self, path: str) -> Address | None:
        """Return the address at `path`, or None when there is none or when it is not one."""
        text = self.text(path)
        if not text:
            return None
        try:
            return ip_address(text)
        except ValueError:
            self.report(path, f"invalid {path} {text!r}", "write an IP address such as 10.0.0.1 or fd00::1")
            return None

    def seconds(self, path: str) -> int | None:
        """Return the duration at `path` (Go's syntax: 1m30s) in whole seconds, or None when there is none."""
        text = self.text(path)
        if not text:
            return None
        value = parse_duration(text)
        if value is None or value != int(value):
            self.report(path, f"{text!r} is not a number of whole seconds", "write for example 90s or 1m30s")
            return None
        return int(value)

    def entries(self, path: str, source: Mapping[str, Any] | None = None) -> list[Any]:
        """Return the list at `path`, empty when there is none."""
        value = (self.spec if source is None else source).get(path)
        if value is not None and not isinstance(value, list):
            self.report(path, "must be a list")
        return value if isinstance(value, list) else []

    def mappings(self, path: str) -> list[tuple[str, Mapping[str, Any]]]:
        """Return the mappings in the list at `path`, each with its own path."""
        found: list[tuple[str, Mapping[str, Any]]] = []
        for index, entry in enumerate(self.entries(path)):
            if isinstance(entry, dict):
                found.append((f"{path}[{index}]", entry))
            else:
                self.report(f"{path}[{index}]", "must be a mapping")
        return found

    def names(self, path: str, source: Mapping[str, Any] | None = None) -> tuple[str, ...]:
        """Return the strings at `path`; duplicates are reported."""
        names = [name for name in self.entries(path, source) if isinstance(name, str)]
        self.unique(path, names)
        return tuple(names)

    def selectors(self, path: str, source: Mapping[str, Any] | None = None) -> tuple[LabelSelector, ...]:
        """Return the label selectors at `path`; wrong ones and duplicates are reported."""
        found = []
        for index, raw in enumerate(self.entries(path, source)):
            if (selector := self.selector(f"{path}[{index}]", raw)) is not None:
                found.append(selector)
        self.unique(path, found)
        return tuple(found)

    def selector(self, path: str, raw: Any) -> LabelSelector | None:
        try:
            return LabelSelector.parse(raw)
        except ValueError as error:
            self.report(path, str(error))
            return None

    def unique(self, path: str, values: Iterable[object]) -> None:
        """Report values that come twice."""
        seen = set()
        for value in values:
            if value in seen:
                what = f" {value}" if isinstance(value, str) else ""
                self.report(path, f"duplicate entry{what}", "write each one once")
            seen.add(value)


def parse_duration(text: str) -> float | None:
    """Return seconds for Go's syntax of durations ("1m30s", "250ms", "0"), or None."""
    if text == "0":
        return 0.0
    match = DURATION.fullmatch(text)
    if not match or not text:
        return None
    hours, minutes, seconds, milliseconds = (float(group or 0) for group in match.groups())
    return hours * 3600 + minutes * 60 + seconds + milliseconds / 1000
