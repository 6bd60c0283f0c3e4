"""Controller and speaker against a pocket server over TLS and a router of our own: from a Service to the UPDATE.

    python -m tests.bench.speaker [SERVICES ...]

SERVICES (1000 10000) are created at once, one flock after the other. Their endpoints are there before: who writes those
is another bench. The four processes and this one, which is the router, share the machine.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from lab.balancer.resources import SERVICE_BGP_STATUSES
from lab.kube.client import Client
from lab.kube.resources import ENDPOINT_SLICES, SERVICES
from tests.bench.report import Figure, publish
from tests.contract.balancer_process import ControllerProcess, admin, balanced, create, install
from tests.contract.speaker_process import Router, SpeakerProcess, configure, grant, routing
from tests.fuzz.pocket_process import PocketProcess

SPACE, NAME, NODE, LB_CLASS = "10.128.0.0/16", "bench", "bench-node", "lab.test/bench"
SINGLE = 100
FLOCKS = (1000, 10_000)
STARTS = 3
WRITERS = 16
PATIENCE = 400.0


@dataclass
class Bench:
    client: Client
    router: Router
    controller: ControllerProcess
    speaker: SpeakerProcess
    made: int = 0

    async def prepare(self, numbers: Iterable[int]) -> None:
        """Write the endpoints of Services that are not there yet."""
        await all_of(numbers, self._slice)

    async def _slice(self, number: int) -> None:
        labels = {"kubernetes.io/service-name": f"s{number}"}
        slice_ = {
            "metadata": {"name": f"s{number}", "namespace": NAME, "labels": labels},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.244.0.7"], "nodeName": NODE, "conditions": {"ready": True}}],
            "ports": [],
        }
        await create(self.client, ENDPOINT_SLICES, slice_)

    async def service(self, number: int) -> None:
        made = balanced(f"s{number}", NAME, LB_CLASS, allocateLoadBalancerNodePorts=False)
        await self.client.create(SERVICES, made)

    async def until_routed(self, count: int) -> float:
        """Wait until the router has so many routes; return when the last one came."""
        await until(lambda: len(self.router.rib) >= count)
        return max(self.router.rib.values())


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


async def starts(bench: Bench) -> list[Figure]:
    """Start the speaker a few times; it runs afterwards."""
    clock = asyncio.get_running_loop().time
    times, cpu = [], []
    for _ in range(STARTS):
        bench.speaker.stop()
        await asyncio.sleep(0.5)  # the router stays away for a moment from a peer that left
        count, before = len(bench.router.established), clock()
        bench.speaker.start()
        await until(lambda count=count: len(bench.router.established) > count)  # type: ignore[misc]
        times.append(bench.router.established[-1] - before)
        cpu.append(bench.speaker.cpu_seconds())
    return [
        Figure(name="speaker: start to first session", unit="s", target=1.0, runs=tuple(times)),
        Figure(name="speaker: CPU of a start", unit="s", target=1.0, runs=tuple(cpu)),
    ]


async def one_by_one(bench: Bench) -> list[Figure]:
    clock = asyncio.get_running_loop().time
    numbers = range(bench.made, bench.made + SINGLE)
    await bench.prepare(numbers)
    found = []
    for number in numbers:
        before = clock()
        await bench.service(number)
        found.append((await bench.until_routed(number + 1) - before) * 1000)
    bench.made += SINGLE
    centiles = statistics.quantiles(found, n=100)
    return [
        Figure(name="Service created → UPDATE, p50", unit="ms", target=20, runs=(centiles[49],)),
        Figure(name="Service created → UPDATE, p99", unit="ms", target=100, runs=(centiles[98],)),
    ]


async def flock(bench: Bench, count: int) -> list[Figure]:
    """Create many Services at once, and wait until everything that is to be said about them has been said."""
    clock = asyncio.get_running_loop().time
    numbers = range(bench.made, bench.made + count)
    await bench.prepare(numbers)
    cpu = bench.speaker.cpu_seconds()
    before = clock()
    await all_of(numbers, bench.service)
    created = clock()
    bench.made += count
    done = await bench.until_routed(bench.made)
    spent = bench.speaker.cpu_seconds() - cpu
    await until_told(bench)
    target = count / 500
    return [
        Figure(name=f"{count} Services, all created", unit="s", target=target, runs=(created - before,)),
        Figure(name=f"{count} Services, all announced", unit="s", target=target, runs=(done - before,)),
        Figure(name=f"{count} Services, CPU of the speaker", unit="s", target=target, runs=(spent,)),
        Figure(
            name=f"resident with {bench.made} Services: speaker",
            unit="MiB",
            target=120,
            runs=(bench.speaker.resident_mib(),),
        ),
        Figure(
            name=f"resident with {bench.made} Services: controller",
            unit="MiB",
            target=120,
            runs=(bench.controller.resident_mib(),),
        ),
    ]


async def until_told(bench: Bench) -> None:
    """Wait until there is a status object for each Service."""
    async with asyncio.timeout(PATIENCE):
        while True:
            if len((await bench.client.list(SERVICE_BGP_STATUSES, namespace=NAME)).items) >= bench.made:
                return
            await asyncio.sleep(1.0)


async def measure(kubeconfig: Path, folder: Path, counts: Iterable[int]) -> list[Figure]:
    async with admin(kubeconfig) as client, routing() as router:
        tokens = [await install(client, NAME), await grant(client, NAME)]
        await configure(client, NAME, NODE, router, pool=SPACE)
        controller = ControllerProcess(kubeconfig, folder, namespace=NAME, lb_class=LB_CLASS, token=tokens[0])
        speaker = SpeakerProcess(
            kubeconfig, folder, namespace=NAME, lb_class=LB_CLASS, node=NODE, token=tokens[1]
        )
        bench = Bench(client, router, controller, speaker)
        controller.start()
        try:
            figures = await starts(bench)
            await asyncio.sleep(1.0)
            figures += [
                Figure(name="resident, idle: speaker", unit="MiB", target=45, runs=(speaker.resident_mib(),)),
                Figure(
                    name="resident, idle: controller",
                    unit="MiB",
                    target=60,
                    runs=(controller.resident_mib(),),
                ),
            ]
            figures += await one_by_one(bench)
            for count in counts:
                figures += await flock(bench, count)
            figures += [await start_with_routes(bench)]
        finally:
            speaker.stop()
            controller.stop()
    return figures


async def start_with_routes(bench: Bench) -> Figure:
    clock = asyncio.get_running_loop().time
    bench.speaker.stop()
    await until(lambda: not bench.router.rib)
    before = clock()
    bench.speaker.start()
    done = await bench.until_routed(bench.made)
    name = f"speaker: start to all of {bench.made} routes"
    return Figure(name=name, unit="s", target=5.0, runs=(done - before,))


def main() -> None:
    counts = [int(argument) for argument in sys.argv[1:]] or FLOCKS
    with tempfile.TemporaryDirectory() as directory:
        server = PocketProcess(Path(directory, "pocket"))
        server.start()
        try:
            figures = asyncio.run(measure(server.kubeconfig, Path(directory), counts))
        finally:
            server.stop()
    publish("Service to UPDATE", figures)


if __name__ == "__main__":
    main()
