from __future__ import annotations

import asyncio

from lab.kube.resources import ObjectKey
from lab.pocket.controllers.loop import Queue

A, B = ObjectKey("", "a"), ObjectKey("", "b")


def test_a_key_waits_once_however_often_it_is_added():
    async def scenario() -> list[ObjectKey]:
        queue = Queue()
        for key in (A, B, A, A):
            queue.add(key)
        return [await queue.get(), await queue.get()]

    assert asyncio.run(scenario()) == [A, B]


def test_the_earlier_of_two_delays_wins():
    async def scenario() -> ObjectKey:
        queue = Queue()
        queue.add_after(A, 0.001)
        queue.add_after(A, 60)
        async with asyncio.timeout(1):
            return await queue.get()

    assert asyncio.run(scenario()) == A


def test_adding_now_cancels_the_delay():
    async def scenario() -> int:
        queue = Queue()
        queue.add_after(A, 0.001)
        queue.add(A)
        await queue.get()
        await asyncio.sleep(0.005)
        queue.add(B)
        return [await queue.get()].count(B)

    assert asyncio.run(scenario()) == 1


def test_a_key_is_not_handed_out_twice_at_a_time():
    async def scenario() -> list[ObjectKey]:
        queue = Queue()
        queue.add(A)
        taken = await queue.get()
        queue.add(A)
        queue.add(B)
        order = [await queue.get()]
        queue.done(taken)
        return [*order, await queue.get()]

    assert asyncio.run(scenario()) == [B, A]
