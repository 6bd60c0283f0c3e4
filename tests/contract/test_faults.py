"""Whatever ends at whatever instant: no address is lost or given twice, and no announcement outlives its Service."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.contract.troubled import Troubled, troubled

STEPS = 30
Test = Callable[[Troubled], Awaitable[None]]
Harm = Callable[[Troubled, random.Random], Awaitable[None]]


@pytest.fixture
def run(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[Test], None]:
    if request.config.getoption("--kubeconfig"):
        pytest.skip("not run: nobody kills the API server of a given cluster")

    async def main(test: Test) -> None:
        async with troubled(tmp_path) as cluster:
            await test(cluster)
            assert cluster.witness.looks
            assert cluster.witness.complaints == []

    return lambda test: asyncio.run(main(test))


async def add(cluster: Troubled, _chance: random.Random) -> None:
    for _ in range(3):
        await cluster.add()


async def remove(cluster: Troubled, chance: random.Random) -> None:
    if cluster.living:
        await cluster.remove(chance.choice(sorted(cluster.living)))


async def touch(cluster: Troubled, chance: random.Random) -> None:
    for number in range(5):
        if cluster.living:
            await cluster.touch(chance.choice(sorted(cluster.living)), str(number))


async def kill_controller(cluster: Troubled, _chance: random.Random) -> None:
    cluster.controller.kill()
    cluster.controller.start()


async def kill_speaker(cluster: Troubled, _chance: random.Random) -> None:
    cluster.speaker.kill()
    cluster.speaker.start()


async def stop_both(cluster: Troubled, _chance: random.Random) -> None:
    await asyncio.gather(asyncio.to_thread(cluster.controller.stop), asyncio.to_thread(cluster.speaker.stop))
    cluster.controller.start()
    cluster.speaker.start()


async def kill_api(cluster: Troubled, chance: random.Random) -> None:
    await cluster.outage(chance.random())


async def kill_api_and_its_memory(cluster: Troubled, chance: random.Random) -> None:
    await cluster.outage(chance.random(), forgetful=True)


async def miss_what_happens(cluster: Troubled, chance: random.Random) -> None:
    """Both programs are as if dead while Services come and go, and then cannot resume where they were."""
    with cluster.controller.frozen(), cluster.speaker.frozen():
        await remove(cluster, chance)
        await add(cluster, chance)
        await cluster.outage(0.1, forgetful=True)
        await remove(cluster, chance)


async def err(cluster: Troubled, _chance: random.Random) -> None:
    """Write nonsense into the configuration: what was right stays in force."""
    await cluster.advertise(communities=["no-such-alias"])
    await asyncio.sleep(0.1)
    await cluster.advertise()


OFTEN: tuple[Harm, ...] = (add, remove)
RARELY: tuple[Harm, ...] = (
    touch,
    kill_controller,
    kill_speaker,
    stop_both,
    kill_api,
    kill_api_and_its_memory,
    miss_what_happens,
    err,
)


@pytest.mark.parametrize("harm", RARELY)
def test_after_harm_everything_is_as_it_should_be(run: Callable[[Test], None], harm: Harm) -> None:
    async def test(cluster: Troubled) -> None:
        for _ in range(6):
            await cluster.add()
        await cluster.until_settled()
        await harm(cluster, random.Random(4))  # noqa: S311 -- reproducible
        await cluster.add()
        await cluster.until_settled()

    run(test)


@pytest.mark.parametrize("seed", [1, 2])
def test_any_harm_in_any_order(run: Callable[[Test], None], seed: int) -> None:
    async def test(cluster: Troubled) -> None:
        chance = random.Random(seed)  # noqa: S311 -- reproducible
        for _ in range(STEPS):
            await chance.choice(3 * OFTEN + RARELY)(cluster, chance)
            await asyncio.sleep(chance.random() * 0.3)
        await cluster.until_settled()

    run(test)
