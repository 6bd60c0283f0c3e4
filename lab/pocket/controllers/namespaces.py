"""Namespaces that are being deleted: everything in them goes first.

https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/#automatic-labelling; the finalizer
`kubernetes` in spec.finalizers holds the namespace until its contents are gone.
"""

from __future__ import annotations

import asyncio
from typing import Final, Never

from lab.kube.client import Client
from lab.kube.errors import Conflict, NotFound
from lab.kube.resources import EVENTS, NAMESPACES, Json, ObjectKey, Resource
from lab.kube.watch import Change, Reflector, without_managed_fields
from lab.kube.workqueue import WorkQueue
from lab.pocket.controllers.discovery import deletable
from lab.pocket.controllers.loop import work
from lab.pocket.controllers.objects import is_terminating

AGAIN: Final = 0.2
"""Seconds between looks at whether what was deleted has ended."""
FINALIZER: Final = "kubernetes"


class Namespaces:
    """Empties namespaces that are being deleted and lets them go."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._queue: WorkQueue[ObjectKey] = WorkQueue()
        self._reflector = Reflector(client, NAMESPACES, without_managed_fields, on_change=self._changed)

    async def run(self) -> Never:
        """Follow the namespaces until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._reflector.run())
            await work(self._queue, "namespace", self._reconcile)
        raise AssertionError("works until cancelled")

    def _changed(self, change: Change[Json]) -> None:
        if (
            change.new
            and is_terminating(change.new)
            and FINALIZER in (change.new["spec"].get("finalizers") or ())
        ):
            self._queue.add(change.key)

    async def _reconcile(self, key: ObjectKey) -> float | None:
        """Empty the namespace, or let it go; returns when to look again."""
        namespace = self._reflector.store.get(key)
        if namespace is None:
            return None
        contents = [each for each in [*await deletable(self._client), EVENTS] if each.namespaced]
        left = sum([await self._empty(resource, key.name) for resource in contents])
        if left:
            return AGAIN
        others = [each for each in namespace["spec"]["finalizers"] if each != FINALIZER]
        body = {
            **namespace,
            "apiVersion": "v1",
            "kind": "Namespace",
            "spec": {**namespace["spec"], "finalizers": others},
        }
        try:
            await self._client.replace(NAMESPACES, body, subresource="finalize")
        except Conflict:
            return AGAIN
        except NotFound:
            return None
        return None

    async def _empty(self, resource: Resource, namespace: str) -> int:
        """Ask for the deletion of all objects of a resource; return how many there still are."""
        items = (await self._client.list(resource, namespace=namespace)).items
        for item in items:
            if not is_terminating(item):
                try:
                    await self._client.delete(resource, item["metadata"]["name"], namespace=namespace)
                except NotFound:
                    continue
        return len(items)
