"""What steps are given when there is no machine: a lab in memory, and who writes down what it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lab.actions.steps import Context
from lab.machines.fake import FakeMachines
from lab.machines.port import Finding, Host, Severity
from lab.topology.model import Topology
from tests.unit.topologies import ROOT


@dataclass
class Transcript:
    lines: list[str] = field(default_factory=list)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        self.lines.append(f"begin {title}")
        yield
        self.lines.append(f"end {title}")

    def detail(self, line: str) -> None:
        self.lines.append(line)

    def note(self, line: str) -> None:
        self.lines.append(line)

    def notice(self, line: str) -> None:
        self.lines.append(line)


class Anywhere:
    """A host that has everything."""

    def findings(self) -> Iterator[Finding]:
        yield Finding(check="all", severity=Severity.OK, detail="there")

    def make_ready(self, say: Callable[[str], None]) -> None:
        say("ready")


def in_memory(topology: Topology, project: Path, *, host: Host | None = None) -> Context:
    machines = FakeMachines(topology)
    return Context(
        topology=topology,
        project=project,
        playbooks=ROOT,
        file=ROOT / "lab.yml",
        provider=machines,
        captures=machines,
        host=host or Anywhere(),
        needs_root=False,
        lock=project / "lock",
        report=Transcript(),
    )
