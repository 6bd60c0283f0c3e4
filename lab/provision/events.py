"""What a playbook run tells while it runs: one JSON object a line, written by the callback plugin, read by `playbook`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum

from lab.errors import ProvisionError

__all__ = ["Event", "HostStats", "Outcome", "Play", "Result", "Stats", "Task", "Wrote", "decode", "encode"]


class Outcome(StrEnum):
    """How a task ended on a host."""

    OK = "ok"
    CHANGED = "changed"
    SKIPPED = "skipped"
    FAILED = "failed"
    IGNORED = "ignored"
    """It failed, and the play says that this may be."""
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    name: str
    """With its role: `router : Write the configuration`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    host: str
    task: str
    outcome: Outcome
    message: str = ""
    """Why it failed; empty when it did not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrote:
    """Files whose content a task decides; it may have found them as they should be."""

    host: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStats:
    """How many tasks ended how on one host; `ok` counts the changed ones too, as Ansible does."""

    ok: int = 0
    changed: int = 0
    failures: int = 0
    unreachable: int = 0
    skipped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """The end of a run."""

    hosts: Mapping[str, HostStats]


Event = Play | Task | Result | Wrote | Stats
_KINDS: dict[str, type[Event]] = {
    "play": Play,
    "task": Task,
    "result": Result,
    "wrote": Wrote,
    "stats": Stats,
}


def encode(event: Event) -> str:
    """Return `event` as one line, without its end."""
    return json.dumps({"event": type(event).__name__.lower(), **asdict(event)})


def decode(line: str | bytes) -> Event:
    """Read what `encode` wrote. Raises ProvisionError for anything else."""
    try:
        fields = json.loads(line)
        kind = _KINDS[fields.pop("event")]
        if kind is Result:
            return Result(**{**fields, "outcome": Outcome(fields["outcome"])})
        if kind is Wrote:
            return Wrote(host=fields["host"], paths=tuple(fields["paths"]))
        if kind is Stats:
            return Stats(hosts={host: HostStats(**counts) for host, counts in fields["hosts"].items()})
        return kind(**fields)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ProvisionError(f"not an event of a playbook run: {line!r}") from error
