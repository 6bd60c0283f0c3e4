from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from lab.kits.backoff import Backoff
from lab.kube.client import Client
from lab.kube.events import EventType, Recorder, reference_to
from tests.unit.kube.fake_api import FakeApi

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


def service(name: str = "web") -> dict[str, Any]:
    metadata = {"name": name, "namespace": "shop", "uid": f"u-{name}", "resourceVersion": "9"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata}


def recording(test: Callable[[FakeApi, Recorder, Clock], Awaitable[None]]) -> None:
    async def main() -> None:
        async with FakeApi().serving() as api, Client(api.config()) as client:
            clock = Clock()
            recorder = Recorder(client, component="metallb-controller", instance="pod-1", now=clock)
            task = asyncio.create_task(recorder.run())
            await test(api, recorder, clock)
            task.cancel()
            await asyncio.wait([task])

    asyncio.run(asyncio.wait_for(main(), 10))


def say(recorder: Recorder, message: str, name: str = "web") -> None:
    reference = reference_to(service(name))
    recorder.record(reference, type=EventType.WARNING, reason="AllocationFailed", message=message)


def test_an_event_says_who_what_when_and_about_what() -> None:
    async def test(api: FakeApi, recorder: Recorder, clock: Clock) -> None:
        say(recorder, "no addresses")
        await recorder._queue.join()
        (event,) = api.objects.values()
        metadata = event.pop("metadata")
        assert (metadata["namespace"], metadata["name"].split(".")[0]) == ("shop", "web")
        assert event == {
            "apiVersion": "v1",
            "kind": "Event",
            "involvedObject": {
                "apiVersion": "v1",
                "kind": "Service",
                "name": "web",
                "namespace": "shop",
                "uid": "u-web",
            },
            "type": "Warning",
            "reason": "AllocationFailed",
            "message": "no addresses",
            "source": {"component": "metallb-controller", "host": "pod-1"},
            "reportingComponent": "metallb-controller",
            "reportingInstance": "pod-1",
            "firstTimestamp": "2026-01-02T03:04:05Z",
            "lastTimestamp": "2026-01-02T03:04:05Z",
            "count": 1,
        }

    recording(test)


def test_repetition_is_counted_for_ten_minutes_and_per_object() -> None:
    async def test(api: FakeApi, recorder: Recorder, clock: Clock) -> None:
        for seconds in (0, 10, 599):
            clock.now = START + timedelta(seconds=seconds)
            say(recorder, "no addresses")
            await recorder._queue.join()
        say(recorder, "no addresses", "other")
        clock.now = START + timedelta(seconds=599 + 600)
        await recorder._queue.join()
        say(recorder, "no addresses")
        await recorder._queue.join()
        counts = [(e["involvedObject"]["name"], e["count"], e["lastTimestamp"]) for e in api.objects.values()]
        assert counts[0] == ("web", 3, "2026-01-02T03:14:04Z")
        assert [(name, count) for name, count, _ in counts[1:]] == [("other", 1), ("web", 1)]

    recording(test)


def test_an_event_that_expired_is_written_anew() -> None:
    async def test(api: FakeApi, recorder: Recorder, clock: Clock) -> None:
        say(recorder, "no addresses")
        await recorder._queue.join()
        api.objects.clear()
        say(recorder, "no addresses")
        await recorder._queue.join()
        assert [event["count"] for event in api.objects.values()] == [1]

    recording(test)


def test_ever_new_words_for_one_reason_become_one_event() -> None:
    async def test(api: FakeApi, recorder: Recorder, clock: Clock) -> None:
        for number in range(25):
            say(recorder, f"attempt {number}")
        await recorder._queue.join()
        events = list(api.objects.values())
        assert len(events) == 11
        assert events[-1]["message"] == "(combined from similar events): attempt 24"
        assert events[-1]["count"] == 15

    recording(test)


def test_a_refused_event_is_dropped_and_counted() -> None:
    async def test(api: FakeApi, recorder: Recorder, clock: Clock) -> None:
        api.faults.append((403, {}))
        say(recorder, "one")
        say(recorder, "two")
        await recorder._queue.join()
        assert recorder.dropped == 1
        assert [event["message"] for event in api.objects.values()] == ["two"]

    recording(test)


def test_what_is_left_at_the_end_is_still_written() -> None:
    async def main() -> None:
        async with FakeApi().serving() as api, Client(api.config()) as client:
            recorder = Recorder(client, component="c", now=Clock())
            task = asyncio.create_task(recorder.run())
            await asyncio.sleep(0)
            for number in range(3):
                say(recorder, f"message {number}")
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
            assert len(api.objects) == 3

    asyncio.run(asyncio.wait_for(main(), 10))


def test_events_wait_while_the_api_is_away() -> None:
    async def main() -> None:
        async with FakeApi(faults=[(503, {})] * 3).serving() as api, Client(api.config()) as client:
            recorder = Recorder(client, component="c", now=Clock(), backoff=Backoff(first=0.001, limit=0.01))
            task = asyncio.create_task(recorder.run())
            say(recorder, "one")
            say(recorder, "two")
            await recorder._queue.join()
            assert [event["message"] for event in api.objects.values()] == ["one", "two"]
            assert recorder.dropped == 0
            task.cancel()
            await asyncio.wait([task])

    asyncio.run(asyncio.wait_for(main(), 10))
