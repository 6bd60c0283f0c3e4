"""A speaker as a process of its own, with the rights of its service account, and a router for it to talk to."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from typing import Any

import yaml

from lab.balancer.resources import BGP_ADVERTISEMENTS, BGP_PEERS, IP_ADDRESS_POOLS
from lab.kube.client import Client
from lab.kube.resources import ENDPOINT_SLICES, NODES, SERVICES
from lab.links.bgp_socket import Endpoint
from lab.links.bgp_tcp import Listener, Pump
from lab.wire.bgp import (
    Asn,
    Ended,
    Established,
    Output,
    Restart,
    Session,
    SessionConfig,
    UpdateReceived,
)
from tests.contract.balancer_process import (
    FOLDER,
    KINDS,
    SERVICE_ACCOUNTS,
    BalancerProcess,
    _moved,
    balanced,
    create,
)

ROUTER = ip_address("127.0.0.1")
Json = dict[str, Any]


@dataclass
class Router:
    """Learns what it is told, and when."""

    port: int = 0
    rib: dict[str, float] = field(default_factory=dict)
    """Prefix → when it came, on the event loop's clock."""
    established: list[float] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)

    def learn(self, output: Output) -> None:
        now = asyncio.get_running_loop().time()
        match output:
            case Established():
                self.established.append(now)
            case Ended():
                self.ended.append(output)
                self.rib.clear()
            case UpdateReceived(update):
                for prefix in update.withdrawn:
                    self.rib.pop(str(prefix), None)
                self.rib |= {str(prefix): now for prefix in update.announced}


def _listen() -> Listener:
    """Listen on a free port that a BGPPeer may name: its CRD ends at 16384, below the kernel's free choice."""
    for port in range(10_000 + os.getpid() % 6_000, 16_385):
        with contextlib.suppress(OSError):
            return Listener(ROUTER, port)
    raise AssertionError("no free port below 16385")


@contextlib.asynccontextmanager
async def routing() -> AsyncIterator[Router]:
    config = SessionConfig(
        local_asn=Asn(11000),
        peer_asn=Asn(22000),
        router_id=IPv4Address("10.0.0.1"),
        passive=True,
        idle_hold_time=0.1,
        graceful_restart=Restart(),
    )
    listener, router = _listen(), Router()
    router.port = listener.port
    pump = Pump(Session(config, jitter=lambda: 1.0), Endpoint(address=ROUTER), on_event=router.learn)
    listener.add(pump)
    await listener.start()
    pump.announce({})
    pump.start()
    try:
        yield router
    finally:
        await pump.stop()
        listener.close()


async def grant(client: Client, namespace: str) -> str:
    """Create the speaker's roles in `namespace`; returns a token of its service account."""
    for document in yaml.safe_load_all((FOLDER / "manifests/speaker-rbac.yaml").read_text()):
        await create(client, KINDS[document["kind"]], _moved(document, namespace))
    body = {"metadata": {"namespace": namespace}, "spec": {"expirationSeconds": 3600}}
    answer = await client.create(SERVICE_ACCOUNTS, body, name="speaker", subresource="token")
    token: str = answer["status"]["token"]
    return token


async def configure(client: Client, namespace: str, node: str, router: Router, *, pool: str) -> None:
    """Write a node, a pool, an advertisement and a peer."""
    await create(client, NODES, {"metadata": {"name": node}})
    metadata = {"name": "all", "namespace": namespace}
    await create(client, IP_ADDRESS_POOLS, {"metadata": metadata, "spec": {"addresses": [pool]}})
    await create(client, BGP_ADVERTISEMENTS, {"metadata": metadata, "spec": {"communities": ["1111:2222"]}})
    spec = {"myASN": 22000, "peerASN": 11000, "peerAddress": str(ROUTER), "peerPort": router.port}
    await create(client, BGP_PEERS, {"metadata": metadata, "spec": spec})


async def serve(client: Client, namespace: str, name: str, lb_class: str, address: str, node: str) -> None:
    """Make a Service with an address and a pod behind it."""
    labels = {"kubernetes.io/service-name": name}
    slice_ = {
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.244.0.7"], "nodeName": node, "conditions": {"ready": True}}],
        "ports": [],
    }
    await create(client, ENDPOINT_SLICES, slice_)
    await client.create(SERVICES, balanced(name, namespace, lb_class))
    status = {"status": {"loadBalancer": {"ingress": [{"ip": address}]}}}
    await client.patch(SERVICES, name, status, namespace=namespace, subresource="status")


class SpeakerProcess(BalancerProcess):
    program = "speaker"

    def __init__(
        self, kubeconfig: Path, folder: Path, *, namespace: str, lb_class: str, node: str, token: str = ""
    ) -> None:
        super().__init__(
            kubeconfig, folder, token=token, namespace=namespace, lb_class=lb_class, node_name=node
        )
