"""Whether the same checks came to the same verdicts on other machines: `python -m tests.vagrant.parity NAME=JUNIT ...`.

Prints every check with what each report says of it, and ends with exit code 1 when two say different things.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lab.actions.checks import Check, Verdict, read_report

ABSENT: Final = "absent"
SIGNS: Final = {Verdict.PASSED: "✓", Verdict.FAILED: "✗", Verdict.NOT_RUN: "-"}


@dataclass(frozen=True, slots=True)
class Row:
    """One check, with what each report says of it; None where a report does not have it."""

    name: str
    found: tuple[Check | None, ...]

    @property
    def agrees(self) -> bool:
        return len({check.verdict if check else None for check in self.found}) == 1


def rows(reports: Mapping[str, list[Check]]) -> list[Row]:
    """Return the checks of all reports, in the order of the first that has them."""
    known = [{check.name: check for check in checks} for checks in reports.values()]
    names = dict.fromkeys(name for checks in known for name in checks)
    return [Row(name, tuple(checks.get(name) for checks in known)) for name in names]


def table(reports: Mapping[str, list[Check]]) -> Iterator[str]:
    """Yield the lines to print: all checks side by side, a count for each report, and the verdict on parity."""
    found = rows(reports)
    width = max((len(row.name) for row in found), default=0)
    yield "  ".join([" " * 2 + "check".ljust(width), *(name.ljust(18) for name in reports)]).rstrip()
    for row in found:
        mark = " " if row.agrees else "≠"
        yield "  ".join([f"{mark} {row.name.ljust(width)}", *map(_cell, row.found)]).rstrip()
    for name, checks in reports.items():
        counts = ", ".join(
            f"{sum(check.verdict is verdict for check in checks)} {verdict}" for verdict in Verdict
        )
        yield f"{name}: {counts}"
    different = sum(not row.agrees for row in found)
    yield (
        f"{different} of {len(found)} checks differ"
        if different
        else f"{len(found)} checks, the same verdicts"
    )


def _cell(check: Check | None) -> str:
    if check is None:
        return ABSENT.ljust(18)
    return f"{SIGNS[check.verdict]} {check.verdict.value:<8} {check.seconds:5.1f} s".ljust(18)


def main(arguments: list[str]) -> int:
    """Compare the reports; returns the exit code."""
    reports = {name: read_report(Path(file)) for name, _, file in (word.partition("=") for word in arguments)}
    print("\n".join(table(reports)))
    return 0 if all(row.agrees for row in rows(reports)) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
