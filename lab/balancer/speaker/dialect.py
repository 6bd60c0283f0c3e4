"""The port between the speaker and the ways to tell a network about addresses; BGP is one, layer 2 will be another."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from lab.balancer.model import Address
from lab.balancer.reasons import NotAnnounced
from lab.balancer.service import Endpoint, Service
from lab.balancer.speaker.decide import Situation
from lab.kube.resources import ObjectKey


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a dialect does about one Service: the addresses it announces and to whom, or why it does not."""

    addresses: tuple[Address, ...] = ()
    targets: tuple[str, ...] = ()
    """Names of peers, or of interfaces."""
    missed: tuple[tuple[str, NotAnnounced], ...] = ()
    """Peers that lack a route although the node announces the Service, and why."""
    reason: NotAnnounced | None = None


class Dialect(Protocol):
    """One way to announce. All calls come from one task, and none of them blocks."""

    protocol: str
    """As MetalLB names it in events, logs and metrics: `bgp`, `layer2`."""

    def adopt(self, situation: Situation) -> None:
        """Take over another configuration, or another state of the node. Every Service is decided again after it."""
        ...

    def consider(self, service: Service, endpoints: Collection[Endpoint], *, since: float) -> Verdict:
        """Decide about one Service as it is now, and remember what has to be announced for it.

        It became as it is at `since`, on the event loop's clock.
        """
        ...

    def forget(self, key: ObjectKey) -> None:
        """Announce nothing more for a Service that is gone."""
        ...

    def announce(self) -> None:
        """Put everything that was decided on the wire."""
        ...

    async def stop(self) -> None:
        """Take leave of the network as politely as it takes."""
        ...

    def targets(self) -> Mapping[str, str]:
        """Return the state of each peer, or interface, by name."""
        ...
