"""Short ways to write pools and Services in tables."""

from __future__ import annotations

from typing import Any

from lab.balancer.config.pools import parse_entry
from lab.balancer.model import Address, Family, Pool, PoolName, ServiceAllocation
from lab.balancer.service import Port, Service, parse_address
from lab.kube.resources import ObjectKey
from lab.kube.selectors import LabelSelector

V4, V6 = (Family.IPV4,), (Family.IPV6,)
DUAL = (Family.IPV4, Family.IPV6)


def pool(
    name: str,
    *addresses: str,
    auto: bool = True,
    buggy: bool = False,
    namespaces: list[str] | None = None,
    labels: dict[str, str] | None = None,
    priority: int | None = None,
) -> Pool:
    """Return a pool; it is kept for some Services when one of the last three is given."""
    allocation = None
    if namespaces is not None or labels is not None or priority is not None:
        allocation = ServiceAllocation(
            priority=priority or 0,
            namespaces=frozenset(namespaces or ()),
            namespaced=namespaces is not None,
            service_selectors=(LabelSelector.parse({"matchLabels": labels}),) if labels else (),
        )
    return Pool(
        name=PoolName(name),
        prefixes=tuple(prefix for text in addresses for prefix in parse_entry(text)),
        auto_assign=auto,
        avoid_buggy_ips=buggy,
        allocation=allocation,
    )


def service(
    name: str,
    *ports: str,
    ns: str = "default",
    key: str = "",
    backend: str = "",
    labels: dict[str, str] | None = None,
    **fields: Any,
) -> Service:
    """Return a Service; `backend` makes its traffic policy Local with that selector."""
    return Service(
        key=ObjectKey(ns, name),
        ports=frozenset(
            Port(protocol, int(number)) for protocol, _, number in (p.partition("/") for p in ports)
        ),
        annotations={"metallb.io/allow-shared-ip": key} if key else {},
        local=bool(backend),
        selector={"app": backend} if backend else {},
        labels=labels or {},
        **fields,
    )


def addresses(text: str) -> list[Address]:
    return [a for a in map(parse_address, text.split(",")) if a is not None]


def words(found: tuple[Address, ...]) -> str:
    return ",".join(map(str, found))
