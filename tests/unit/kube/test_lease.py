from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Never

import pytest

from lab.kube.client import Client
from lab.kube.lease import Elector, Timing, micro_time
from tests.unit.kube.fake_api import FakeApi

PATH = "/apis/coordination.k8s.io/v1/namespaces/ns/leases/lock"
FAST = Timing(lease_duration=1.0, renew_deadline=0.2, retry_period=0.01)
MOMENT = datetime(2026, 1, 2, 3, 4, 5, 6, UTC)


def elector(client: Client, identity: str, **options: Any) -> Elector:
    options = {"timing": FAST, **options}
    return Elector(client, namespace="ns", name="lock", identity=identity, **options)


class Work:
    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.stopped = asyncio.Event()

    async def __call__(self) -> Never:
        self.started.set()
        try:
            await asyncio.Event().wait()
            raise AssertionError
        finally:
            self.stopped.set()


async def stop(task: asyncio.Task[Never]) -> None:
    task.cancel()
    await asyncio.wait([task])


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=9))])
def test_micro_time_is_utc_whatever_the_zone(zone: timezone) -> None:
    assert micro_time(MOMENT.astimezone(zone)) == "2026-01-02T03:04:05.000006Z"


def test_the_first_candidate_leads_and_gives_the_lease_back() -> None:
    async def main() -> None:
        async with FakeApi().serving() as api, Client(api.config()) as client:
            work = Work()
            candidate = elector(client, "a", now=lambda: MOMENT)
            task = asyncio.create_task(candidate.run(work))
            await work.started.wait()
            assert api.objects[PATH]["spec"] == {
                "holderIdentity": "a",
                "leaseDurationSeconds": 1,
                "acquireTime": "2026-01-02T03:04:05.000006Z",
                "renewTime": "2026-01-02T03:04:05.000006Z",
                "leaseTransitions": 0,
            }
            assert candidate.leading
            await stop(task)
            assert work.stopped.is_set()
            assert not candidate.leading
            assert api.objects[PATH]["spec"]["holderIdentity"] == ""

    asyncio.run(asyncio.wait_for(main(), 10))


def test_a_second_candidate_waits_and_follows_at_once() -> None:
    async def main() -> None:
        async with FakeApi().serving() as api, Client(api.config()) as client:
            first, second = Work(), Work()
            one = asyncio.create_task(elector(client, "a").run(first))
            await first.started.wait()
            two = asyncio.create_task(elector(client, "b").run(second))
            await asyncio.sleep(0.05)
            assert not second.started.is_set()
            await stop(one)
            await second.started.wait()
            spec = api.objects[PATH]["spec"]
            assert (spec["holderIdentity"], spec["leaseTransitions"]) == ("b", 1)
            await stop(two)

    asyncio.run(asyncio.wait_for(main(), 10))


def test_a_dead_holder_is_replaced_by_our_clock_not_by_its_own() -> None:
    async def main() -> None:
        async with FakeApi().serving() as api, Client(api.config()) as client:
            spec = {
                "holderIdentity": "dead",
                "leaseDurationSeconds": 1,
                "acquireTime": "1999-01-01T00:00:00.000000Z",
                "renewTime": "1999-01-01T00:00:00.000000Z",
                "leaseTransitions": 4,
            }
            await api.put(PATH, {"metadata": {"name": "lock", "namespace": "ns"}, "spec": spec})
            candidate = elector(client, "b")
            assert not await candidate._try()
            candidate._seen_at -= 1.0
            assert await candidate._try()
            assert api.objects[PATH]["spec"]["leaseTransitions"] == 5

    asyncio.run(asyncio.wait_for(main(), 10))


def test_a_holder_that_cannot_renew_stops_working() -> None:
    async def main() -> None:
        async with FakeApi().serving() as api, Client(api.config()) as client:
            work = Work()
            task = asyncio.create_task(elector(client, "a").run(work))
            await work.started.wait()
            api.faults.extend([(503, {})] * 1000)
            await work.stopped.wait()
            api.faults.clear()
            work.started.clear()
            await work.started.wait()
            await stop(task)

    asyncio.run(asyncio.wait_for(main(), 10))


def test_a_holder_whose_lease_was_taken_stops_working() -> None:
    async def main() -> None:
        async with FakeApi().serving() as api, Client(api.config()) as client:
            work = Work()
            task = asyncio.create_task(elector(client, "a").run(work))
            await work.started.wait()
            lease = api.objects[PATH]
            await api.put(PATH, {**lease, "spec": {**lease["spec"], "holderIdentity": "b", "renewTime": "x"}})
            await work.stopped.wait()
            await stop(task)
            assert api.objects[PATH]["spec"]["holderIdentity"] == "b"

    asyncio.run(asyncio.wait_for(main(), 10))


def test_what_the_work_raises_is_raised() -> None:
    async def work() -> Never:
        raise LookupError("bug")

    async def main() -> None:
        async with FakeApi().serving() as api, Client(api.config()) as client:
            with pytest.raises(LookupError):
                await elector(client, "a").run(work)

    asyncio.run(asyncio.wait_for(main(), 10))
