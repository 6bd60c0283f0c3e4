"""What one address family's tables should hold, kept up to date Service by Service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lab.kube.resources import ObjectKey
from lab.pocket.proxy.chains import Fragment, Node, service_rules
from lab.pocket.proxy.conntrack import Entry
from lab.pocket.proxy.health import Health
from lab.pocket.proxy.model import Family, PortName
from lab.pocket.proxy.parse import endpoints_of, service_ports
from lab.pocket.proxy.rules import RuleSet, rule_set

LARGE_CLUSTER = 1000
"""Endpoints above which kube-proxy leaves comments out of endpoint rules."""


class Plan:
    """The wanted rules of one family. `update` costs as much as one Service, `rule_set` as much as copying a list."""

    def __init__(self, family: Family, node_name: str) -> None:
        self.family = family
        self._node_name = node_name
        self._node = Node()
        self._entries: dict[ObjectKey, dict[PortName, Entry]] = {}
        self._fragments: dict[ObjectKey, tuple[Fragment, ...]] = {}
        self._health: dict[ObjectKey, Mapping[int, Health]] = {}
        self._endpoints = 0

    def set_node(self, node: Node) -> None:
        """Take new facts of the node into every rule."""
        if node != self._node:
            self._node = node
            self._write_all()

    def update(
        self, key: ObjectKey, service: Mapping[str, Any] | None, slices: Iterable[Mapping[str, Any]]
    ) -> None:
        """Take over a Service and its EndpointSlices; None means that it is gone."""
        old = self._entries.pop(key, {})
        self._fragments.pop(key, None)
        self._health.pop(key, None)
        entries = self._read(service, slices) if service else {}
        large = self._large
        self._endpoints += _count(entries) - _count(old)
        if entries:
            self._entries[key] = entries
            self._fragments[key] = self._write(entries)
        if health := _health(key, entries):
            self._health[key] = health
        if large != self._large:
            self._write_all()

    def rule_set(self) -> RuleSet:
        """Return all chains of the proxy with their rules, Services in the order of their names."""
        ordered = sorted(self._fragments)
        return rule_set((fragment for key in ordered for fragment in self._fragments[key]), self.family)

    def entries(self, key: ObjectKey) -> Mapping[object, Entry]:
        """Return the ports of a Service with their endpoints."""
        ports = self._entries.get(key, {})
        return {(*name, entry[0].protocol): entry for name, entry in ports.items()}

    def health(self) -> Mapping[int, Health]:
        """Return what to answer on each healthCheckNodePort."""
        return {port: health for found in self._health.values() for port, health in found.items()}

    @property
    def _large(self) -> bool:
        return self._endpoints > LARGE_CLUSTER

    def _read(self, service: Mapping[str, Any], slices: Iterable[Mapping[str, Any]]) -> dict[PortName, Entry]:
        endpoints = endpoints_of(slices, self.family, self._node_name)
        return {
            port.name: (port, endpoints.get((port.name.port, port.protocol), ()))
            for port in service_ports(service, self.family)
        }

    def _write(self, entries: Mapping[PortName, Entry]) -> tuple[Fragment, ...]:
        comments = not self._large
        return tuple(service_rules(*entry, self._node, comments=comments) for entry in entries.values())

    def _write_all(self) -> None:
        self._fragments = {key: self._write(entries) for key, entries in self._entries.items()}


def _health(key: ObjectKey, entries: Mapping[PortName, Entry]) -> Mapping[int, Health]:
    ports = {port.health_check_node_port for port, _ in entries.values() if port.health_check_node_port}
    if not ports:
        return {}
    local = {e.ip for _, endpoints in entries.values() for e in endpoints if e.local and e.ready}
    return {port: Health(*key, len(local)) for port in ports}


def _count(entries: Mapping[PortName, Entry]) -> int:
    return sum(len(endpoints) for _, endpoints in entries.values())
