from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from lab.kits.backoff import Backoff
from lab.kube.workqueue import WorkQueue


def queue(**ranks: int) -> WorkQueue[str]:
    return WorkQueue(
        lambda key: (ranks.get(key, 0),), backoff=lambda: Backoff(first=0.001, limit=1, jitter=lambda: 1.0)
    )


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await asyncio.wait_for(test(), 5)

    asyncio.run(main())


def test_keys_come_once_by_rank_and_then_in_order() -> None:
    async def test() -> None:
        keys = queue(c=-1, z=1)
        for key in "zabacb":
            keys.add(key)
        assert [await keys.get() for _ in range(len(keys))] == ["c", "a", "b", "z"]

    run(test)


def test_a_key_that_is_worked_on_comes_again_only_after_that() -> None:
    async def test() -> None:
        keys = queue()
        keys.add("a")
        await keys.get()
        keys.add("a")
        keys.add("a")
        assert len(keys) == 0
        keys.done("a")
        assert await keys.get() == "a"
        keys.done("a")
        assert len(keys) == 0

    run(test)


def test_a_failed_key_comes_later_and_success_forgets_its_failures() -> None:
    async def test() -> None:
        keys = queue()
        keys.add("a")
        for _ in range(3):
            assert await keys.get() == "a"
            keys.retry("a")
            assert len(keys) == 0
        assert keys._backoffs["a"].delay() == 0.008
        assert await keys.get() == "a"
        keys.done("a")
        assert not keys._backoffs

    run(test)


def test_adding_all_ranks_anew() -> None:
    async def test() -> None:
        ranks = {"a": 1, "b": 2}
        keys: WorkQueue[str] = WorkQueue(lambda key: (ranks.get(key, 0),))
        for key in "ab":
            keys.add(key)
        ranks.update(a=9, c=5)
        keys.add_all("bc")
        assert [await keys.get() for _ in range(len(keys))] == ["b", "c", "a"]
        keys.add_all("a")
        assert len(keys) == 0
        keys.done("a")
        assert await keys.get() == "a"

    run(test)


def test_somebody_who_waits_is_woken() -> None:
    async def test() -> None:
        keys = queue()
        waiting = asyncio.create_task(keys.get())
        await asyncio.sleep(0)
        keys.add("a")
        assert await waiting == "a"

    run(test)


def test_closing_cancels_what_was_delayed() -> None:
    async def test() -> None:
        keys = queue()
        keys.add("a")
        keys.retry(await keys.get())
        keys.close()
        await asyncio.sleep(0.01)
        assert len(keys) == 0

    run(test)


def test_the_earlier_of_two_delays_wins() -> None:
    async def test() -> None:
        keys = queue()
        keys.add_after("a", 0.001)
        keys.add_after("a", 60)
        assert await keys.get() == "a"

    run(test)


def test_adding_now_cancels_the_delay() -> None:
    async def test() -> None:
        keys = queue()
        keys.add_after("a", 0.001)
        keys.add("a")
        await keys.get()
        keys.done("a")
        await asyncio.sleep(0.005)
        assert len(keys) == 0

    run(test)
