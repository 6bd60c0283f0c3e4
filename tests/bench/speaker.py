"""The speaker against a pocket server over TLS and a router of our own: start, latency, a flock of Services, memory.

    python -m tests.bench.speaker [SERVICES]

SERVICES (1000) get their addresses at once. "Lag" is what the speaker adds after the last address was written.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from ipaddress import ip_address
from pathlib import Path

from lab.balancer.resources import SERVICE_BGP_STATUSES
from lab.kube.client import Client
from lab.kube.resources import ENDPOINT_SLICES, SERVICES
from tests.bench.report import Figure, publish
from tests.contract.balancer_process import admin, balanced, create, install
from tests.contract.speaker_process import Router, SpeakerProcess, configure, grant, routing
from tests.fuzz.pocket_process import PocketProcess

SPACE, NAME, NODE, LB_CLASS = "10.128.0.0/16", "bench", "bench-node", "lab.test/bench"
SINGLE = 60
WRITERS = 16
PATIENCE = 300.0


def address(number: int) -> str:
    return str(ip_address("10.128.0.0") + number)


async def prepare(client: Client, number: int) -> None:
    """Make a Service without an address, and a pod behind it."""
    name = f"s{number}"
    slice_ = {
        "metadata": {"name": name, "namespace": NAME, "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.244.0.7"], "nodeName": NODE, "conditions": {"ready": True}}],
        "ports": [],
    }
    await create(client, ENDPOINT_SLICES, slice_)
    await client.create(SERVICES, balanced(name, NAME, LB_CLASS))


async def give_address(client: Client, number: int) -> None:
    status = {"status": {"loadBalancer": {"ingress": [{"ip": address(number)}]}}}
    await client.patch(SERVICES, f"s{number}", status, namespace=NAME, subresource="status")


async def all_of(numbers: Iterable[int], work: Callable[[int], Awaitable[None]]) -> None:
    waiting = iter(numbers)

    async def worker() -> None:
        for number in waiting:
            await work(number)

    async with asyncio.TaskGroup() as group:
        for _ in range(WRITERS):
            group.create_task(worker())


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            if condition():
                return
            await asyncio.sleep(0.001)


async def latencies(client: Client, router: Router) -> tuple[float, ...]:
    """Give one address after the other; return the seconds until each is in the router's table."""
    clock = asyncio.get_running_loop().time
    found = []
    for number in range(1, SINGLE + 1):
        await prepare(client, number)
        before = clock()
        await give_address(client, number)
        prefix = f"{address(number)}/32"
        await until(lambda prefix=prefix: prefix in router.rib)  # type: ignore[misc]
        found.append(router.rib[prefix] - before)
    return tuple(found)


async def flock(client: Client, router: Router, count: int) -> tuple[float, float]:
    """Give many addresses at once; return the seconds until all are announced, and how long after the last write."""
    clock = asyncio.get_running_loop().time
    numbers = range(SINGLE + 1, SINGLE + 1 + count)
    await all_of(numbers, lambda number: prepare(client, number))
    before = clock()
    await all_of(numbers, lambda number: give_address(client, number))
    written = clock()
    await until(lambda: len(router.rib) == SINGLE + count)
    done = max(router.rib.values())
    return done - before, max(0.0, done - written)


async def until_told(client: Client, count: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            if len((await client.list(SERVICE_BGP_STATUSES, namespace=NAME)).items) >= count:
                return
            await asyncio.sleep(0.2)


async def measure(kubeconfig: Path, folder: Path, count: int) -> list[Figure]:
    clock = asyncio.get_running_loop().time
    async with admin(kubeconfig) as client, routing() as router:
        await install(client, NAME)
        token = await grant(client, NAME)
        await configure(client, NAME, NODE, router, pool=SPACE)
        speaker = SpeakerProcess(
            kubeconfig, folder, namespace=NAME, lb_class=LB_CLASS, node=NODE, token=token
        )
        before = clock()
        speaker.start()
        try:
            await until(lambda: router.established)
            started = router.established[0] - before
            idle, start_cpu = speaker.resident_mib(), speaker.cpu_seconds()
            singles = await latencies(client, router)
            single_cpu = speaker.cpu_seconds()
            total, lag = await flock(client, router, count)
            flock_cpu = speaker.cpu_seconds() - single_cpu
            await until_told(client, SINGLE + count)
            loaded = speaker.resident_mib()
        finally:
            speaker.stop()
    centiles = statistics.quantiles(singles, n=100)
    return [
        Figure(name="speaker: start to first session", unit="s", target=1.0, runs=(started,)),
        Figure(name="speaker: CPU of a start", unit="s", target=1.0, runs=(start_cpu,)),
        Figure(name=f"speaker: CPU for {count} Services", unit="s", target=count / 500, runs=(flock_cpu,)),
        Figure(
            name="address written to UPDATE at the router, p50", unit="s", target=0.02, runs=(centiles[49],)
        ),
        Figure(
            name="address written to UPDATE at the router, p99", unit="s", target=0.1, runs=(centiles[98],)
        ),
        Figure(name=f"{count} addresses at once, all announced", unit="s", target=count / 500, runs=(total,)),
        Figure(
            name=f"{count} addresses at once, lag after the last write", unit="s", target=1.0, runs=(lag,)
        ),
        Figure(name="speaker: resident memory, idle", unit="MiB", target=45, runs=(idle,)),
        Figure(name=f"speaker: resident memory, {count} Services", unit="MiB", target=120, runs=(loaded,)),
    ]


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as directory:
        server = PocketProcess(Path(directory, "pocket"))
        server.start()
        try:
            figures = asyncio.run(measure(server.kubeconfig, Path(directory), count))
        finally:
            server.stop()
    publish("speaker", figures)


if __name__ == "__main__":
    main()
