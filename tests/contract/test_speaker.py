"""The balancer's speaker on a cluster, over TLS, with the rights of the manifests and a router beside it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.balancer.resources import BGP_SESSION_STATES, CONFIGURATION_STATES, SERVICE_BGP_STATUSES
from lab.kube.client import Client
from lab.kube.resources import EVENTS, NODES, SERVICES, Resource
from tests.contract.balancer_process import admin, install, until
from tests.contract.speaker_process import Router, SpeakerProcess, configure, grant, routing, serve


@dataclass
class Announced:
    client: Client
    speaker: SpeakerProcess
    router: Router
    namespace: str

    @property
    def node(self) -> str:
        return f"{self.namespace}-node"

    async def service(self, name: str, address: str) -> None:
        await serve(self.client, self.namespace, name, f"lab.test/{self.namespace}", address, self.node)

    async def until_routed(self, *prefixes: str) -> None:
        async def same() -> bool:
            return set(self.router.rib) == set(prefixes)

        await until(same)

    async def statuses(self, resource: Resource) -> list[dict[str, Any]]:
        listing = await self.client.list(resource, namespace=self.namespace)
        return [item.get("status") or {} for item in listing.items]


Test = Callable[[Announced], Awaitable[None]]


@pytest.fixture
def run(kubeconfig: Path, tmp_path: Path) -> Callable[[Test], None]:
    """Run a test with a speaker and a router of its own."""

    async def main(test: Test) -> None:
        name = f"speaker-{uuid.uuid4().hex[:8]}"
        async with admin(kubeconfig) as client, routing() as router:
            await install(client, name)
            token = await grant(client, name)
            node = f"{name}-node"
            await configure(client, name, node, router, pool="198.51.100.0/24")
            speaker = SpeakerProcess(
                kubeconfig, tmp_path, namespace=name, lb_class=f"lab.test/{name}", node=node, token=token
            )
            speaker.start()
            try:
                await test(Announced(client, speaker, router, name))
            finally:
                speaker.kill()
                for kind in ("clusterroles", "clusterrolebindings"):
                    for who in ("controller", "speaker"):
                        path = f"/apis/rbac.authorization.k8s.io/v1/{kind}/{name}:{who}"
                        await client.request("DELETE", path)
                await client.delete(NODES, node)
                await client.request("DELETE", f"/api/v1/namespaces/{name}")

    return lambda test: asyncio.run(main(test))


def test_an_address_is_announced_with_the_rights_of_the_manifests(run: Callable[[Test], None]) -> None:
    async def test(cluster: Announced) -> None:
        await cluster.service("web", "198.51.100.1")
        await cluster.until_routed("198.51.100.1/32")

        async def told() -> bool:
            sessions = await cluster.statuses(BGP_SESSION_STATES)
            announced = await cluster.statuses(SERVICE_BGP_STATUSES)
            return [s.get("bgpStatus") for s in sessions] == ["Established"] and [*map(bool, announced)] == [
                True
            ]

        await until(told)
        (status,) = await cluster.statuses(SERVICE_BGP_STATUSES)
        assert status == {
            "node": cluster.node,
            "serviceName": "web",
            "serviceNamespace": cluster.namespace,
            "peers": ["all"],
        }

        async def noted() -> bool:
            events = await cluster.client.list(EVENTS, namespace=cluster.namespace)
            states = await cluster.statuses(CONFIGURATION_STATES)
            valid = [state.get("result") for state in states] == ["Valid"]
            return valid and "nodeAssigned" in {event["reason"] for event in events.items}

        await until(noted)
        await cluster.client.delete(SERVICES, "web", namespace=cluster.namespace)
        await cluster.until_routed()

        async def forgotten() -> bool:
            return not await cluster.statuses(SERVICE_BGP_STATUSES)

        await until(forgotten)
        assert cluster.speaker.stop() == 0
        levels = {line["level"] for line in cluster.speaker.log()}
        assert levels <= {"info"}, [line for line in cluster.speaker.log() if line["level"] != "info"]

    run(test)


def test_a_killed_speaker_leaves_nothing_and_comes_back(run: Callable[[Test], None]) -> None:
    async def test(cluster: Announced) -> None:
        for number in (1, 2, 3):
            await cluster.service(f"s{number}", f"198.51.100.{number}")
        prefixes = [f"198.51.100.{number}/32" for number in (1, 2, 3)]
        for _ in range(3):
            await cluster.until_routed(*prefixes)
            count = len(cluster.router.ended)
            cluster.speaker.kill()

            async def lost(count: int = count) -> bool:
                return len(cluster.router.ended) > count

            await until(lost)
            cluster.speaker.start()
        await cluster.until_routed(*prefixes)

    run(test)
