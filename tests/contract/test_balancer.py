"""The balancer's controller on a cluster, over TLS: addresses are given once, kept, and lost by no crash."""

from __future__ import annotations

import asyncio
import itertools
import random
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.balancer.resources import CONFIGURATION_STATES, IP_ADDRESS_POOLS
from lab.kube.client import Client
from lab.kube.resources import EVENTS, SERVICES
from tests.contract.balancer_process import (
    ControllerProcess,
    address_of,
    addresses,
    admin,
    balanced,
    create,
    install,
    until,
)
from tests.fuzz.pocket_process import PocketProcess

POOL = [f"198.51.100.{n}" for n in range(256)]


@dataclass
class Balanced:
    client: Client
    controller: ControllerProcess
    namespace: str
    lb_class: str

    async def pool(self, *prefixes: str) -> None:
        metadata = {"name": "pool", "namespace": self.namespace}
        await create(
            self.client, IP_ADDRESS_POOLS, {"metadata": metadata, "spec": {"addresses": list(prefixes)}}
        )

    async def service(self, name: str, **spec: Any) -> None:
        await self.client.create(SERVICES, balanced(name, self.namespace, self.lb_class, **spec))

    async def given(self) -> dict[str, str]:
        return await addresses(self.client, self.namespace)

    async def all_given(self, *, seconds: float = 30) -> dict[str, str]:
        async def complete() -> dict[str, str]:
            found = await self.given()
            return found if all(found.values()) else {}

        found: dict[str, str] = await until(complete, seconds=seconds)
        return found


Test = Callable[[Balanced], Awaitable[None]]


@pytest.fixture
def run(kubeconfig: Path, tmp_path: Path) -> Callable[[Test], None]:
    """Run a test with a controller of its own."""

    async def main(test: Test) -> None:
        name = f"balancer-{uuid.uuid4().hex[:8]}"
        async with admin(kubeconfig) as client:
            token = await install(client, name)
            controller = ControllerProcess(
                kubeconfig, tmp_path, namespace=name, lb_class=f"lab.test/{name}", token=token
            )
            controller.start()
            try:
                await test(Balanced(client, controller, name, f"lab.test/{name}"))
            finally:
                controller.kill()
                for kind in ("clusterroles", "clusterrolebindings"):
                    path = f"/apis/rbac.authorization.k8s.io/v1/{kind}/{name}:controller"
                    await client.request("DELETE", path)
                await client.request("DELETE", f"/api/v1/namespaces/{name}")

    return lambda test: asyncio.run(main(test))


def test_a_service_gets_an_address_with_the_rights_of_the_manifests(run: Callable[[Test], None]) -> None:
    async def test(cluster: Balanced) -> None:
        await cluster.pool("198.51.100.8/30")
        await cluster.service("web")
        await cluster.all_given()

        async def complete() -> Any:
            item = await cluster.client.get(SERVICES, "web", namespace=cluster.namespace)
            return (
                item
                if "metallb.io/ip-allocated-from-pool" in item["metadata"].get("annotations", {})
                else None
            )

        item = await until(complete)
        assert address_of(item) == "198.51.100.8"
        assert item["metadata"]["annotations"]["metallb.io/ip-allocated-from-pool"] == "pool"
        assert item["status"]["conditions"][0]["reason"] == "Assigned"

        async def counted() -> Any:
            pool = await cluster.client.get(IP_ADDRESS_POOLS, "pool", namespace=cluster.namespace)
            return (pool.get("status") or {}).get("assignedIPv4") == 1

        await until(counted)

        async def told() -> Any:
            return [
                e["reason"] for e in (await cluster.client.list(EVENTS, namespace=cluster.namespace)).items
            ]

        assert "IPAllocated" in await until(told)

        async def valid() -> Any:
            states = (await cluster.client.list(CONFIGURATION_STATES, namespace=cluster.namespace)).items
            return [(state.get("status") or {}).get("result") for state in states] == ["Valid"]

        await until(valid)
        assert cluster.controller.stop() == 0
        warnings = [line for line in cluster.controller.log() if line["level"] in {"warn", "error"}]
        assert warnings == []

    run(test)


def test_an_address_is_freed_by_deletion_and_by_a_change_of_type(run: Callable[[Test], None]) -> None:
    async def test(cluster: Balanced) -> None:
        await cluster.pool("198.51.100.8/32")
        await cluster.service("first")
        await cluster.all_given()
        for name in ("second", "third"):
            await cluster.service(name)
            await asyncio.sleep(1.1)  # creation times have whole seconds
        await cluster.client.delete(SERVICES, "first", namespace=cluster.namespace)

        async def second() -> bool:
            return (await cluster.given()).get("second") == "198.51.100.8"

        await until(second)
        change = {"spec": {"type": "ClusterIP", "loadBalancerClass": None}}
        await cluster.client.patch(SERVICES, "second", change, namespace=cluster.namespace)

        async def third() -> bool:
            return (await cluster.given()).get("third") == "198.51.100.8"

        await until(third)

    run(test)


def test_no_address_is_lost_or_given_twice_when_the_controller_is_killed(run: Callable[[Test], None]) -> None:
    async def test(cluster: Balanced) -> None:
        await cluster.pool("198.51.100.0/24")
        chance = random.Random(4)  # noqa: S311 -- reproducible
        numbers = itertools.count()
        for _ in range(5):
            for _ in range(12):
                await cluster.service(f"s{next(numbers)}")
            await asyncio.sleep(0.2 + chance.random() * 0.5)
            before = {name: address for name, address in (await cluster.given()).items() if address}
            cluster.controller.kill()
            cluster.controller.start()
            after = await cluster.given()
            assert {name: after[name] for name in before} == before
            for name in chance.sample(sorted(after), 4):
                await cluster.client.delete(SERVICES, name, namespace=cluster.namespace)
        final = await cluster.all_given(seconds=60)
        assert len(set(final.values())) == len(final)
        assert set(final.values()) <= set(POOL)

    run(test)


def test_the_api_server_is_killed_and_comes_back(tmp_path: Path) -> None:
    server = PocketProcess(tmp_path / "pocket")
    server.start()

    async def main() -> None:
        async with admin(server.kubeconfig) as client:
            await install(client, "ns")
            controller = ControllerProcess(server.kubeconfig, tmp_path, namespace="ns", lb_class="lab.test/x")
            controller.start()
            cluster = Balanced(client, controller, "ns", "lab.test/x")
            try:
                await cluster.pool("198.51.100.0/24")
                await cluster.service("before")
                before = await cluster.all_given()
                server.kill()
                await asyncio.sleep(0.5)
                server.start()
                for n in range(5):
                    await cluster.service(f"after{n}")
                after = await cluster.all_given(seconds=40)
                assert after["before"] == before["before"]
                assert len(set(after.values())) == 6
                assert controller.stop() == 0
            finally:
                controller.kill()

    try:
        asyncio.run(main())
    finally:
        server.stop()
