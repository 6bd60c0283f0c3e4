"""A cluster to do harm to: API server, controller, speaker and router, each a process of its own that may end at any instant.

A witness looks on all the time: no address may belong to two Services, and none may be taken from a Service that has one.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from lab.balancer.resources import BGP_ADVERTISEMENTS
from lab.errors import ApiError
from lab.kube.client import Client
from lab.kube.errors import AlreadyExists, Gone, NotFound
from lab.kube.resources import ENDPOINT_SLICES, SERVICES
from tests.contract.balancer_process import (
    ControllerProcess,
    address_of,
    admin,
    balanced,
    create,
    install,
)
from tests.contract.speaker_process import Router, SpeakerProcess, configure, grant, routing
from tests.fuzz.pocket_process import PocketProcess

T = TypeVar("T")
NAMESPACE, NODE, CLASS, POOL = "troubled", "troubled-node", "lab.test/troubled", "198.51.100.0/24"
PATIENCE = 60.0


@dataclass
class Witness:
    """What was seen that may not be."""

    addresses: dict[str, str] = field(default_factory=dict)
    """Unique identity of a Service → the address that it was first seen with."""
    complaints: list[str] = field(default_factory=list)
    looks: int = 0

    def look(self, items: Sequence[dict[str, Any]]) -> None:
        self.looks += 1
        holders: dict[str, str] = {}
        for item in items:
            name, uid, address = item["metadata"]["name"], item["metadata"]["uid"], address_of(item)
            had = self.addresses.setdefault(uid, address) if address else self.addresses.get(uid, "")
            if had != address:
                self.complaints.append(f"{name} had {had} and then {address or 'none'}")
            if address and address in holders:
                self.complaints.append(f"{address} belongs to {holders[address]} and to {name}")
            holders[address] = name


@dataclass
class Troubled:
    server: PocketProcess
    client: Client
    controller: ControllerProcess
    speaker: SpeakerProcess
    router: Router
    witness: Witness = field(default_factory=Witness)
    living: set[str] = field(default_factory=set)
    """Services that are to be there."""
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    async def insist(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do it, again and again while the API server is away; it may then have been done before."""
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    return await work()
                except (AlreadyExists, Gone, NotFound):
                    raise
                except ApiError:
                    await asyncio.sleep(0.05)

    async def add(self) -> str:
        """Make another Service with a pod on the node."""
        name = f"s{next(self._numbers)}"
        self.living.add(name)
        metadata = {
            "name": name,
            "namespace": NAMESPACE,
            "labels": {"kubernetes.io/service-name": name},
        }
        endpoints = [{"addresses": ["10.244.0.7"], "nodeName": NODE, "conditions": {"ready": True}}]
        slice_ = {"metadata": metadata, "addressType": "IPv4", "endpoints": endpoints, "ports": []}
        await self.insist(lambda: create(self.client, ENDPOINT_SLICES, slice_))
        with contextlib.suppress(AlreadyExists):
            await self.insist(lambda: self.client.create(SERVICES, balanced(name, NAMESPACE, CLASS)))
        return name

    async def remove(self, name: str) -> None:
        self.living.discard(name)
        with contextlib.suppress(NotFound):
            await self.insist(lambda: self.client.delete(SERVICES, name, namespace=NAMESPACE))

    async def touch(self, name: str, mark: str) -> None:
        """Write to a Service, as others do while the controller writes to it too."""
        patch = {"metadata": {"annotations": {"example.org/mark": mark}}}
        await self.insist(lambda: self.client.patch(SERVICES, name, patch, namespace=NAMESPACE))

    async def advertise(self, **spec: Any) -> None:
        patch = {"spec": {"communities": ["1111:2222"]} | spec}
        await self.insist(lambda: self.client.patch(BGP_ADVERTISEMENTS, "all", patch, namespace=NAMESPACE))

    async def outage(self, seconds: float, *, forgetful: bool = False) -> None:
        """Kill the API server; `forgetful`: no watch can be resumed after it (410 Gone)."""
        version = (await self.client.list(SERVICES, namespace=NAMESPACE)).resource_version
        self.server.kill()
        if forgetful:
            forget(self.server.data)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(self.server.start)
        if forgetful:
            with pytest.raises(Gone):
                await self.insist(lambda: self._resume(version))

    async def _resume(self, version: str) -> None:
        async with self.client.watch(SERVICES, resource_version=version, seconds=1) as events:
            async for _ in events:
                return

    async def until_settled(self, *, seconds: float = PATIENCE) -> float:
        """Wait until every Service has an address and the router exactly these; returns the seconds that it took."""
        clock = asyncio.get_running_loop().time
        before = clock()
        unsettled = await self.unsettled()
        while unsettled:
            assert clock() - before < seconds, unsettled
            await asyncio.sleep(0.02)
            unsettled = await self.unsettled()
        return clock() - before

    async def unsettled(self) -> str:
        listing = await self.insist(lambda: self.client.list(SERVICES, namespace=NAMESPACE))
        given = {item["metadata"]["name"]: address_of(item) for item in listing.items}
        if given.keys() != self.living or not all(given.values()):
            return f"{self.living} are to be there, and there are {given}"
        prefixes = {f"{address}/32" for address in given.values()}
        differ = prefixes ^ set(self.router.rib)
        return f"{differ} given and not announced, or the other way round" if differ else ""

    async def observe(self) -> None:
        while True:
            with contextlib.suppress(ApiError):
                self.witness.look((await self.client.list(SERVICES, namespace=NAMESPACE)).items)
            await asyncio.sleep(0.03)


def forget(data: Path) -> None:
    """Drop the log of a server that is not running, up to a revision that nobody can have seen."""
    with contextlib.closing(sqlite3.connect(next(data.glob("*.db")))) as database, database:
        database.execute("UPDATE compaction SET revision = 1 + (SELECT MAX(revision) FROM log)")
        database.execute("DELETE FROM log")


@contextlib.asynccontextmanager
async def troubled(folder: Path) -> AsyncIterator[Troubled]:
    """Have everything running, and watched."""
    server = PocketProcess(folder / "pocket")
    server.start()
    programs: list[ControllerProcess | SpeakerProcess] = []
    try:
        async with admin(server.kubeconfig) as client, routing() as router:
            await install(client, NAMESPACE)
            await grant(client, NAMESPACE)
            await configure(client, NAMESPACE, NODE, router, pool=POOL)
            controller = ControllerProcess(server.kubeconfig, folder, namespace=NAMESPACE, lb_class=CLASS)
            speaker = SpeakerProcess(
                server.kubeconfig, folder, namespace=NAMESPACE, lb_class=CLASS, node=NODE
            )
            programs += [controller, speaker]
            controller.start()
            speaker.start()
            cluster = Troubled(server, client, controller, speaker, router)
            witness = asyncio.create_task(cluster.observe())
            try:
                yield cluster
            finally:
                witness.cancel()
                await asyncio.wait([witness])
    finally:
        for program in programs:
            program.kill()
        server.stop()
