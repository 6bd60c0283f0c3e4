"""What kube-apiserver allocates to a Service: cluster IPs of one or two families, node ports, a health check port.

Pure: the caller says what is in use and stores the result. Order of calls, as in Kubernetes (registry/core/service):
create: `allocate`, then validation; update: `drop_type_dependent`, `allocate` with the old object, then validation.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any, Generic, TypeVar

from lab.pocket.api import families
from lab.pocket.api.errors import AllocationError, InvalidError
from lab.pocket.api.field import invalid

__all__ = ["Pools", "Used", "allocate", "drop_type_dependent", "holdings"]

Object = dict[str, Any]
T = TypeVar("T")
_OPEN_TYPES = {"NodePort", "LoadBalancer"}
_RANDOM = random.Random()  # noqa: S311  spreads allocations, protects nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Pools:
    """What the cluster has to give; the first network's family is the default one."""

    networks: tuple[IPv4Network | IPv6Network, ...]
    node_ports: range = range(30000, 32768)

    def network(self, family: str) -> IPv4Network | IPv6Network:
        return next(network for network in self.networks if f"IPv{network.version}" == family)


@dataclass(slots=True)
class Used:
    """Cluster IPs and node ports of some Services."""

    addresses: set[str] = field(default_factory=set)
    node_ports: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Taken(Generic[T]):
    """What is in use anywhere, less what one Service holds itself; asked, and never copied."""

    everywhere: tuple[Container[T], ...]
    own: Container[T]

    def __contains__(self, wanted: object) -> bool:
        return wanted not in self.own and any(wanted in used for used in self.everywhere)


def holdings(service: Object | None) -> Used:
    """Return what one Service holds."""
    spec = (service or {}).get("spec", {})
    ports = {port["nodePort"] for port in spec.get("ports", ()) if port.get("nodePort")}
    if spec.get("healthCheckNodePort"):
        ports.add(spec["healthCheckNodePort"])
    return Used({address for address in spec.get("clusterIPs", ()) if address not in {"", "None"}}, ports)


def allocate(service: Object, old: Object | None, *, pools: Pools, used: Sequence[Used]) -> None:
    """Complete `service`, a defaulted one, in place; `used` stay as they are and may include what `old` holds.

    Raises InvalidError for wishes that cannot be met, AllocationError when a pool is empty.
    """
    if old is not None:
        _keep_allocated(service, old)
    families.normalize(service, old)
    families.choose(service, old, [f"IPv{network.version}" for network in pools.networks])
    if service["spec"]["type"] == "ExternalName":
        service["spec"].pop("internalTrafficPolicy", None)
    before = holdings(old)
    addresses = Taken(tuple(each.addresses for each in used), before.addresses)
    ports = Taken(tuple(each.node_ports for each in used), before.node_ports)
    _allocate_addresses(service, old, pools, addresses)
    _allocate_ports(service, old, _Ports(pools.node_ports, ports, before.node_ports))


def drop_type_dependent(service: Object, old: Object) -> None:
    """Clear in an updated Service what its new type cannot have and what the client merely left as it was."""
    new, was = service["spec"], old["spec"]
    if families.needs_addresses(old) and not families.needs_addresses(service):
        if new.get("clusterIPs") == was.get("clusterIPs"):
            _drop(new, "clusterIP", "clusterIPs")
        _drop_same(new, was, "ipFamilies", "ipFamilyPolicy")
    closed = was["type"] in _OPEN_TYPES and new["type"] not in _OPEN_TYPES
    if closed and _node_ports(new) == _node_ports(was):
        for port in new.get("ports", ()):
            port.pop("nodePort", None)
    if _needs_health_check(old) and not _needs_health_check(service):
        _drop_same(new, was, "healthCheckNodePort")
    if was["type"] == "LoadBalancer" != new["type"]:
        _drop_same(new, was, "allocateLoadBalancerNodePorts", "loadBalancerClass")
    if _reachable(old) and not _reachable(service):
        _drop_same(new, was, "externalTrafficPolicy")
    if new["type"] != "LoadBalancer":
        service["status"] = {**service.get("status", {}), "loadBalancer": {}}


def _drop(spec: Object, *names: str) -> None:
    for name in names:
        spec.pop(name, None)


def _drop_same(new: Object, was: Object, *names: str) -> None:
    _drop(new, *(name for name in names if new.get(name) == was.get(name)))


def _node_ports(spec: Object) -> list[int]:
    return [port.get("nodePort", 0) for port in spec.get("ports", ())]


def _needs_node_ports(service: Object) -> bool:
    spec = service["spec"]
    on_request = spec.get("allocateLoadBalancerNodePorts") is False
    return spec["type"] == "NodePort" or (spec["type"] == "LoadBalancer" and not on_request)


def _needs_health_check(service: Object) -> bool:
    spec = service["spec"]
    return bool(spec["type"] == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local")


def _reachable(service: Object) -> bool:
    spec = service["spec"]
    return spec["type"] in _OPEN_TYPES or (spec["type"] == "ClusterIP" and bool(spec.get("externalIPs")))


def _keep_allocated(service: Object, old: Object) -> None:
    """Write into an update what an old client did not repeat."""
    new, was = service["spec"], old["spec"]
    if families.needs_addresses(old) and families.needs_addresses(service):
        if not new.get("clusterIP") and was.get("clusterIP"):
            new["clusterIP"] = was["clusterIP"]
        if not new.get("clusterIPs") and was.get("clusterIPs"):
            new["clusterIPs"] = list(was["clusterIPs"])
    if _needs_node_ports(old) and _needs_node_ports(service):
        taken = {*_node_ports(new)} & {*_node_ports(was)}
        by_name = {port.get("name", ""): port.get("nodePort", 0) for port in was.get("ports", ())}
        for port in new.get("ports", ()):
            known = by_name.get(port.get("name", ""), 0)
            if not port.get("nodePort") and known and known not in taken:
                port["nodePort"] = known
    if _needs_health_check(old) and _needs_health_check(service) and not new.get("healthCheckNodePort"):
        new["healthCheckNodePort"] = was.get("healthCheckNodePort", 0)


def _allocate_addresses(service: Object, old: Object | None, pools: Pools, taken: Container[str]) -> None:
    spec = service["spec"]
    if not families.needs_addresses(service) or spec.get("clusterIPs", [""])[:1] == ["None"]:
        return
    had = old["spec"].get("clusterIPs", []) if old is not None and families.needs_addresses(old) else []
    if had[:1] == ["None"]:
        return
    wanted = spec.get("ipFamilies", [])
    addresses = (spec.get("clusterIPs", []) + [""] * len(wanted))[
        : max(len(wanted), len(spec.get("clusterIPs", [])))
    ]
    for index, family in enumerate(wanted):
        if index >= len(had):
            addresses[index] = _address(addresses, index, pools.network(family), taken)
    spec["clusterIP"], spec["clusterIPs"] = addresses[0], addresses


def _address(
    addresses: list[str], index: int, network: IPv4Network | IPv6Network, taken: Container[str]
) -> str:
    asked = addresses[index]
    if not asked:
        return _free_address(network, taken)
    why = ""
    if ip_address(asked) not in network or asked in _reserved(network):
        why = "the provided network does not match the current range"
    elif asked in taken:
        why = "provided IP is already allocated"
    if why:
        raise InvalidError([invalid("spec.clusterIPs", addresses, f"failed to allocate IP {asked}: {why}")])
    return asked


def _reserved(network: IPv4Network | IPv6Network) -> set[str]:
    return {str(network[0]), str(network[-1])} if network.version == 4 else {str(network[0])}


def _free_address(network: IPv4Network | IPv6Network, taken: Container[str]) -> str:
    """Return a random free address, from the upper part of the network as long as there is one.

    Kubernetes leaves the lower part to addresses that people choose (KEP-3070).
    """
    last = network.num_addresses - (2 if network.version == 4 else 1)
    chosen = min(max(16, network.num_addresses // 16), 256)
    for first, end in ((chosen + 1, last), (1, min(chosen, last))):
        number = _free(lambda candidate: str(network[candidate]) in taken, first, end)
        if number is not None:
            return str(network[number])
    raise AllocationError(f"failed to allocate a serviceIP: range {network} is full")


def _free(is_taken: Callable[[int], bool], first: int, last: int) -> int | None:
    """Return a random number of first…last that is not taken, or None; the cost does not grow with what is taken."""
    if first > last:
        return None
    for _ in range(64):
        guess = _RANDOM.randint(first, last)
        if not is_taken(guess):
            return guess
    return next((number for number in range(first, last + 1) if not is_taken(number)), None)


class _Ports:
    """Node ports being handed out to one Service."""

    def __init__(self, pool: range, taken: Container[int], kept: Container[int]) -> None:
        self._pool = pool
        self._taken = taken
        self._kept = kept
        self._claimed: set[int] = set()

    def claim(self, number: int, path: str) -> None:
        """Take a port that the client asks for; one that the Service already had is its own."""
        why = self._refusal(number)
        if why:
            raise InvalidError([invalid(path, number, why)])
        self._claimed.add(number)

    def claim_health_check(self, number: int) -> None:
        why = self._refusal(number)
        if why:
            raise AllocationError(f"failed to allocate requested HealthCheck NodePort {number}: {why}")
        self._claimed.add(number)

    def _refusal(self, number: int) -> str:
        if number in self._claimed or number in self._taken:
            return "provided port is already allocated"
        if number in self._pool or number in self._kept:
            return ""
        last = self._pool[-1]
        return f"provided port is not in the valid range. The range of valid ports is {self._pool[0]}-{last}"

    def _is_taken(self, number: int) -> bool:
        return number in self._claimed or number in self._kept or number in self._taken

    def free(self) -> int:
        size = len(self._pool)
        chosen = min(max(16, size // 32), 128) if size > 16 else 0
        start = self._pool[0]
        for first, last in ((start + chosen, self._pool[-1]), (start, start + chosen - 1)):
            number = _free(self._is_taken, first, last)
            if number is not None:
                self._claimed.add(number)
                return number
        raise AllocationError("failed to allocate a nodePort: range is full")


def _allocate_ports(service: Object, old: Object | None, ports: _Ports) -> None:
    spec = service["spec"]
    if spec["type"] in _OPEN_TYPES:
        _claim_node_ports(spec.get("ports", []), ports, update=old is not None)
    if _needs_node_ports(service):
        _give_node_ports(spec.get("ports", []), ports)
    if _needs_health_check(service) and not (old is not None and _needs_health_check(old)):
        asked = spec.get("healthCheckNodePort")
        if asked:
            ports.claim_health_check(asked)
        else:
            spec["healthCheckNodePort"] = ports.free()


def _claim_node_ports(entries: list[Object], ports: _Ports, *, update: bool) -> None:
    """Take the node ports that are asked for; only entries for one port (TCP and UDP) may share theirs."""
    owners: dict[int, int] = {}
    for index, entry in enumerate(entries):
        number = entry.get("nodePort", 0)
        if not number or owners.get(number) == entry["port"] or (update and number in owners):
            continue
        ports.claim(number, f"spec.ports[{index}].nodePort")
        owners[number] = entry["port"]


def _give_node_ports(entries: list[Object], ports: _Ports) -> None:
    given = {entry["port"]: entry["nodePort"] for entry in reversed(entries) if entry.get("nodePort")}
    for entry in entries:
        if not entry.get("nodePort"):
            if entry["port"] not in given:
                given[entry["port"]] = ports.free()
            entry["nodePort"] = given[entry["port"]]
