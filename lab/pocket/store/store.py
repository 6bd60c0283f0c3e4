"""The store: writes in groups, reads from memory, watches from the log."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.errors import ApiError
from lab.kits.kept_json import encode_to_keep
from lab.pocket.store.database import Database
from lab.pocket.store.log import Log
from lab.pocket.store.rows import Change, Event, EventType, Key, Object, Row


class StoreError(ApiError):
    """The file cannot be written: the disk is full, or gone. Nothing of the write is kept."""


class UnencodableError(ApiError):
    """The object is nested too deeply, or holds what JSON does not have."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How far back watches may resume; the log is dropped from its old end beyond either bound."""

    events: int = 10_000
    bytes: int = 8 << 20


class _Batch:
    """Writes that will share one transaction, and the future that all their writers wait on."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.committed: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Store:
    """All objects. Use it from one event loop; everything but `write` and `changed` returns at once."""

    def __init__(self, database: Database, limits: Limits) -> None:
        self._database = database
        self._objects: dict[str, dict[Key, Row]] = {}
        self._in_flight: dict[Key, Event] = {}  # the newest change of a key that is not yet committed
        self._log = Log(max_events=limits.events, max_bytes=limits.bytes, compacted=database.compacted())
        self._batch = self._newest = _Batch()
        self._work = asyncio.Event()
        self._changed_at: dict[str, int] = {}
        self.revision = self._log.compacted
        for row in database.rows():
            self._objects.setdefault(row.key.resource, {})[row.key] = row
            self._changed_at[row.key.resource] = max(self.resource_revision(row.key.resource), row.revision)
            self.revision = max(self.revision, row.revision)
        recent = list(database.events())
        if recent:
            self._log.append(recent)
            self.revision = max(self.revision, recent[-1].revision)
        self._next = self.revision

    # Reads: committed state

    @property
    def compacted(self) -> int:
        """The oldest revision that a watch may resume from."""
        return self._log.compacted

    def get(self, key: Key) -> Row | None:
        return self._objects.get(key.resource, {}).get(key)

    def rows(self, resource: str, *, namespace: str = "", at: int | None = None) -> list[Row]:
        """Return a resource's rows in key order, as they were at revision `at` (default: now).

        Raises:
            Compacted: `at` is older than the log remembers.

        """
        rows = self._objects.get(resource, {})
        if at is not None and at < self.revision:
            rows = dict(rows)
            for event in reversed(self._log.since(resource, at)):
                if event.previous is None:
                    rows.pop(event.row.key, None)
                else:
                    rows[event.row.key] = event.previous
        keys = sorted(key for key in rows if key.namespace == namespace) if namespace else sorted(rows)
        return [rows[key] for key in keys]

    def events(self, resource: str, since: int, *, limit: int | None = None) -> list[Event]:
        """Return committed events after a revision; see `Log.since`."""
        return self._log.since(resource, since, limit=limit)

    def resource_revision(self, resource: str) -> int:
        """Return the revision of a resource's last change; what was derived from the resource is good until it moves."""
        return self._changed_at.get(resource, 0)

    async def changed(self, resource: str, seconds: float | None = None) -> None:
        """Wait for the next committed event of a resource, or so many seconds."""
        await self._log.changed(resource, seconds)

    @property
    def watches_ended(self) -> bool:
        """Whether watches are to say good-bye: the server stops."""
        return self._log.ended

    def end_watches(self) -> None:
        """Wake all who wait in `changed`, and let nobody wait there any more."""
        self._log.end()

    # Writes. Between reading `latest` and calling `write` a caller must not await: that is the lock.

    def latest(self, key: Key) -> Row | None:
        """Return the state that a write must build on: committed, or in flight."""
        event = self._in_flight.get(key)
        if event is None:
            return self.get(key)
        return None if event.type is EventType.DELETED else event.row

    def latest_rows(self, resource: str, *, namespace: str = "") -> list[Row]:
        """Return a resource's rows including writes in flight, in no order."""
        rows = dict(self._objects.get(resource, {}))
        for key, event in self._in_flight.items():
            if key.resource == resource and event.type is EventType.DELETED:
                rows.pop(key, None)
            elif key.resource == resource:
                rows[key] = event.row
        return [row for key, row in rows.items() if not namespace or key.namespace == namespace]

    def in_flight(self, resource: str) -> list[Row]:
        """Return a resource's states that are not committed yet, deletions aside."""
        events = [event for key, event in self._in_flight.items() if key.resource == resource]
        return [event.row for event in events if event.type is not EventType.DELETED]

    def write(self, *changes: Change) -> asyncio.Future[None]:
        """Apply one or more changes atomically; the future is done when they are durable and visible.

        Each object gets its new `metadata.resourceVersion` before this returns. Being cancelled while waiting does not
        undo the write. The future fails with StoreError when the file cannot be written.

        Raises:
            UnencodableError: an object is not JSON; none of the changes is begun.

        """
        rows = []
        for revision, change in enumerate(changes, self._next + 1):
            change.object["metadata"]["resourceVersion"] = str(revision)
            rows.append(Row(change.key, revision, _encoded(change.object)))
        self._next += len(rows)  # nothing was touched before all of them could be encoded
        self._batch.events += map(self._begun, changes, rows)
        self._newest = self._batch
        self._work.set()
        return asyncio.shield(self._batch.committed)

    def _begun(self, change: Change, row: Row) -> Event:
        previous = self.latest(change.key)
        kind = EventType.DELETED if change.delete else EventType.MODIFIED if previous else EventType.ADDED
        event = self._in_flight[change.key] = Event(kind, row, previous)
        return event

    async def commit_forever(self) -> None:
        """Commit batches one after the other; what arrives during a commit shares the next one."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, thread_name_prefix="store") as thread:
            while True:
                await self._work.wait()
                self._work.clear()
                batch, self._batch = self._batch, _Batch()
                if not batch.events:
                    continue
                try:
                    await loop.run_in_executor(
                        thread, self._database.commit, batch.events, self._log.compacted
                    )
                except sqlite3.Error as error:
                    self._take_back(batch, error)
                else:
                    self._publish(batch.events)
                    batch.committed.set_result(None)

    def _take_back(self, failed: _Batch, error: sqlite3.Error) -> None:
        """Forget all writes in flight: those after a failed one may have built on it."""
        pending, self._batch = self._batch, _Batch()
        self._newest = self._batch
        self._in_flight.clear()
        for batch in (failed, pending):
            batch.committed.set_exception(StoreError(f"the object store cannot write: {error}"))
            batch.committed.exception()  # nobody may be waiting any longer

    def _publish(self, events: Sequence[Event]) -> None:
        for event in events:
            key = event.row.key
            rows = self._objects.setdefault(key.resource, {})
            self._changed_at[key.resource] = event.revision
            if event.type is EventType.DELETED:
                rows.pop(key, None)
            else:
                rows[key] = event.row
            if self._in_flight.get(key) is event:
                del self._in_flight[key]
        self.revision = events[-1].revision
        self._log.append(events)

    async def drained(self) -> None:
        """Wait until nothing is in flight."""
        if self._newest.events:
            await asyncio.shield(self._newest.committed)


def _encoded(obj: Object) -> bytes:
    try:
        return encode_to_keep(obj)
    except TypeError as error:  # orjson's JSONEncodeError is but another name of it
        raise UnencodableError(f"the object cannot be encoded: {error}") from error


@asynccontextmanager
async def opened(path: Path, limits: Limits | None = None) -> AsyncIterator[Store]:
    """Open the store in a file and commit in the background until the block ends."""
    database = Database(path)
    store = Store(database, limits or Limits())
    committer = asyncio.create_task(store.commit_forever())
    try:
        yield store
        await store.drained()
    finally:
        committer.cancel()
        await asyncio.wait([committer])
        database.close()
