"""A whole controller against the fake API, with real sockets between them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from lab.balancer.controller.controller import Controller
from lab.balancer.controller.options import Options
from lab.kube.client import Client
from tests.unit.kube.fake_api import FakeApi

NS = "metallb-system"
METALLB = f"/apis/metallb.io/v1beta1/namespaces/{NS}"
Json = dict[str, Any]


def services_path(name: str, ns: str = "default") -> str:
    return f"/api/v1/namespaces/{ns}/services/{name}"


@dataclass
class Cluster:
    """The fake API as kubectl would see it."""

    api: FakeApi

    async def pool(self, name: str, *addresses: str, **spec: Any) -> None:
        path = f"{METALLB}/ipaddresspools/{name}"
        item = {"metadata": {"name": name, "namespace": NS}, "spec": {"addresses": list(addresses), **spec}}
        await self.api.put(path, {**item, "status": self.api.objects.get(path, {}).get("status", {})})

    async def delete_pool(self, name: str) -> None:
        await self.api.remove(f"{METALLB}/ipaddresspools/{name}")

    async def service(self, name: str, *, created: str = "", **changes: Any) -> None:
        metadata: Json = {
            "name": name,
            "namespace": "default",
            "uid": f"u-{name}",
            "creationTimestamp": created,
        }
        metadata |= changes.pop("metadata", {})
        spec = {"type": "LoadBalancer", "clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9"], **changes}
        before = self.api.objects.get(services_path(name), {})
        await self.api.put(
            services_path(name), {"metadata": metadata, "spec": spec, "status": before.get("status", {})}
        )

    def of(self, name: str) -> Json:
        return self.api.objects[services_path(name)]

    def address(self, name: str) -> str:
        status = self.of(name).get("status") or {}
        return ",".join(entry["ip"] for entry in (status.get("loadBalancer") or {}).get("ingress") or ())

    def condition(self, name: str) -> Json:
        conditions: list[Json] = (self.of(name).get("status") or {}).get("conditions") or [{}]
        return conditions[0]

    def events(self, kind: str = "Service") -> list[str]:
        found = [item for path, item in self.api.objects.items() if "/events/" in path]
        return [
            f"{e['involvedObject']['name']} {e['reason']}"
            for e in found
            if e["involvedObject"]["kind"] == kind
        ]

    def metallb(self, plural: str, name: str) -> Json:
        return self.api.objects[f"{METALLB}/{plural}/{name}"]

    async def until_assigned(self, name: str) -> None:
        await self.until(lambda: self.address(name))

    async def until_pending(self, name: str) -> None:
        await self.until(lambda: self.condition(name).get("status") == "False")

    async def until(self, condition: Callable[[], object]) -> None:
        while True:
            with contextlib.suppress(KeyError):
                if condition():
                    return
            await asyncio.sleep(0.005)

    @contextlib.asynccontextmanager
    async def controller(self, **options: Any) -> AsyncIterator[Controller]:
        async with Client(self.api.config(), timeout=5) as client:
            controller = Controller(client, Options(**options))
            task = asyncio.create_task(controller.run())
            try:
                yield controller
            finally:
                task.cancel()
                done, _ = await asyncio.wait([task])
                assert all(t.cancelled() for t in done), task.exception()


def in_cluster(test: Callable[[Cluster], Awaitable[None]], *, seconds: float = 10) -> None:
    """Run a test against a new fake API."""

    async def main() -> None:
        async with FakeApi(bookmarks=False).serving() as api:
            await test(Cluster(api))

    asyncio.run(asyncio.wait_for(main(), seconds))
