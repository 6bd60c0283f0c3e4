"""Figures of the embedded API server, over real TLS.

Client and server share the machine, so each figure includes what the client costs.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp

from tests.bench.report import Figure, publish
from tests.fuzz.pocket_process import PocketProcess

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
SERVICES = "/api/v1/namespaces/default/services"
Json = dict[str, Any]


async def create(session: aiohttp.ClientSession, path: str, body: Json) -> Json:
    async with session.post(path, json=body) as response:
        answer: Json = await response.json()
        assert response.status == 201, answer
        return answer


def config_map(name: str) -> Json:
    return {"metadata": {"name": name}, "data": {"payload": "x" * 512}}


async def in_parallel(number: int, work: Callable[[int], Awaitable[object]], *, workers: int = 16) -> float:
    """Do `work(0..number)` with some workers; returns the seconds it took."""
    numbers = iter(range(number))

    async def worker() -> None:
        for index in numbers:
            await work(index)

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(workers)))
    return time.perf_counter() - began


async def latency(session: aiohttp.ClientSession, number: int) -> list[float]:
    """Create one object at a time and wait for its event: milliseconds from request to event."""
    async with session.get(f"{CONFIG_MAPS}?watch=true&resourceVersion={await revision(session)}") as watch:
        samples = []
        for index in range(number):
            began = time.perf_counter()
            creating = asyncio.create_task(create(session, CONFIG_MAPS, config_map(f"latency-{index}")))
            await watch.content.readline()
            samples.append(round((time.perf_counter() - began) * 1000, 2))
            await creating
    return samples


async def fan_out(session: aiohttp.ClientSession, *, watchers: int, events: int) -> float:
    """Create objects at full speed under many watchers: seconds from the first request to the last event received."""
    since = await revision(session)
    ready = asyncio.Barrier(watchers + 1)

    async def watch() -> None:
        async with session.get(f"{CONFIG_MAPS}?watch=true&resourceVersion={since}") as response:
            await ready.wait()
            seen = 0
            async for chunk in response.content.iter_any():
                seen += chunk.count(b"\n")  # decoding is the client's own business
                if seen >= events:
                    return

    async with asyncio.TaskGroup() as tasks:
        for _ in range(watchers):
            tasks.create_task(watch())
        await ready.wait()
        began = time.perf_counter()
        await in_parallel(events, lambda i: create(session, CONFIG_MAPS, config_map(f"fan-{i}")))
    return time.perf_counter() - began


async def revision(session: aiohttp.ClientSession) -> str:
    async with session.get(f"{CONFIG_MAPS}?limit=1") as response:
        return str((await response.json())["metadata"]["resourceVersion"])


async def listing(session: aiohttp.ClientSession, number: int) -> list[float]:
    """Fill a collection with Services and list them a few times: seconds."""
    body = {"spec": {"type": "ClusterIP", "selector": {"app": "x"}, "ports": [{"port": 80}]}}
    await in_parallel(number, lambda i: create(session, SERVICES, {"metadata": {"name": f"s{i}"}, **body}))
    samples = []
    for _ in range(5):
        began = time.perf_counter()
        async with session.get(SERVICES) as response:
            await response.read()
        samples.append(round(time.perf_counter() - began, 3))
    return samples


async def measure(server: PocketProcess) -> list[Figure]:
    connector = aiohttp.TCPConnector(ssl=server.admin(), limit=0)
    timeout = aiohttp.ClientTimeout(total=None)
    figures = [memory(server, "at rest")]
    async with aiohttp.ClientSession(server.url, connector=connector, timeout=timeout) as session:
        delays = await latency(session, 300)
        p99 = statistics.quantiles(delays, n=100)[98]
        figures.append(Figure(name="create → watch event, p50", unit="ms", target=3, runs=tuple(delays)))
        figures.append(Figure(name="create → watch event, p99", unit="ms", runs=(round(p99, 2),)))
        seconds = await in_parallel(2000, lambda i: create(session, CONFIG_MAPS, config_map(f"rate-{i}")))
        rate = round(2000 / seconds)
        figures.append(Figure(name="creates in a second", unit="", target=500, runs=(rate,), at_least=True))
        fan = round(await fan_out(session, watchers=100, events=1000), 3)
        figures.append(Figure(name="1,000 events to 100 watchers", unit="s", target=1, runs=(fan,)))
        figures.append(memory(server, "after 100 watchers"))
        listed = await listing(session, 5000)
        figures.append(Figure(name="5,000 Services listed", unit="s", target=0.5, runs=tuple(listed)))
        figures.append(memory(server, "with 5,000 Services"))
    return figures


def memory(server: PocketProcess, when: str) -> Figure:
    return Figure(name=f"resident {when}", unit="MiB", runs=(round(server.resident_mib(), 1),))


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        server = PocketProcess(Path(directory))
        first = round(server.start(), 3)
        server.stop()
        again = tuple(_restart(server) for _ in range(5))
        try:
            figures = [
                Figure(name="ready, the first time", unit="s", target=0.7, runs=(first,)),
                Figure(name="ready", unit="s", target=0.7, runs=again),
                *asyncio.run(measure(server)),
            ]
        finally:
            server.stop()
    publish("embedded API server", figures)


def _restart(server: PocketProcess) -> float:
    server.stop()
    return round(server.start(), 3)


if __name__ == "__main__":
    main()
