"""The store: order, atomicity, visibility, what survives a restart, and how far back watches reach."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from lab.errors import BusyError
from lab.pocket.store import (
    Change,
    Compacted,
    EventType,
    Key,
    Limits,
    Store,
    StoreError,
    UnencodableError,
    database,
    opened,
)
from lab.pocket.store.database import Database

Body = Callable[[Store], Awaitable[None]]


def key(name: str, namespace: str = "default", resource: str = "configmaps") -> Key:
    return Key(resource, namespace, name)


def put(name: str, value: str = "", **where: str) -> Change:
    return Change(key(name, **where), {"metadata": {"name": name}, "value": value})


def delete(name: str) -> Change:
    return Change(key(name), {"metadata": {"name": name}}, delete=True)


def with_store(tmp_path: Path, *bodies: Body, limits: Limits | None = None) -> None:
    """Run each body on the same file, with a restart between them."""

    async def run(body: Body) -> None:
        async with asyncio.timeout(10), opened(tmp_path / "store.db", limits) as store:
            await body(store)

    for body in bodies:
        asyncio.run(run(body))


def test_reads_see_a_write_only_once_it_is_durable_and_writers_see_it_at_once(tmp_path):
    async def body(store: Store) -> None:
        done = store.write(put("a"))
        assert store.get(key("a")) is None
        assert store.rows("configmaps") == []
        in_flight = store.latest(key("a"))
        assert in_flight is not None
        assert store.latest_rows("configmaps") == [in_flight]
        await done
        assert store.get(key("a")) is in_flight
        assert in_flight.decoded()["metadata"]["resourceVersion"] == str(store.revision)

    with_store(tmp_path, body)


def test_a_state_deleted_in_flight_is_gone_for_writers(tmp_path):
    async def body(store: Store) -> None:
        await store.write(put("a"))
        done = store.write(delete("a"))
        assert store.latest(key("a")) is None
        assert store.latest_rows("configmaps") == []
        assert store.get(key("a")) is not None
        again = store.write(put("a", "new"))
        await asyncio.gather(done, again)
        row = store.get(key("a"))
        assert row is not None
        assert row.decoded()["value"] == "new"
        assert [e.type.value for e in store.events("configmaps", 0)] == ["ADDED", "DELETED", "ADDED"]

    with_store(tmp_path, body)


def test_events_carry_the_state_before(tmp_path):
    async def body(store: Store) -> None:
        for change in (put("a", "1"), put("a", "2"), delete("a")):
            await store.write(change)
        added, modified, deleted = store.events("configmaps", 0)
        assert (added.type, added.previous) == (EventType.ADDED, None)
        assert modified.previous is added.row
        assert (deleted.type, deleted.previous) == (EventType.DELETED, modified.row)

    with_store(tmp_path, body)


def test_a_restart_keeps_objects_events_and_the_counter(tmp_path):
    async def first(store: Store) -> None:
        await store.write(put("a", "1"), put("b", "1"))
        await store.write(put("a", "2"))
        await store.write(delete("b"))

    async def second(store: Store) -> None:
        assert [row.key.name for row in store.rows("configmaps")] == ["a"]
        assert [e.revision for e in store.events("configmaps", 1)] == [2, 3, 4]
        assert store.revision == 4
        assert store.resource_revision("configmaps") > 0
        await store.write(put("c"))
        assert store.revision == 5

    with_store(tmp_path, first, second)


def test_the_counter_never_goes_back_even_when_everything_is_gone(tmp_path):
    limits = Limits(events=4, bytes=1 << 20)

    async def first(store: Store) -> None:
        for number in range(8):
            await store.write(put(f"n{number}"))
            await store.write(delete(f"n{number}"))
        assert store.revision == 16

    async def second(store: Store) -> None:
        assert store.revision == 16
        assert 0 < store.compacted < 16

    with_store(tmp_path, first, second, limits=limits)


@pytest.mark.parametrize("limits", [Limits(events=10, bytes=1 << 20), Limits(events=1 << 20, bytes=600)])
def test_the_log_is_bounded_and_says_so(tmp_path, limits):
    async def fill(store: Store) -> None:
        for number in range(30):
            await store.write(put("a", str(number)))
        assert store.compacted > 0
        with pytest.raises(Compacted, match=rf"too old resource version: 1 \({store.compacted}\)"):
            store.events("configmaps", 1)
        recent = store.events("configmaps", store.compacted)
        assert [e.revision for e in recent] == list(range(store.compacted + 1, 31))

    async def after_restart(store: Store) -> None:
        with pytest.raises(Compacted):
            store.events("configmaps", 1)
        assert store.events("configmaps", 29)[0].revision == 30

    with_store(tmp_path, fill, after_restart, limits=limits)


def test_a_list_can_be_had_as_it_was(tmp_path):
    async def body(store: Store) -> None:
        await store.write(put("a", "1"), put("b", "1"))
        then = store.revision
        await store.write(put("a", "2"), delete("b"), put("c"))
        past = store.rows("configmaps", at=then)
        assert [(row.key.name, row.decoded()["value"]) for row in past] == [("a", "1"), ("b", "1")]
        assert [row.key.name for row in store.rows("configmaps")] == ["a", "c"]

    with_store(tmp_path, body)


def test_rows_come_in_key_order_and_by_namespace(tmp_path):
    async def body(store: Store) -> None:
        await store.write(
            put("z", namespace="a"),
            put("b", namespace="b"),
            put("a", namespace="b"),
            put("x", resource="pods"),
        )
        assert [row.key[1:] for row in store.rows("configmaps")] == [("a", "z"), ("b", "a"), ("b", "b")]
        assert [row.key.name for row in store.rows("configmaps", namespace="b")] == ["a", "b"]

    with_store(tmp_path, body)


def test_waiting_ends_with_the_next_event_of_that_resource_only(tmp_path):
    async def body(store: Store) -> None:
        waiting = asyncio.create_task(store.changed("configmaps"))
        cancelled = asyncio.create_task(store.changed("configmaps"))
        await asyncio.sleep(0)
        cancelled.cancel()
        await store.write(put("p", resource="pods"))
        assert not waiting.done()
        await store.write(put("a"))
        await waiting

    with_store(tmp_path, body)


def test_writes_made_together_share_a_transaction(tmp_path):
    async def body(store: Store) -> None:
        await asyncio.gather(*(store.write(put(f"n{number}")) for number in range(500)))
        assert [e.revision for e in store.events("configmaps", 0)] == list(range(1, 501))

    with_store(tmp_path, body)


def test_an_object_that_cannot_be_encoded_leaves_no_trace(tmp_path):
    async def body(store: Store) -> None:
        with pytest.raises(UnencodableError):
            store.write(put("a"), Change(key("b"), {"metadata": {}, "value": {1, 2}}))
        await store.write(put("c"))
        assert [row.key.name for row in store.rows("configmaps")] == ["c"]
        assert store.latest(key("a")) is None

    with_store(tmp_path, body)


def test_a_commit_that_fails_takes_back_all_that_was_in_flight(tmp_path, monkeypatch):
    def full(*_args: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    async def body(store: Store) -> None:
        await store.write(put("a", "1"))
        with monkeypatch.context() as patched:
            patched.setattr(Database, "commit", full)
            results = await asyncio.gather(
                store.write(put("a", "2")), store.write(put("b")), return_exceptions=True
            )
        assert [type(result) for result in results] == [StoreError, StoreError]
        assert [row.key.name for row in store.latest_rows("configmaps")] == ["a"]
        await store.write(put("b"))
        assert [row.key.name for row in store.rows("configmaps")] == ["a", "b"]

    with_store(tmp_path, body)


def test_a_second_server_on_the_same_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "LOCK_SECONDS", 0)
    first = Database(tmp_path / "store.db")
    with pytest.raises(BusyError, match="database is locked"):
        Database(tmp_path / "store.db")
    first.close()
    Database(tmp_path / "store.db").close()
