"""Figures of the embedded API server, over real TLS: `python -m tests.bench.pocket` prints them as JSON.

Client and server share the machine, so each figure includes what the client costs.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import orjson

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


async def latency(session: aiohttp.ClientSession, number: int) -> Json:
    """Create one object at a time and wait for its event: milliseconds from request to event."""
    async with session.get(f"{CONFIG_MAPS}?watch=true&resourceVersion={await revision(session)}") as watch:
        samples = []
        for index in range(number):
            began = time.perf_counter()
            creating = asyncio.create_task(create(session, CONFIG_MAPS, config_map(f"latency-{index}")))
            await watch.content.readline()
            samples.append((time.perf_counter() - began) * 1000)
            await creating
    return percentiles(samples)


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


async def listing(session: aiohttp.ClientSession, number: int) -> Json:
    """Fill a collection with Services and list them: seconds, and bytes of the answer."""
    body = {"spec": {"type": "ClusterIP", "selector": {"app": "x"}, "ports": [{"port": 80}]}}
    await in_parallel(number, lambda i: create(session, SERVICES, {"metadata": {"name": f"s{i}"}, **body}))
    samples, size = [], 0
    for _ in range(5):
        began = time.perf_counter()
        async with session.get(SERVICES) as response:
            size = len(await response.read())
        samples.append(time.perf_counter() - began)
    return {"services": number, "seconds": round(min(samples), 3), "mib": round(size / 2**20, 1)}


def percentiles(samples: Sequence[float]) -> Json:
    cuts = statistics.quantiles(samples, n=100)
    return {"p50_ms": round(cuts[49], 2), "p99_ms": round(cuts[98], 2)}


async def measure(server: PocketProcess) -> Json:
    connector = aiohttp.TCPConnector(ssl=server.admin(), limit=0)
    figures: Json = {"idle_mib": round(server.resident_mib(), 1)}
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(server.url, connector=connector, timeout=timeout) as session:
        figures["create_to_event"] = await latency(session, 300)
        seconds = await in_parallel(2000, lambda i: create(session, CONFIG_MAPS, config_map(f"rate-{i}")))
        figures["creates_per_second"] = round(2000 / seconds)
        figures["fan_out_100_watchers_1000_events_s"] = round(
            await fan_out(session, watchers=100, events=1000), 3
        )
        figures["mib_after_100_watchers"] = round(server.resident_mib(), 1)
        figures["list"] = await listing(session, 5000)
        figures["mib_with_5000_services"] = round(server.resident_mib(), 1)
    return figures


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        server = PocketProcess(Path(directory))
        first = server.start()
        server.stop()
        ready = min(_restart(server) for _ in range(5))
        try:
            figures = {"first_start_s": round(first, 3), "restart_s": round(ready, 3)}
            figures |= asyncio.run(measure(server))
        finally:
            server.stop()
    sys.stdout.buffer.write(orjson.dumps(figures, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def _restart(server: PocketProcess) -> float:
    server.stop()
    return server.start()


if __name__ == "__main__":
    main()
