"""Work that may wait: it does, but not for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from lab.kits.lull import Lull


async def waits(lull: Lull, *, rounds: int = 3) -> bool:
    """Tell whether somebody who waits is still waiting after some rounds of the event loop."""
    task = asyncio.ensure_future(lull.wait())
    for _ in range(rounds):
        await asyncio.sleep(0)
    still = not task.done()
    task.cancel()
    await asyncio.wait([task])
    return still


def run(test: Awaitable[None]) -> None:
    async def main() -> None:
        async with asyncio.timeout(5):
            await test

    asyncio.run(main())


def test_without_a_disturbance_nobody_waits() -> None:
    async def test() -> None:
        assert not await waits(Lull())

    run(test())


def test_a_disturbance_is_waited_for() -> None:
    async def test() -> None:
        lull = Lull(quiet=0.01)
        lull.disturb()
        assert await waits(lull)
        await lull.wait()
        assert not await waits(lull)

    run(test())


def test_patience_ends() -> None:
    async def test() -> None:
        lull = Lull(quiet=1000, patience=0)
        lull.disturb()
        assert not await waits(lull)

    run(test())
