"""Work as a list of named steps: each can say what it would do, and do it. The list reads as a table of contents."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from lab.machines.port import Captures, Host, Provider
from lab.provision.fingerprint import fingerprints
from lab.topology.model import MachineName, Topology


class Report(Protocol):
    """Whoever wants to know how the work goes on."""

    def step(self, title: str) -> AbstractContextManager[None]:
        """Surround one step."""

    def detail(self, line: str) -> None:
        """What a step is busy with: shown and forgotten."""

    def note(self, line: str) -> None:
        """What a step came to, in a few words: kept beside its time."""

    def notice(self, line: str) -> None:
        """Something that the user should know: kept."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """What every step needs."""

    topology: Topology
    project: Path
    """The directory of lab.yml; generated files go to its `.lab/`."""
    playbooks: Path
    """The directory with site.yml, roles/ and inventory/."""
    file: Path
    """The topology file."""
    provider: Provider
    captures: Captures | None
    host: Host
    needs_root: bool
    """Whether root alone can make and enter the machines."""
    lock: Path
    """What a verb that changes the lab holds."""
    report: Report
    choice: str = ""
    """The family of the machines and why it was chosen, in one line."""

    @property
    def generated(self) -> Path:
        """Return the directory of this lab's generated files."""
        return self.project / ".lab" / self.topology.name

    @cached_property
    def fingerprints(self) -> Mapping[MachineName, str]:
        """What each machine's configuration depends on, as it was when first asked for: it takes reading every role."""
        return fingerprints(self.topology, playbooks=self.playbooks)

    def enter(self, machine: MachineName, *argv: str, user: str = "root") -> list[str]:
        """Return the host command that runs `argv` on the machine. Raises MachineError when it does not run."""
        return self.provider.enter(machine, argv, user=user, terminal=False)

    def patience(self, work: float, *, timers: float = 0.0) -> float:
        """Return how many seconds something may take on the lab's machines.

        `work` is what machine containers may take for it; `timers`, such as a protocol's, run alike everywhere.
        """
        return timers + work * self.provider.slowness


class Step(Protocol):
    title: str

    def plan(self, context: Context) -> Sequence[str]:
        """Say what `run` would do now, a line each; nothing when it would do nothing. Changes nothing."""

    def run(self, context: Context) -> None:
        """Do it. Doing it again is safe, also after an interruption anywhere in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    title: str
    seconds: float


def plan(steps: Sequence[Step], context: Context) -> dict[str, Sequence[str]]:
    """Return what each step would do, by its title."""
    return {step.title: step.plan(context) for step in steps}


def perform(steps: Sequence[Step], context: Context) -> list[Timing]:
    """Run the steps in order and return how long each took. The first error ends it; running it again goes on."""
    timings = []
    for step in steps:
        begun = time.monotonic()
        with context.report.step(step.title):
            step.run(context)
        timings.append(Timing(title=step.title, seconds=round(time.monotonic() - begun, 3)))
    return timings
