"""How long it takes until everything is right again after programs were killed: with real ones, over TLS.

    python -m tests.bench.faults [SECONDS]

The API server stays away for SECONDS (60). A witness looks on: that no address is lost or given twice is a figure too.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.bench.report import Figure, publish
from tests.contract.troubled import Troubled, troubled

SERVICES = 200
AWAY = 60.0
ROUNDS = 5


Harm = Callable[[Troubled], Awaitable[None]]


async def timed(cluster: Troubled, harm: Harm) -> tuple[float, ...]:
    """Do harm a few times; return the seconds from the end of each to when all is as it should be."""
    found = []
    for _ in range(ROUNDS):
        await harm(cluster)
        found.append(await cluster.until_settled())
    return tuple(found)


async def controller_killed(cluster: Troubled) -> None:
    cluster.controller.kill()
    await cluster.add()
    cluster.controller.start()


async def speaker_killed(cluster: Troubled) -> None:
    """Meanwhile a Service goes, whose route must not come back."""
    cluster.speaker.kill()
    await cluster.remove(min(cluster.living))
    cluster.speaker.start()


async def both_miss_much(cluster: Troubled) -> None:
    with cluster.controller.frozen(), cluster.speaker.frozen():
        await cluster.remove(min(cluster.living))
        await cluster.add()
        await cluster.outage(0.1, forgetful=True)


async def away(cluster: Troubled, seconds: float) -> list[Figure]:
    """Leave the programs without an API server; then make a Service at once."""
    lost = 0

    async def count() -> None:
        nonlocal lost
        while True:
            lost = max(lost, len(cluster.living) - len(cluster.router.rib))
            await asyncio.sleep(0.01)

    counting = asyncio.create_task(count())
    await cluster.outage(seconds)
    counting.cancel()
    await asyncio.wait([counting])
    await cluster.add()
    news = await cluster.until_settled()
    return [
        Figure(name=f"API server away for {seconds:g} s: routes lost", unit="", target=0, runs=(lost,)),
        Figure(name="… and back: until a new Service is announced", unit="s", target=5.0, runs=(news,)),
    ]


async def measure(folder: Path, seconds: float) -> list[Figure]:
    async with troubled(folder) as cluster:
        for _ in range(SERVICES):
            await cluster.add()
        await cluster.until_settled()
        rows: dict[str, tuple[float, Harm]] = {
            "controller killed: start to an address for who waits": (2.0, controller_killed),
            "speaker killed: start to all routes, and no stale one": (2.0, speaker_killed),
            "both frozen and their watches lost (410): until all is right": (5.0, both_miss_much),
        }
        figures = []
        for name, (target, harm) in rows.items():
            figures.append(Figure(name=name, unit="s", target=target, runs=await timed(cluster, harm)))
        figures += await away(cluster, seconds)
        complaints = len(cluster.witness.complaints)
    figures.append(
        Figure(name="addresses lost or given twice", unit="", target=0, runs=(complaints,)),
    )
    return figures


def main() -> None:
    seconds = float(sys.argv[1]) if sys.argv[1:] else AWAY
    with tempfile.TemporaryDirectory() as directory:
        publish("faults of the load balancer", asyncio.run(measure(Path(directory), seconds)))


if __name__ == "__main__":
    main()
