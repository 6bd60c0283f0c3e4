"""A watch cache: the objects of one resource, kept equal to the API server's.

List once, then watch from the list's resourceVersion; when a watch ends, resume from the last version seen (bookmarks
keep it young). When the server has forgotten that version (410 Gone, in the response or in the stream) list again and
report the difference, deletions included. While the server is away the last known objects stay, and attempts follow
each other at growing, jittered intervals. https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from types import MappingProxyType
from typing import Final, Generic, Never, TypeVar

from lab.errors import ApiError
from lab.kits.backoff import Backoff
from lab.kits.log import Log
from lab.kube.client import PAGE, Client, Listing
from lab.kube.errors import Gone, Unavailable
from lab.kube.resources import Json, ObjectKey, Resource

T = TypeVar("T")
NO_KEY: Final = ObjectKey("", "")
LONGEST_PAUSE: Final = 3.0
"""Seconds between attempts, at most: so late is what a server that came back is heard of again."""
LASTING: Final = 1.0
"""Seconds after which a watch was no mere attempt, whatever ended it."""
log = Log(__name__)


class ChangeType(StrEnum):
    """What happened to an object, or to the cache."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    SYNCED = "SYNCED"
    """A complete list was taken over: the store is what the server had a moment ago."""


@dataclass(frozen=True, slots=True)
class Change(Generic[T]):
    """One difference between the store before and after. For SYNCED there is neither a key nor a value."""

    type: ChangeType
    key: ObjectKey = NO_KEY
    new: T | None = None
    """The value now; None when deleted."""
    old: T | None = None
    """The value before; None when added."""


def without_managed_fields(item: Json) -> Json:
    """Return the object less its largest and least read part."""
    item["metadata"].pop("managedFields", None)
    return item


class Reflector(Generic[T]):
    """A watch cache of one resource; run `run` in a task.

    `decode` turns each object into the value that is kept; it must not raise. `on_change` is called after the store
    has changed. Selectors are in the API's syntax: `labels="app=web"`, `fields="metadata.name=web"`.
    """

    def __init__(
        self,
        client: Client,
        resource: Resource,
        decode: Callable[[Json], T],
        *,
        on_change: Callable[[Change[T]], None] | None = None,
        namespace: str = "",
        labels: str = "",
        fields: str = "",
        seconds: int = 300,
        backoff: Backoff | None = None,
    ) -> None:
        self._client = client
        self.resource = resource
        self._decode = decode
        self._on_change = on_change
        self._namespace = namespace
        self._labels = labels
        self._fields = fields
        self._seconds = seconds
        self._backoff = backoff or Backoff(first=0.1, limit=LONGEST_PAUSE)
        self._values: dict[ObjectKey, T] = {}
        self._versions: dict[ObjectKey, str] = {}
        self._resource_version = ""
        self._heard = self._opened = False
        self._interrupted = asyncio.Event()
        self._refreshing: list[asyncio.Future[None]] = []
        self.synced = asyncio.Event()
        """Set once the first list is complete; never cleared."""
        self.failure: ApiError | None = None
        """Why the API server could not be followed at the last attempt; None while it can."""
        self.updates = 0
        """Watch events and lists taken over so far."""
        self.failures = 0
        """Attempts that failed so far."""

    @property
    def store(self) -> Mapping[ObjectKey, T]:
        """The last known values. A live view: copy it before awaiting in a loop over it."""
        return MappingProxyType(self._values)

    async def run(self) -> Never:
        """Follow the resource until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            if self._interrupted.is_set():
                self._interrupted.clear()
                self._resource_version = ""
            self._heard = self._opened = False
            started = clock()
            try:
                await self._follow_until_interrupted()
            except Gone:
                self._resource_version = ""
            except ApiError as error:
                self._failed(error)
            if self._heard or (self._opened and clock() - started >= LASTING):
                self._backoff.reset()
            await self._pause(self._backoff.delay())

    async def refresh(self) -> None:
        """List anew and wait for it: after this the store is no older than the call.

        For decisions that must not rest on a cache that may lag behind; waits as long as the API is away.
        """
        listed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._refreshing.append(listed)
        self._interrupted.set()
        await listed

    async def _follow_until_interrupted(self) -> None:
        following = asyncio.create_task(self._follow())
        interrupted = asyncio.create_task(self._interrupted.wait())
        try:
            await asyncio.wait({following, interrupted}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            following.cancel()
            interrupted.cancel()
            await asyncio.wait({following, interrupted})
        if not following.cancelled():
            following.result()

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._interrupted.wait()

    def _failed(self, error: ApiError) -> None:
        self.failures += 1
        if self.failure is None:
            log.warning(
                "cannot follow a resource, keep what is known",
                resource=self.resource.plural,
                error=error.message,
            )
        self.failure = error

    async def _follow(self) -> None:
        if not self._resource_version:
            await self._list()
        async with self._client.watch(
            self.resource,
            resource_version=self._resource_version,
            namespace=self._namespace,
            labels=self._labels,
            fields=self._fields,
            seconds=self._seconds,
        ) as events:
            self.failure = None
            self._opened = True
            async for event in events:
                self._receive(event)
                self._heard = True

    async def _list(self) -> None:
        asked, self._refreshing = self._refreshing, []
        try:
            self._resource_version = await self._take_over()
        except BaseException:
            self._refreshing = asked + self._refreshing
            raise
        for listed in asked:
            if not listed.done():
                listed.set_result(None)

    async def _take_over(self) -> str:
        """Make the store equal to a list, report only what differs, and return the list's resourceVersion.

        Page by page, so that a long list is never held as it travels; what is gone goes when the last page is there.
        """
        found: set[ObjectKey] = set()
        version = ""
        async with aclosing(self._pages()) as pages:
            async for page in pages:
                found |= self._put_page(page.items)
                version = page.resource_version
        for key in self._values.keys() - found:
            self._remove(key)
        self.updates += 1
        self.synced.set()
        self._report(Change(ChangeType.SYNCED))
        return version

    async def _pages(self) -> AsyncGenerator[Listing, None]:
        matching = partial(
            self._client.pages,
            self.resource,
            namespace=self._namespace,
            labels=self._labels,
            fields=self._fields,
        )
        try:
            async for page in matching(limit=PAGE):
                yield page
        except Gone:  # it took so long that the server forgot the list's version: all at once, then
            async for page in matching():
                yield page

    def _put_page(self, items: Iterable[Json]) -> set[ObjectKey]:
        keys = set()
        for item in items:
            key = ObjectKey.of(item)
            keys.add(key)
            if self._versions.get(key) != item["metadata"].get("resourceVersion", ""):
                self._put(key, item)
        return keys

    def _receive(self, event: Json) -> None:
        try:
            item = event["object"]
            self._resource_version = item["metadata"]["resourceVersion"]
            if event["type"] == "BOOKMARK":
                return
            key = ObjectKey.of(item)
        except (KeyError, TypeError) as error:
            raise Unavailable(f"a watch event without {error}") from error
        self.updates += 1
        if event["type"] == "DELETED":
            self._remove(key)
        else:
            self._put(key, item)

    def _put(self, key: ObjectKey, item: Json) -> None:
        old = self._values.get(key)
        self._versions[key] = item["metadata"].get("resourceVersion", "")
        new = self._values[key] = self._decode(item)
        kind = ChangeType.ADDED if old is None else ChangeType.MODIFIED
        self._report(Change(kind, key, new, old))

    def _remove(self, key: ObjectKey) -> None:
        if key in self._values:
            old = self._values.pop(key)
            del self._versions[key]
            self._report(Change(ChangeType.DELETED, key, None, old))

    def _report(self, change: Change[T]) -> None:
        if self._on_change:
            self._on_change(change)
