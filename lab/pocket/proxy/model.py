"""A service port and an endpoint, for one address family, as the rules need them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple


class Family(Enum):
    """An address family, by the name that Services and EndpointSlices give it."""

    IPV4 = "IPv4"
    IPV6 = "IPv6"


class PortName(NamedTuple):
    """The identity of one port of one Service."""

    namespace: str
    service: str
    port: str = ""
    """Empty when the Service has one port without a name."""

    def __str__(self) -> str:
        return (
            f"{self.namespace}/{self.service}:{self.port}"
            if self.port
            else f"{self.namespace}/{self.service}"
        )


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address that serves a port. `local` means on this node."""

    ip: str
    port: int
    ready: bool = True
    serving: bool = True
    terminating: bool = False
    local: bool = False

    @property
    def address(self) -> str:
        """`10.0.0.1:80` or `[fd00::1]:80`."""
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePort:
    """One port of a Service, seen by one address family."""

    name: PortName
    protocol: str
    """`tcp`, `udp` or `sctp`."""
    cluster_ip: str
    port: int
    node_port: int = 0
    external_ips: tuple[str, ...] = ()
    load_balancer_ips: tuple[str, ...] = ()
    source_ranges: tuple[str, ...] = ()
    internal_local: bool = False
    external_local: bool = False
    affinity_seconds: int = 0
    """How long a client keeps its endpoint; 0 without session affinity."""
    health_check_node_port: int = 0

    @property
    def external(self) -> bool:
        """Whether it can be reached from outside the cluster."""
        return bool(self.node_port or self.external_ips or self.load_balancer_ips)

    @property
    def uses_cluster_endpoints(self) -> bool:
        # External traffic of policy Local counts too: pods that call the external address are short-circuited
        # to all endpoints.
        return not self.internal_local or self.external

    @property
    def uses_local_endpoints(self) -> bool:
        return self.internal_local or (self.external_local and self.external)
