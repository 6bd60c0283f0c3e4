"""Which endpoints of a service port get traffic.

Rules: https://kubernetes.io/docs/reference/networking/virtual-ips/#traffic-policies and KEP-1669 (terminating
endpoints serve when no ready one is left).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.pocket.proxy.model import Endpoint, ServicePort


@dataclass(frozen=True, slots=True)
class Choice:
    """The endpoints behind each traffic policy, and whether the Service has any at all."""

    cluster: tuple[Endpoint, ...]
    local: tuple[Endpoint, ...]
    any: bool

    @property
    def all(self) -> tuple[Endpoint, ...]:
        """Every endpoint that needs a chain, once."""
        return tuple(dict.fromkeys((*self.cluster, *self.local)))


def choose(port: ServicePort, endpoints: Sequence[Endpoint]) -> Choice:
    """Return the endpoints that traffic to `port` may reach."""
    cluster = _usable(endpoints) if port.uses_cluster_endpoints else ()
    local = _usable([e for e in endpoints if e.local]) if port.uses_local_endpoints else ()
    return Choice(cluster, local, any=bool(cluster or local or _usable(endpoints)))


def _usable(endpoints: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
    """Return the ready endpoints or, when there is none, those that terminate but still serve."""
    ready = tuple(e for e in endpoints if e.ready)
    return ready or tuple(e for e in endpoints if e.serving and e.terminating)
