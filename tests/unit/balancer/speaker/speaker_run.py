"""A whole speaker between the fake API and a router of our own, with real sockets on both sides."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, ip_address
from typing import Any

from lab.balancer.speaker.options import Options
from lab.balancer.speaker.speaker import Speaker
from lab.kube.client import Client
from lab.links.bgp_socket import Endpoint
from lab.links.bgp_tcp import Listener, Pump
from lab.wire.bgp import (
    Asn,
    Ended,
    Established,
    Family,
    Output,
    Restart,
    Session,
    SessionConfig,
    UpdateReceived,
)
from tests.unit.kube.fake_api import FakeApi

NS, NODE = "metallb-system", "worker1"
METALLB = f"/apis/metallb.io/v1beta1/namespaces/{NS}"
PEERS = f"/apis/metallb.io/v1beta2/namespaces/{NS}/bgppeers"
SESSIONS = f"/apis/frrk8s.metallb.io/v1beta1/namespaces/{NS}/bgpsessionstates/"
ROUTER = ip_address("127.0.0.1")
Json = dict[str, Any]


@dataclass
class Router:
    """Learns what it is told."""

    port: int = 0
    rib: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)
    established: int = 0

    def learn(self, output: Output) -> None:
        match output:
            case Established():
                self.established += 1
                self.rib.clear()
            case Ended():
                self.ended.append(output)
            case UpdateReceived(update):
                for prefix in update.withdrawn:
                    self.rib.pop(str(prefix), None)
                self.rib |= {str(prefix): update.attributes for prefix in update.announced}
                self.history.append(dict(self.rib))


@dataclass
class Cluster:
    """The fake API as kubectl would see it, and the router beside it."""

    api: FakeApi
    router: Router

    async def put(self, path: str, name: str, ns: str = "", **item: Any) -> None:
        metadata = {"name": name, "namespace": ns} | item.pop("metadata", {})
        await self.api.put(f"{path}/{name}", {"metadata": metadata, **item})

    async def configure(self, *, advertisement: Json | None = None, **peer: Any) -> None:
        """Write a pool, an advertisement, a peer and the node."""
        await self.node()
        await self.put(f"{METALLB}/ipaddresspools", "pool", NS, spec={"addresses": ["10.20.30.0/24"]})
        await self.advertise(**(advertisement or {}))
        await self.peer(**peer)

    async def advertise(self, **spec: Any) -> None:
        await self.put(f"{METALLB}/bgpadvertisements", "ad", NS, spec=spec)

    async def peer(self, name: str = "router", **spec: Any) -> None:
        known = {
            "myASN": 22000,
            "peerASN": 11000,
            "peerAddress": str(ROUTER),
            "peerPort": self.router.port,
            "connectTime": "1s",
        }
        await self.put(PEERS, name, NS, spec=known | spec)

    async def node(self, **labels: str) -> None:
        status = {"addresses": [{"type": "InternalIP", "address": "10.0.0.51"}]}
        await self.put("/api/v1/nodes", NODE, metadata={"labels": labels}, status=status)

    async def service(self, name: str, address: str, *, pods: tuple[str, ...] = (NODE,), **spec: Any) -> None:
        ingress = [{"ip": address}] if address else []
        await self.put(
            "/api/v1/namespaces/default/services",
            name,
            "default",
            spec={"type": "LoadBalancer", "clusterIPs": ["10.96.0.9"], **spec},
            status={"loadBalancer": {"ingress": ingress}},
        )
        await self.endpoints(name, *pods)

    async def endpoints(self, name: str, *nodes: str) -> None:
        await self.put(
            "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices",
            f"{name}-x",
            "default",
            metadata={"labels": {"kubernetes.io/service-name": name}},
            endpoints=[{"addresses": ["10.244.0.7"], "nodeName": node} for node in nodes],
        )

    async def delete_service(self, name: str) -> None:
        await self.api.remove(f"/api/v1/namespaces/default/services/{name}")

    async def until_routed(self, *prefixes: str) -> None:
        await self.until(lambda: set(self.router.rib) == set(prefixes))

    async def until(self, condition: Callable[[], object]) -> None:
        while True:
            with contextlib.suppress(KeyError, IndexError):
                if condition():
                    return
            await asyncio.sleep(0.005)

    def statuses(self, plural: str) -> list[Json]:
        path = SESSIONS if plural == "bgpsessionstates" else f"{METALLB}/{plural}/"
        return [item.get("status", {}) for name, item in self.api.objects.items() if name.startswith(path)]

    def events(self) -> list[str]:
        found = [item for path, item in self.api.objects.items() if "/events/" in path]
        return [f"{e['involvedObject']['name']} {e['reason']} {e['message']}" for e in found]

    @contextlib.asynccontextmanager
    async def speaker(self, *, listeners: Sequence[Listener] = (), **options: Any) -> AsyncIterator[Speaker]:
        async with Client(self.api.config(), timeout=5) as client:
            known: Json = {"node_name": NODE, "drain_seconds": 0.05, "uptime": 1000.0}
            speaker = Speaker(client, Options(**(known | options)), listeners=listeners)
            task = asyncio.create_task(speaker.run())
            try:
                yield speaker
            finally:
                task.cancel()
                done, _ = await asyncio.wait([task])
                assert all(t.cancelled() for t in done), task.exception()


def _pump(router: Router, port: int, *, passive: bool) -> Pump:
    config = SessionConfig(
        local_asn=Asn(11000),
        peer_asn=Asn(22000),
        router_id=IPv4Address("10.0.0.1"),
        families=frozenset(Family),
        passive=passive,
        idle_hold_time=0.1,
        graceful_restart=Restart(),
    )
    endpoint = Endpoint(address=ROUTER, port=port)
    pump = Pump(Session(config, jitter=lambda: 0.1), endpoint, on_event=router.learn)
    pump.announce({})
    return pump


@contextlib.asynccontextmanager
async def routing() -> AsyncIterator[Router]:
    """Have a router that waits to be called."""
    listener, router = Listener(ROUTER, 0), Router()
    router.port = listener.port
    pump = _pump(router, 0, passive=True)
    listener.add(pump)
    await listener.start()
    pump.start()
    try:
        yield router
    finally:
        await pump.stop()
        listener.close()


@contextlib.asynccontextmanager
async def calling(port: int) -> AsyncIterator[Router]:
    """Have a router that calls."""
    router = Router()
    pump = _pump(router, port, passive=False)
    pump.start()
    try:
        yield router
    finally:
        await pump.stop()


def in_cluster(test: Callable[[Cluster], Awaitable[None]], *, seconds: float = 10) -> None:
    """Run a test against a new fake API and a new router."""

    async def main() -> None:
        async with FakeApi(bookmarks=False).serving() as api, routing() as router:
            await test(Cluster(api, router))

    asyncio.run(asyncio.wait_for(main(), seconds))
