"""The port that every provider of machines implements, and the values that cross it.

A provider knows how a machine exists and how to reach it; it knows nothing of BGP or Kubernetes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from lab.topology.model import MachineName, NetworkName


class State(StrEnum):
    """What a machine is doing, as seen from outside of it."""

    ABSENT = "absent"
    STARTING = "starting"
    RUNNING = "running"
    FROZEN = "frozen"
    OFF = "off"
    FAILED = "failed"
    """It should run and does not: it died, or did not boot in time."""


class Power(StrEnum):
    """What can be done to a machine."""

    START = "start"
    STOP = "stop"
    """An orderly shutdown."""
    REBOOT = "reboot"
    KILL = "kill"
    """A power cut: no packet leaves the machine any more, then it is gone."""
    FREEZE = "freeze"
    THAW = "thaw"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One cable between a machine and a network."""

    up: bool = True
    loss: int = 0
    """Percent of packets dropped, each way: 0..100."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineStatus:
    name: MachineName
    state: State
    links: Mapping[NetworkName, Link] = field(default_factory=dict)
    boots: int = 0
    since: float = 0.0
    """Seconds since the epoch of the last change of state."""
    configured: str = ""
    """Fingerprint of the configuration that the machine has; empty when it has none."""
    stale: bool = False
    """It was made from a description that lab.yml no longer gives: `create` makes it anew."""
    console: Path | None = None
    """What the machine wrote to its console."""

    @property
    def healthy(self) -> bool:
        return (
            self.state is State.RUNNING
            and not self.stale
            and all(link == Link() for link in self.links.values())
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LabStatus:
    """What exists of a lab: `machines` is empty when nothing does."""

    exists: bool
    project: str = ""
    """The directory whose lab.yml the lab came from."""
    provider: str = ""
    since: float = 0.0
    """Seconds since the epoch when it was made."""
    machines: tuple[MachineStatus, ...] = ()

    def machine(self, name: str) -> MachineStatus:
        """Return what is known of the machine `name`: ABSENT when nothing is."""
        for machine in self.machines:
            if machine.name == name:
                return machine
        return MachineStatus(name=MachineName(name), state=State.ABSENT)


class Severity(StrEnum):
    OK = "ok"
    WARNING = "warning"
    """The lab works, but something is slower or poorer than it could be."""
    FAILURE = "failure"
    """The lab cannot work on this host until it is mended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a check of this host found."""

    check: str
    severity: Severity
    detail: str
    fix: str = ""
    """The exact command or edit that mends it."""


class Provider(Protocol):
    """A family of machines. Every method may raise MachineError or HostError."""

    name: str

    @property
    def slowness(self) -> float:
        """How many times longer than a machine container a machine takes for its work: so long is waited for it."""

    @property
    def online(self) -> bool:
        """Whether machines have a way out of the lab, and so can fetch what the roles install."""

    def status(self) -> LabStatus:
        """Say what exists, fast and without privileges."""

    def prepare(self, on_line: Callable[[str], None] | None) -> bool:
        """Make what all machines need before the first of them can be: a base image, a box.

        Returns whether something is missing; with `on_line` None it only looks, else it makes it, slowly,
        passing on what the tools say.
        """

    def create(
        self, wanted: Mapping[MachineName, str], *, fresh: Collection[MachineName] = ()
    ) -> Sequence[MachineName]:
        """Make every machine of the topology exist and run; remove those that are in it no more.

        `wanted` names the configuration that each machine is to have: one that has to be made boots with it when
        it was captured before, and bare otherwise. Machines in `fresh` are made anew, whatever they are.
        Returns those that were made or started.
        """

    def power(self, machine: MachineName, action: Power) -> None:
        """Do `action` and return when it is done."""

    def link(self, machine: MachineName, network: NetworkName, state: Link) -> None:
        """Bring one cable to `state`."""

    def enter(self, machine: MachineName, argv: Sequence[str], *, user: str, terminal: bool) -> list[str]:
        """Return the host command that runs `argv` on the machine as `user`, with a terminal of its own if asked."""

    def connections(self) -> Mapping[MachineName, Mapping[str, str | bool]]:
        """Return the variables that tell Ansible how to reach each machine."""

    def destroy(self) -> None:
        """Remove everything that exists of the lab, in whatever state it is."""


class Captures(Protocol):
    """Configurations kept from one machine for the next one. Offered by providers that can do it cheaply."""

    def knows(self, configuration: str) -> bool:
        """Tell whether `configuration` was captured, and is undamaged."""

    def capture(self, machine: MachineName, configuration: str) -> None:
        """Keep what was configured on the machine under the name `configuration`.

        Of a machine that had a configuration before, no more than the name is kept: it has been in use since.
        """


class Host(Protocol):
    """What a family of machines needs of this host."""

    def findings(self) -> Iterator[Finding]:
        """Check every need, the good ones too."""

    def make_ready(self, say: Callable[[str], None]) -> None:
        """Change what may be changed without asking, and say so."""
