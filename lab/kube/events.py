"""Events about objects, as `kubectl describe` shows them, without flooding the API.

`record` never waits; `run` writes in the background. What repeats is counted in the Event that exists already, and when
one reason about one object comes in ever new words, only its latest wording is kept (the two aggregations of client-go).
https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/ (written as core/v1, which kubectl reads)
"""

from __future__ import annotations

import asyncio
import itertools
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, Never

from lab.errors import ApiError
from lab.kits.backoff import Backoff
from lab.kits.log import Log
from lab.kits.lull import Lull
from lab.kube.client import Client
from lab.kube.errors import NotFound, Unavailable
from lab.kube.resources import EVENTS, Json, ObjectKey

log = Log(__name__)
QUEUE: Final = 20_000
REMEMBERED: Final = 4096
WORDINGS: Final = 10
WINDOW: Final = 600.0
FAREWELL: Final = 1.0
"""Seconds to write what is left when the program ends."""


class EventType(StrEnum):
    NORMAL = "Normal"
    WARNING = "Warning"


@dataclass(frozen=True, slots=True)
class _Entry:
    reference: Mapping[str, Any]
    type: EventType
    reason: str
    message: str

    @property
    def subject(self) -> tuple[str, ...]:
        return (*(str(value) for value in self.reference.values()), self.type, self.reason)


@dataclass(slots=True)
class _Written:
    """An Event that exists: its name, how often it happened, and since when."""

    key: ObjectKey
    count: int
    at: float


def reference_to(item: Json) -> Json:
    """Return the ObjectReference of an API object that has apiVersion and kind."""
    metadata = item["metadata"]
    reference = {
        "apiVersion": item["apiVersion"],
        "kind": item["kind"],
        "name": metadata["name"],
        "namespace": metadata.get("namespace", ""),
        "uid": metadata.get("uid", ""),
        "resourceVersion": metadata.get("resourceVersion", ""),
    }
    return {field: value for field, value in reference.items() if value}


class Recorder:
    """Records the Events of one component of one host or pod (`instance`)."""

    def __init__(
        self,
        client: Client,
        *,
        component: str,
        instance: str = "",
        lull: Lull | None = None,
        backoff: Backoff | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Take `lull` from a program that has more urgent things to do than to write Events."""
        self._client = client
        self._component = component
        self._instance = instance
        self._lull = lull
        self._now = now
        self._queue: asyncio.Queue[_Entry] = asyncio.Queue(QUEUE)
        self._written: OrderedDict[tuple[str, ...], _Written] = OrderedDict()
        self._wordings: OrderedDict[tuple[str, ...], set[str]] = OrderedDict()
        self._serial = itertools.count(int(now().timestamp() * 1e6))
        self._backoff = backoff or Backoff(first=0.1, limit=10.0)
        self.dropped = 0
        """Events that found the queue full, or that the API did not take."""

    def record(self, reference: Json, *, type: EventType, reason: str, message: str) -> None:  # noqa: A002 -- the API's word
        """Queue an Event about the object that `reference` (see `reference_to`) names."""
        reference = {key: value for key, value in reference.items() if key != "resourceVersion"}
        try:
            self._queue.put_nowait(_Entry(reference, type, reason, message[:1024]))
        except asyncio.QueueFull:
            self.dropped += 1

    async def run(self) -> Never:
        """Write what is recorded, in order, until cancelled, and then what is left, for a moment.

        An Event that the API refuses is logged and dropped.
        """
        try:
            while True:
                if self._lull is not None:
                    await self._lull.wait()
                await self._write_next()
        except asyncio.CancelledError:
            await self._write_rest()
            raise

    async def _write_next(self) -> None:
        entry = await self._queue.get()
        try:
            await self._write_when_possible(entry)
        except ApiError as error:
            self.dropped += 1
            log.warning("could not write an event", reason=entry.reason, error=error.message)
        finally:
            self._queue.task_done()

    async def _write_when_possible(self, entry: _Entry) -> None:
        """Write an entry, and wait while the API is away: what happened then is worth knowing afterwards."""
        while True:
            try:
                await self._write(entry)
            except Unavailable:
                await asyncio.sleep(self._backoff.delay())
            else:
                self._backoff.reset()
                return

    async def _write_rest(self) -> None:
        try:
            async with asyncio.timeout(FAREWELL):
                while not self._queue.empty():
                    await self._write_next()
        except TimeoutError:
            log.warning("events were not written in time", number=self._queue.qsize())

    async def _write(self, entry: _Entry) -> None:
        identity, message = self._aggregate(entry)
        written = self._written.get(identity)
        now = self._now()
        if written and now.timestamp() - written.at < WINDOW and await self._count(written, message, now):
            self._written.move_to_end(identity)
            return
        self._written[identity] = await self._create(entry, message, now)
        if len(self._written) > REMEMBERED:
            self._written.popitem(last=False)

    def _aggregate(self, entry: _Entry) -> tuple[tuple[str, ...], str]:
        """Return under which identity to count the entry, and in which words."""
        wordings = self._wordings.setdefault(entry.subject, set())
        if len(self._wordings) > REMEMBERED:
            self._wordings.popitem(last=False)
        if len(wordings) < WORDINGS:
            wordings.add(entry.message)
        if entry.message in wordings:
            return (*entry.subject, entry.message), entry.message
        return entry.subject, f"(combined from similar events): {entry.message}"

    async def _count(self, written: _Written, message: str, now: datetime) -> bool:
        """Count one more occurrence of an Event; False when it has expired in the API."""
        patch = {"count": written.count + 1, "lastTimestamp": _time(now), "message": message}
        try:
            await self._client.patch(EVENTS, written.key.name, patch, namespace=written.key.namespace)
        except NotFound:
            return False
        written.count += 1
        written.at = now.timestamp()
        return True

    async def _create(self, entry: _Entry, message: str, now: datetime) -> _Written:
        namespace = entry.reference.get("namespace") or "default"
        key = ObjectKey(namespace, f"{entry.reference['name']}.{next(self._serial):x}")
        await self._client.create(
            EVENTS,
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"name": key.name, "namespace": key.namespace},
                "involvedObject": entry.reference,
                "type": entry.type,
                "reason": entry.reason,
                "message": message,
                "source": {
                    "component": self._component,
                    **({"host": self._instance} if self._instance else {}),
                },
                "reportingComponent": self._component,
                "reportingInstance": self._instance,
                "firstTimestamp": _time(now),
                "lastTimestamp": _time(now),
                "count": 1,
            },
        )
        return _Written(key, 1, now.timestamp())


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
