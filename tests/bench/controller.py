"""What the balancer's controller costs, and how fast Services get addresses: against a pocket server, over TLS.

Latency is taken by a third process, from before the Service is created until a watch shows its address.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from lab.balancer.resources import IP_ADDRESS_POOLS
from lab.kube.client import Client
from lab.kube.resources import SERVICES
from lab.kube.watch import Change, Reflector
from tests.bench.report import Figure, publish
from tests.contract.balancer_process import ControllerProcess, address_of, admin, balanced, create, install
from tests.fuzz.pocket_process import PocketProcess

NAMESPACE = "metallb-system"
CLASS = "lab.test/bench"
ONE_BY_ONE = 200
AT_ONCE = 1000
CREATORS = 8


class Observer:
    """Notes when each Service is seen with an address."""

    def __init__(self, client: Client) -> None:
        self.seen: dict[str, float] = {}
        self._changed = asyncio.Event()
        self.reflector: Reflector[str] = Reflector(client, SERVICES, address_of, on_change=self._note)

    def _note(self, change: Change[str]) -> None:
        if change.new:
            self.seen.setdefault(change.key.name, time.perf_counter())
            self._changed.set()

    async def until(self, names: set[str]) -> None:
        async with asyncio.timeout(120):
            while not names <= self.seen.keys():
                self._changed.clear()
                await self._changed.wait()


def import_seconds() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import lab.balancer.controller.main"], check=True)
    return round(time.perf_counter() - began, 3)


async def one_by_one(client: Client, observer: Observer) -> list[float]:
    durations = []
    for number in range(ONE_BY_ONE):
        name = f"one-{number}"
        began = time.perf_counter()
        await client.create(SERVICES, balanced(name, "default", CLASS))
        await observer.until({name})
        durations.append((observer.seen[name] - began) * 1000)
    return sorted(durations)


async def create_many(client: Client, prefix: str) -> set[str]:
    names = [f"{prefix}-{number}" for number in range(AT_ONCE)]
    waiting = iter(names)

    async def worker() -> None:
        for name in waiting:
            await client.create(SERVICES, balanced(name, "default", CLASS))

    async with asyncio.TaskGroup() as group:
        for _ in range(CREATORS):
            group.create_task(worker())
    return set(names)


async def measure(server: PocketProcess, folder: Path) -> list[Figure]:
    async with admin(server.kubeconfig) as client:
        token = await install(client, NAMESPACE)
        pool: dict[str, Any] = {
            "metadata": {"name": "p", "namespace": NAMESPACE},
            "spec": {"addresses": ["10.0.0.0/8"]},
        }
        await create(client, IP_ADDRESS_POOLS, pool)
        observer = Observer(client)
        following = asyncio.create_task(observer.reflector.run())
        await observer.reflector.synced.wait()
        controller = ControllerProcess(
            server.kubeconfig, folder, namespace=NAMESPACE, lb_class=CLASS, token=token
        )
        figures = [
            *await idle(client, observer, controller),
            *await latency(client, observer),
            *await crowd(client, observer, controller),
        ]
        controller.stop()
        following.cancel()
        await asyncio.wait([following])
    return figures


async def idle(client: Client, observer: Observer, controller: ControllerProcess) -> list[Figure]:
    await client.create(SERVICES, balanced("first", "default", CLASS))
    began = time.perf_counter()
    controller.start()
    await observer.until({"first"})
    start = round(time.perf_counter() - began, 3)
    return [
        Figure(name="start to first address", unit="s", target=1.0, runs=(start,)),
        Figure(name="resident, idle", unit="MiB", target=60, runs=(round(controller.resident_mib(), 1),)),
    ]


async def latency(client: Client, observer: Observer) -> list[Figure]:
    durations = await one_by_one(client, observer)
    middle, slowest = durations[len(durations) // 2], durations[int(len(durations) * 0.99)]
    return [
        Figure(name="created to address seen, p50", unit="ms", target=20, runs=(round(middle, 1),)),
        Figure(name="created to address seen, p99", unit="ms", target=100, runs=(round(slowest, 1),)),
    ]


async def crowd(client: Client, observer: Observer, controller: ControllerProcess) -> list[Figure]:
    """Create many Services with the controller running, then many more that wait for its start."""
    names = await create_many(client, "created")
    created = time.perf_counter()
    await observer.until(names)
    behind = round(max(0.0, max(observer.seen[name] for name in names) - created), 3)
    controller.stop()
    names = await create_many(client, "waiting")
    began = time.perf_counter()
    controller.start()
    await observer.until(names)
    waited = round(time.perf_counter() - began, 2)
    await asyncio.sleep(5)
    resident = round(controller.resident_mib(), 1)
    total = len(observer.seen)
    return [
        Figure(name=f"{AT_ONCE} created: last one to all seen", unit="s", target=2.0, runs=(behind,)),
        Figure(name=f"{AT_ONCE} waiting: start to all seen", unit="s", target=2.0, runs=(waited,)),
        Figure(name=f"resident, {total} Services", unit="MiB", target=120, runs=(resident,)),
    ]


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = PocketProcess(folder / "pocket")
        server.start()
        try:
            figures = asyncio.run(measure(server, folder))
        finally:
            server.stop()
    imports = tuple(import_seconds() for _ in range(5))
    publish("controller", [*figures, Figure(name="import, new process", unit="s", target=0.2, runs=imports)])


if __name__ == "__main__":
    main()
