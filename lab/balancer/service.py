"""Services, endpoints and nodes as the balancer sees them: small frozen values made from API objects.

Making them never fails: what a user wrote wrongly stays as written, and who needs it parses it and says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from sys import intern
from types import MappingProxyType
from typing import Final

from lab.balancer.model import Address, Family, family_of
from lab.kube.resources import Json, ObjectKey

PREFIXES: Final = ("metallb.io/", "metallb.universe.tf/")
"""Of annotations; the second is deprecated and read when the first is not there."""
ALLOCATED_FROM: Final = "metallb.io/ip-allocated-from-pool"
NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
EXCLUDE_LABEL: Final = "node.kubernetes.io/exclude-from-external-load-balancers"


class FamilyPolicy(StrEnum):
    SINGLE = "SingleStack"
    PREFER_DUAL = "PreferDualStack"
    REQUIRE_DUAL = "RequireDualStack"


@dataclass(frozen=True, slots=True, order=True)
class Port:
    protocol: str
    number: int

    def __str__(self) -> str:
        return f"{self.protocol}/{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What of a Service matters here. Strings are as written in the object."""

    key: ObjectKey
    uid: str = ""
    resource_version: str = ""
    created: str = ""
    """creationTimestamp, which sorts as text."""
    type: str = "LoadBalancer"
    load_balancer_class: str = ""
    labels: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    selector: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    cluster_ips: tuple[Address, ...] = ()
    families: tuple[Family, ...] = ()
    """Of the cluster IPs, primary first."""
    family_policy: str = ""
    local: bool = False
    """externalTrafficPolicy: Local."""
    ports: frozenset[Port] = frozenset()
    load_balancer_ip: str = ""
    annotations: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    """Only those with one of our prefixes."""
    ingress: tuple[str, ...] = ()
    """status.loadBalancer.ingress: addresses, or host names of other controllers."""
    conditions: tuple[Json, ...] = ()
    addresses: tuple[Address, ...] = field(init=False, compare=False, repr=False)
    """The addresses of the status, without what is not an address."""

    def __post_init__(self) -> None:
        addresses = tuple(a for a in map(parse_address, self.ingress) if a is not None)
        object.__setattr__(self, "addresses", addresses)

    def annotation(self, name: str) -> str:
        """Return an annotation's value, whichever prefix it has; empty when there is none."""
        return next((self.annotations[p + name] for p in PREFIXES if p + name in self.annotations), "")

    @property
    def sharing_key(self) -> str:
        return self.annotation("allow-shared-ip")

    @property
    def backend_key(self) -> str:
        """Equal for Services that send traffic to the same pods; empty when that does not matter."""
        return ",".join(f"{k}={v}" for k, v in sorted(self.selector.items())) if self.local else ""


def parse_address(text: str) -> Address | None:
    try:
        return ip_address(text.strip())
    except ValueError:
        return None


def decode_service(item: Json) -> Service:
    """Return the view of a v1 Service."""
    metadata, spec, status = item["metadata"], item.get("spec") or {}, item.get("status") or {}
    cluster_ips = _cluster_ips(spec)
    return Service(
        key=ObjectKey.of(item),
        uid=metadata.get("uid", ""),
        resource_version=metadata.get("resourceVersion", ""),
        created=metadata.get("creationTimestamp") or "",
        type=spec.get("type", "ClusterIP"),
        load_balancer_class=spec.get("loadBalancerClass") or "",
        labels=metadata.get("labels") or {},
        selector=spec.get("selector") or {},
        cluster_ips=cluster_ips,
        families=tuple(family_of(address) for address in cluster_ips),
        family_policy=spec.get("ipFamilyPolicy") or "",
        local=spec.get("externalTrafficPolicy") == "Local",
        ports=frozenset(Port(p.get("protocol") or "TCP", p["port"]) for p in spec.get("ports") or ()),
        load_balancer_ip=spec.get("loadBalancerIP") or "",
        annotations={
            name: value
            for name, value in (metadata.get("annotations") or {}).items()
            if name.startswith(PREFIXES)
        },
        ingress=_ingress(status),
        conditions=tuple(status.get("conditions") or ()),
    )


def decode_announced_service(item: Json) -> Service:
    """Return the view of a v1 Service without what only matters to who gives addresses: every node keeps every Service."""
    metadata, spec = item["metadata"], item.get("spec") or {}
    return Service(
        key=ObjectKey.of(item),
        uid=metadata.get("uid", ""),
        type=intern(spec.get("type", "ClusterIP")),
        load_balancer_class=intern(spec.get("loadBalancerClass") or ""),
        labels=metadata.get("labels") or NOTHING,
        local=spec.get("externalTrafficPolicy") == "Local",
        ingress=_ingress(item.get("status") or {}),
    )


def _ingress(status: Json) -> tuple[str, ...]:
    return tuple(
        entry.get("ip") or entry.get("hostname") or ""
        for entry in (status.get("loadBalancer") or {}).get("ingress") or ()
    )


def _cluster_ips(spec: Json) -> tuple[Address, ...]:
    texts = spec.get("clusterIPs") or [spec.get("clusterIP") or ""]
    return tuple(a for a in map(parse_address, texts) if a is not None)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address behind a Service."""

    address: str
    node: str
    healthy: bool
    """Ready, or not known not to be; else still serving while it terminates."""
    leaving: bool = False
    """Not ready any more: it terminates, and perhaps serves what is under way."""


@dataclass(frozen=True, slots=True)
class EndpointSlice:
    """Some of a Service's endpoints."""

    service: ObjectKey
    endpoints: tuple[Endpoint, ...]


def decode_endpoint_slice(item: Json) -> EndpointSlice:
    """Return the view of a discovery.k8s.io/v1 EndpointSlice."""
    metadata = item["metadata"]
    name = (metadata.get("labels") or {}).get("kubernetes.io/service-name", "")
    return EndpointSlice(
        ObjectKey(metadata.get("namespace", ""), name),
        tuple(
            endpoint
            for entry in item.get("endpoints") or ()
            for endpoint in _decode_endpoints(entry, entry.get("conditions") or {})
        ),
    )


def _decode_endpoints(entry: Json, conditions: Json) -> Iterator[Endpoint]:
    ready = conditions.get("ready") is not False
    healthy = ready or conditions.get("serving") is True
    leaving = not ready and conditions.get("terminating") is True
    for address in entry.get("addresses") or ():
        yield Endpoint(address, intern(entry.get("nodeName") or ""), healthy, leaving)


@dataclass(frozen=True, slots=True)
class Node:
    """What of a Node decides whether it announces."""

    name: str
    labels: Mapping[str, str]
    network_unavailable: bool = False
    addresses: tuple[Address, ...] = ()
    """Those of type InternalIP, in the order of the status."""
    ready: bool = True
    """Its condition Ready; says nothing about announcing, only about how to stop."""
    cordoned: bool = False
    """No new pods are to come (`kubectl cordon`, `kubectl drain`); says nothing about announcing, as in MetalLB."""
    deleted: bool = False
    """The cluster has no such Node, or is about to have none."""

    @property
    def stays(self) -> bool:
        """Whether the node seems to go on when one of its programs is told to stop."""
        return self.ready and not self.cordoned and not self.deleted

    @property
    def excluded(self) -> bool:
        return EXCLUDE_LABEL in self.labels


def decode_node(item: Json) -> Node:
    """Return the view of a v1 Node."""
    metadata, status = item["metadata"], item.get("status") or {}
    conditions = {c.get("type"): c.get("status") for c in status.get("conditions") or ()}
    internal = [a for a in status.get("addresses") or () if a.get("type") == "InternalIP"]
    return Node(
        metadata["name"],
        metadata.get("labels") or {},
        network_unavailable=conditions.get("NetworkUnavailable") == "True",
        addresses=tuple(a for a in (parse_address(a.get("address", "")) for a in internal) if a is not None),
        ready=conditions.get("Ready", "True") == "True",
        cordoned=(item.get("spec") or {}).get("unschedulable") is True,
        deleted="deletionTimestamp" in metadata,
    )
