"""What is asked of the hypervisor itself, because Vagrant takes seconds or cannot do it: look, pull plugs, cut power."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from lab.machines.port import State
from lab.topology.model import Hypervisor as Name
from lab.topology.model import MachineName


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the hypervisor says of a machine."""

    state: State
    links: Mapping[str, bool] = field(default_factory=dict)
    """MAC address, in lower case → whether the cable is plugged in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """A machine, as the hypervisor knows it."""

    identity: str
    macs: Sequence[str]
    """The lab's interfaces, in the order of their adapters."""


class Hypervisor(Protocol):
    """Every method may raise HostError."""

    name: Name

    def observe(self, domains: Mapping[MachineName, Domain]) -> Mapping[MachineName, Seen]:
        """Return what is known of each machine; one that the hypervisor does not know is left out."""

    def kill(self, domain: Domain) -> None:
        """Cut the power."""

    def freeze(self, domain: Domain) -> None: ...

    def thaw(self, domain: Domain) -> None: ...

    def sweep(self, names: Collection[str], networks: Collection[str] = ()) -> None:
        """Remove what the hypervisor has of machines and networks of these names: Vagrant, interrupted, forgot them."""

    def plug(self, domain: Domain, mac: str, *, up: bool) -> None:
        """Plug the cable of the interface `mac` in, or out."""
