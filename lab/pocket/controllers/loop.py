"""Calls each controller for the keys that changes concern, one key at a time, until its writes have been made."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final, Never, Protocol

from lab.errors import ApiError
from lab.kits.log import Log
from lab.kube.client import Client
from lab.kube.events import Recorder
from lab.kube.resources import Json, ObjectKey, Resource
from lab.kube.watch import Change, ChangeType, Reflector, without_managed_fields
from lab.kube.workqueue import WorkQueue
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
        self._queues: dict[Controller, WorkQueue[ObjectKey]] = {each: WorkQueue() for each in controllers}
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
                    group.create_task(work(queue, controller.name, partial(self._reconcile, controller)))
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

    async def _reconcile(self, controller: Controller, key: ObjectKey) -> float | None:
        result = controller.reconcile(self.cache, key, self._now())
        for write in result.writes:
            await perform(write, self._client, self.cache, self._recorders[controller])
        return result.again


async def work(
    queue: WorkQueue[ObjectKey], name: str, reconcile: Callable[[ObjectKey], Awaitable[float | None]]
) -> Never:
    """Reconcile keys, as the controller `name`, until cancelled.

    `reconcile` returns the seconds after which to look at the key again, if it has to; a key for which it raises comes again.
    """
    while True:
        key = await queue.get()
        try:
            again = await reconcile(key)
        except ApiError as error:
            log.info("will try again", controller=name, object=str(key), error=error.message)
            queue.retry(key)
        except Exception:  # the top of a controller's task: one object must not stop all others
            log.exception("gave up for now", controller=name, object=str(key))
            queue.retry(key)
        else:
            queue.done(key)
            if again is not None:
                queue.add_after(key, again)
