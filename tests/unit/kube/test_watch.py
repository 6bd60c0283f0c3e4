from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from lab.kits.backoff import Backoff
from lab.kube import watch
from lab.kube.client import Client
from lab.kube.errors import Forbidden, Unavailable
from lab.kube.resources import SERVICES, ObjectKey
from lab.kube.watch import Change, ChangeType, Reflector
from tests.unit.kube.fake_api import FakeApi

PREFIX = "/api/v1/namespaces/default/services/"


def service(name: str, value: int = 0) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {"value": value}}


class Watched:
    """A reflector that decodes to spec.value, and what it reported, in short form."""

    def __init__(self, api: FakeApi, **options: Any) -> None:
        self.api = api
        self.client = Client(api.config(), timeout=2)
        self.seen: list[str] = []
        backoff = Backoff(first=0.001, limit=0.01)
        self.reflector: Reflector[int] = Reflector(
            self.client,
            SERVICES,
            lambda item: int(item["spec"]["value"]),
            on_change=self._note,
            backoff=backoff,
            **options,
        )

    def _note(self, change: Change[int]) -> None:
        words = [str(part) for part in (change.key.name, change.old, change.new) if part not in {None, ""}]
        self.seen.append(" ".join([change.type.lower(), *words]))

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():  # noqa: ASYNC110 -- watches from outside
            await asyncio.sleep(0.002)

    @property
    def values(self) -> dict[str, int]:
        return {key.name: value for key, value in self.reflector.store.items()}


def watching(test: Callable[[FakeApi, Watched], Awaitable[None]], **options: Any) -> None:
    async def main() -> None:
        async with FakeApi().serving() as api:
            for number in range(3):
                await api.put(f"{PREFIX}s{number}", service(f"s{number}", number))
            watched = Watched(api, **options)
            task = asyncio.create_task(watched.reflector.run())
            try:
                await watched.reflector.synced.wait()
                await test(api, watched)
            finally:
                task.cancel()
                await asyncio.wait([task])
                watched.client.close()
                await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(main(), 10))


def test_the_first_list_then_each_change_is_reported() -> None:
    async def test(api: FakeApi, watched: Watched) -> None:
        assert watched.seen == ["added s0 0", "added s1 1", "added s2 2", "synced"]
        await api.put(PREFIX + "s1", service("s1", 7))
        await api.remove(PREFIX + "s0")
        await api.put(PREFIX + "s3", service("s3", 3))
        await watched.until(lambda: len(watched.seen) == 7)
        assert watched.seen[4:] == ["modified s1 1 7", "deleted s0 0", "added s3 3"]
        assert watched.reflector.store[ObjectKey("default", "s1")] == 7

    watching(test)


def test_a_broken_connection_resumes_from_the_last_version_seen() -> None:
    async def test(api: FakeApi, watched: Watched) -> None:
        await api.put(PREFIX + "s3", service("s3", 3))
        await watched.until(lambda: "s3" in watched.values)
        version = api.version
        await api.drop_connections()
        await api.remove(PREFIX + "s3")
        await watched.until(lambda: "s3" not in watched.values)
        lists = [r for r in api.requests if "watch" not in r.query]
        resumed = [r.query["resourceVersion"] for r in api.requests if "watch" in r.query]
        assert len(lists) == 1
        assert resumed[-1] == str(version)

    watching(test)


def test_a_watch_that_lasted_is_opened_again_soon_even_if_it_had_nothing_to_say(monkeypatch) -> None:
    monkeypatch.setattr(watch, "LASTING", 0.0)

    async def test(api: FakeApi, watched: Watched) -> None:
        await watched.until(lambda: watched.reflector._opened)
        backoff = watched.reflector._backoff
        backoff._next = 5.0
        await api.drop_connections()
        await watched.until(lambda: backoff._next != 5.0)
        assert backoff._next == backoff._first * 2

    watching(test)


@pytest.mark.parametrize("in_stream", [True, False])
def test_when_the_version_is_gone_the_difference_to_a_new_list_is_reported(*, in_stream: bool) -> None:
    async def test(api: FakeApi, watched: Watched) -> None:
        api.in_stream_410 = in_stream
        del api.objects[PREFIX + "s0"]
        api._store(PREFIX + "s1", service("s1", 9))
        api._store(PREFIX + "s4", service("s4", 4))
        api.forget_history()
        watched.seen.clear()
        await api.drop_connections()
        await watched.until(lambda: "synced" in watched.seen)
        assert watched.seen == ["modified s1 1 9", "added s4 4", "deleted s0 0", "synced"]

    watching(test)


def test_bookmarks_move_the_version_forward() -> None:
    async def test(api: FakeApi, watched: Watched) -> None:
        watched.reflector._receive({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "4711"}}})
        assert watched.reflector._resource_version == "4711"
        assert len(watched.seen) == 4

    watching(test)


def test_the_watch_asks_for_bookmarks_a_limit_and_the_selectors() -> None:
    async def test(api: FakeApi, watched: Watched) -> None:
        await watched.until(lambda: any("watch" in r.query for r in api.requests))
        query = next(r.query for r in api.requests if "watch" in r.query)
        assert query == {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": str(api.version),
            "timeoutSeconds": "120",
            "labelSelector": "app=web",
            "fieldSelector": "metadata.name!=x",
        }

    watching(test, seconds=120, labels="app=web", fields="metadata.name!=x")


def test_the_last_known_objects_stay_while_the_api_is_away() -> None:
    async def main() -> None:
        api = FakeApi()
        async with api.serving():
            await api.put(PREFIX + "s0", service("s0", 1))
            watched = Watched(api)
            task = asyncio.create_task(watched.reflector.run())
            await watched.reflector.synced.wait()
        await watched.until(lambda: watched.reflector.failures >= 3)
        assert isinstance(watched.reflector.failure, Unavailable)
        assert watched.values == {"s0": 1}
        async with api.serving(port=api.port):
            await api.put(PREFIX + "s1", service("s1", 2))
            await watched.until(lambda: watched.values == {"s0": 1, "s1": 2})
            assert watched.reflector.failure is None
            task.cancel()
            await asyncio.wait([task])
        watched.client.close()

    asyncio.run(asyncio.wait_for(main(), 10))


def test_a_refused_list_is_tried_again() -> None:
    async def main() -> None:
        api = FakeApi(faults=[(403, {"message": "not yet"})] * 3)
        async with api.serving():
            watched = Watched(api)
            task = asyncio.create_task(watched.reflector.run())
            await watched.until(lambda: watched.reflector.failure is not None)
            assert isinstance(watched.reflector.failure, Forbidden)
            await watched.reflector.synced.wait()
            assert watched.reflector.failures == 3
            task.cancel()
            await asyncio.wait([task])
        watched.client.close()

    asyncio.run(asyncio.wait_for(main(), 10))


def test_a_synced_store_tells_of_nothing_that_did_not_change() -> None:
    async def test(api: FakeApi, watched: Watched) -> None:
        api.version += 1
        api.forget_history()
        watched.seen.clear()
        await api.drop_connections()
        await watched.until(lambda: bool(watched.seen))
        assert watched.seen == [ChangeType.SYNCED.lower()]

    watching(test)


def test_a_refresh_waits_for_a_list_that_was_asked_for_afterwards() -> None:
    async def test(api: FakeApi, watched: Watched) -> None:
        api._store(PREFIX + "s1", service("s1", 9))  # no watch event tells of it
        lists = len([r for r in api.requests if "watch" not in r.query])
        await watched.reflector.refresh()
        assert watched.values["s1"] == 9
        assert len([r for r in api.requests if "watch" not in r.query]) == lists + 1
        await api.put(PREFIX + "s2", service("s2", 8))
        await watched.until(lambda: watched.values["s2"] == 8)

    watching(test)


def test_a_refresh_waits_while_the_api_is_away() -> None:
    async def test(api: FakeApi, watched: Watched) -> None:
        api.faults = [(503, {})] * 5
        api._store(PREFIX + "s1", service("s1", 9))
        await watched.reflector.refresh()
        assert watched.values["s1"] == 9
        assert not api.faults

    watching(test)
