"""The proxy's loop: watches feed plans, plans become rules."""

from __future__ import annotations

import asyncio
import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from ipaddress import ip_address, ip_network
from typing import Any, Final, Never

from lab.kits.log import Log
from lab.kits.shell import CommandError
from lab.kube.client import Client
from lab.kube.resources import ENDPOINT_SLICES, NODES, SERVICES, Json, ObjectKey
from lab.kube.watch import Change, Reflector, without_managed_fields
from lab.pocket.proxy.chains import Node
from lab.pocket.proxy.conntrack import forget, stale_flows
from lab.pocket.proxy.health import HealthServers, listen
from lab.pocket.proxy.iptables import Iptables
from lab.pocket.proxy.model import Family
from lab.pocket.proxy.plan import Plan

log = Log(__name__)
COALESCE: Final = 0.005
"""Seconds to wait for further changes before writing: events of one cause arrive together."""
SHARE: Final = 0.1
"""Of the time may be spent on writing rules while many Services change: then many of them follow at a time."""
CREDIT: Final = 0.2
"""Seconds of writing that need no rest, so that a few changes follow at once (kube-proxy: minSyncPeriod, with a burst)."""
LONGEST_REST: Final = 10.0
RETRY: Final = 1.0
CHECK: Final = 30.0
"""Seconds between looks at whether someone flushed the tables."""
HEALTHZ_PORT: Final = 10256
SERVICE_NAME: Final = "kubernetes.io/service-name"


class Proxy:
    """The service proxy of the node `node_name`."""

    def __init__(self, client: Client, *, node_name: str, cluster_cidrs: Sequence[str] = ()) -> None:
        """Take `cluster_cidrs`, the pod ranges of the whole cluster: at most one of each family."""
        self._cluster_cidrs = cluster_cidrs
        families = [f for f, program in _PROGRAMS.items() if shutil.which(program)]
        self._sides = [_Side(family, node_name) for family in families]
        self._services = Reflector(client, SERVICES, without_managed_fields, on_change=self._service_changed)
        self._slices = Reflector(
            client, ENDPOINT_SLICES, without_managed_fields, on_change=self._slice_changed
        )
        self._nodes = Reflector(
            client, NODES, _addresses, fields=f"metadata.name={node_name}", on_change=self._node_changed
        )
        self._slices_of: dict[ObjectKey, dict[ObjectKey, Json]] = defaultdict(dict)
        self._dirty: set[ObjectKey] = set()
        self._wake = asyncio.Event()
        self._health = HealthServers()

    async def run(self) -> Never:
        """Follow the API and keep the rules right until cancelled. The rules stay when it ends: traffic goes on."""
        healthz = await listen(HEALTHZ_PORT, lambda: (HTTPStatus.OK, b"{}"))
        try:
            async with asyncio.TaskGroup() as group:
                for reflector in (self._services, self._slices, self._nodes):
                    group.create_task(reflector.run())
                group.create_task(self._apply_forever())
        finally:
            healthz.close()
            self._health.close()
        raise AssertionError("reflectors run until cancelled")

    async def _apply_forever(self) -> Never:
        for reflector in (self._services, self._slices, self._nodes):
            await reflector.synced.wait()
        rest = _Rest()
        while True:
            rest.begin()
            try:
                await self._apply()
            except CommandError as error:
                log.warning("could not write the rules, will try again", error=error.message)
                await asyncio.sleep(RETRY)
                continue
            await rest.take()
            await self._wait()

    async def _wait(self) -> None:
        """Return when something changed, or when the tables were flushed."""
        while not self._wake.is_set():
            try:
                async with asyncio.timeout(CHECK):
                    await self._wake.wait()
            except TimeoutError:
                for side in self._sides:
                    await side.iptables.check()
                return
        await asyncio.sleep(COALESCE)

    async def _apply(self) -> None:
        self._wake.clear()
        dirty, self._dirty = self._dirty, set()
        for key in dirty:
            slices = list(self._slices_of.get(key, {}).values())
            for side in self._sides:
                side.update(key, self._services.store.get(key), slices)
        for side in self._sides:
            await side.apply()
        await self._health.serve(
            {port: each for side in self._sides for port, each in side.plan.health().items()}
        )

    def _service_changed(self, change: Change[Json]) -> None:
        self._mark(change.key)

    def _slice_changed(self, change: Change[Json]) -> None:
        for version, item in (("old", change.old), ("new", change.new)):
            if item is None:
                continue
            service = ObjectKey(
                change.key.namespace, (item["metadata"].get("labels") or {}).get(SERVICE_NAME, "")
            )
            if version == "new":
                self._slices_of[service][change.key] = item
            else:
                self._slices_of[service].pop(change.key, None)
            self._mark(service)

    def _node_changed(self, change: Change[tuple[str, ...]]) -> None:
        if change.new is None:
            return
        for side in self._sides:
            side.plan.set_node(_node(side.plan.family, change.new, self._cluster_cidrs))
        self._wake.set()

    def _mark(self, key: ObjectKey) -> None:
        if key.name:
            self._dirty.add(key)
            self._wake.set()


class _Side:
    """One address family."""

    def __init__(self, family: Family, node_name: str) -> None:
        self.plan = Plan(family, node_name)
        self.iptables = Iptables(family)
        self._stale: dict[tuple[str, ...], None] = {}
        """Flows to forget when the rules are written."""

    def update(self, key: ObjectKey, service: Json | None, slices: Sequence[Json]) -> None:
        before = self.plan.entries(key)
        self.plan.update(key, service, slices)
        self._stale.update(dict.fromkeys(stale_flows(before, self.plan.entries(key))))

    async def apply(self) -> None:
        await self.iptables.apply(self.plan.rule_set())
        stale, self._stale = list(self._stale), {}
        await forget(stale, self.plan.family)


class _Rest:
    """Keeps the time spent on work to a share of all time, in the long run."""

    def __init__(self) -> None:
        self._clock = asyncio.get_running_loop().time
        self._credit = CREDIT
        self._counted_at = self._began = self._clock()

    def begin(self) -> None:
        self._began = self._clock()

    async def take(self) -> None:
        """Rest after work, if there was too much of it lately."""
        now = self._clock()
        earned = SHARE * (now - self._counted_at)
        self._credit = min(CREDIT, self._credit + earned) - (now - self._began)
        self._counted_at = now
        if self._credit < 0:
            await asyncio.sleep(min(-self._credit / SHARE, LONGEST_REST))


_PROGRAMS: Final = {Family.IPV4: "iptables-restore", Family.IPV6: "ip6tables-restore"}


def _addresses(node: Json) -> tuple[str, ...]:
    addresses: Sequence[Mapping[str, Any]] = (node.get("status") or {}).get("addresses") or ()
    return tuple(each["address"] for each in addresses if each["type"] == "InternalIP")


def _node(family: Family, addresses: Sequence[str], cidrs: Sequence[str]) -> Node:
    version = 4 if family is Family.IPV4 else 6
    ip = next((each for each in addresses if ip_address(each).version == version), "")
    cidr = next((each for each in cidrs if ip_network(each).version == version), "")
    return Node(ip, cidr)
