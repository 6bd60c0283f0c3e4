"""Calls each controller for the keys that changes concern, one key at a time, until its writes have been made."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Final, Never, Protocol

from lab.errors import ApiError
from lab.kits.backoff import Backoff
from lab.kits.log import Log
from lab.kube.client import Client
from lab.kube.events import Recorder
from lab.kube.resources import Json, ObjectKey, Resource
from lab.kube.watch import Change, ChangeType, Reflector, without_managed_fields
from lab.pocket.controllers.cache import Cache
from lab.pocket.controllers.writes import Result, perform

log = Log(__name__)
WORKERS: Final = {"endpoint-slice-controller": 16, "endpoint-controller": 2}
"""How many keys a controller reconciles at a time: one, unless no key's writes matter to another's. Traffic waits for
EndpointSlices; for Endpoints only people do."""
RESYNC: Final = 300.0
"""Seconds after which every key is looked at again: a net below the watches, not a mechanism."""


class Controller(Protocol):
    """One control loop, without its loop."""

    @property
    def name(self) -> str:
        """The component that its Events name, as Kubernetes calls it."""

    @property
    def reads(self) -> Sequence[Resource]:
        """The resources whose changes may concern it."""

    def keys(self, cache: Cache, resource: Resource, item: Json) -> Iterable[ObjectKey]:
        """Return the keys to reconcile after `item` changed. Called with its old and its new state."""

    def reconcile(self, cache: Cache, key: ObjectKey, now: datetime) -> Result:
        """Return the writes that lead from what is to what should be. Must not change what it reads."""


class Queue:
    """Keys to reconcile: each at most once and never by two workers, with delays for those that shall wait."""

    def __init__(self) -> None:
        self._ready: dict[ObjectKey, None] = {}
        self._working: set[ObjectKey] = set()
        self._again: set[ObjectKey] = set()
        self._timers: dict[ObjectKey, asyncio.TimerHandle] = {}
        self._backoffs: dict[ObjectKey, Backoff] = {}
        self._wake = asyncio.Event()

    def add(self, key: ObjectKey) -> None:
        if timer := self._timers.pop(key, None):
            timer.cancel()
        if key in self._working:
            self._again.add(key)
            return
        self._ready[key] = None
        self._wake.set()

    def add_after(self, key: ObjectKey, seconds: float) -> None:
        """Add the key in some seconds, unless it is due earlier anyway."""
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if key in self._ready or (timer and timer.when() <= loop.time() + seconds):
            return
        if timer:
            timer.cancel()
        self._timers[key] = loop.call_later(seconds, self.add, key)

    def retry(self, key: ObjectKey) -> None:
        """Add the key after a delay that grows with each failure."""
        self.add_after(key, self._backoffs.setdefault(key, Backoff(first=0.05, limit=30.0)).delay())

    def succeeded(self, key: ObjectKey) -> None:
        self._backoffs.pop(key, None)

    async def get(self) -> ObjectKey:
        """Wait for a key; the caller says `done` when it has worked on it."""
        while not self._ready:
            self._wake.clear()
            await self._wake.wait()
        key = next(iter(self._ready))
        del self._ready[key]
        self._working.add(key)
        return key

    def done(self, key: ObjectKey) -> None:
        """Nobody works on the key any longer: it may be handed out again, and is if it was added meanwhile."""
        self._working.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)


class Loop:
    """Runs controllers over one cache."""

    def __init__(
        self,
        client: Client,
        controllers: Sequence[Controller],
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._now = now
        self._recorders = {each: Recorder(client, component=each.name) for each in controllers}
        self._queues = {controller: Queue() for controller in controllers}
        self.cache = Cache()
        read = dict.fromkeys(resource for controller in controllers for resource in controller.reads)
        self._reflectors = {resource: self._reflector(resource) for resource in read}

    async def run(self) -> Never:
        """Follow the API and run the controllers until cancelled."""
        async with asyncio.TaskGroup() as group:
            for reflector in self._reflectors.values():
                group.create_task(reflector.run())
            for reflector in self._reflectors.values():
                await reflector.synced.wait()
            for controller, queue in self._queues.items():
                group.create_task(self._recorders[controller].run())
                for _ in range(WORKERS.get(controller.name, 1)):
                    group.create_task(self._work(controller, queue))
            while True:
                await asyncio.sleep(RESYNC)
                self._resync()
        raise AssertionError("reflectors run until cancelled")

    def _reflector(self, resource: Resource) -> Reflector[Json]:
        def complete(item: Json) -> Json:
            # Items of a list come without them.
            return without_managed_fields({"apiVersion": resource.api_version, "kind": resource.kind} | item)

        return Reflector(
            self._client, resource, complete, on_change=lambda change: self._changed(resource, change)
        )

    def _changed(self, resource: Resource, change: Change[Json]) -> None:
        if change.type is ChangeType.SYNCED:
            return
        if change.new is not None:
            if not self.cache.put(resource, change.new):
                return
        elif change.old is not None:
            self.cache.remove(resource, change.key, uid=change.old["metadata"].get("uid", ""))
        self._enqueue(resource, [item for item in (change.old, change.new) if item is not None])

    def _enqueue(self, resource: Resource, items: Iterable[Json]) -> None:
        for controller, queue in self._queues.items():
            if resource in controller.reads:
                for item in items:
                    for key in controller.keys(self.cache, resource, item):
                        queue.add(key)

    def _resync(self) -> None:
        for resource in self._reflectors:
            self._enqueue(resource, list(self.cache.all(resource).values()))

    async def _work(self, controller: Controller, queue: Queue) -> Never:
        while True:
            key = await queue.get()
            again = await self._attempt(controller, queue, key)
            queue.done(key)
            if again is not None:
                queue.add_after(key, again)

    async def _attempt(self, controller: Controller, queue: Queue, key: ObjectKey) -> float | None:
        """Reconcile a key; returns the seconds after which to look again. After a failure it is handed out later."""
        try:
            again = await self._reconcile(controller, key)
        except ApiError as error:
            log.info("will try again", controller=controller.name, object=str(key), error=error.message)
            queue.retry(key)
            return None
        except Exception:  # the top of a controller's task: one object must not stop all others
            log.exception("gave up for now", controller=controller.name, object=str(key))
            queue.retry(key)
            return None
        queue.succeeded(key)
        return again

    async def _reconcile(self, controller: Controller, key: ObjectKey) -> float | None:
        result = controller.reconcile(self.cache, key, self._now())
        for write in result.writes:
            await perform(write, self._client, self.cache, self._recorders[controller])
        return result.again
