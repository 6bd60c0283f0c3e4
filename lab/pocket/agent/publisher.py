"""Writes a pod's status to the API whenever it has changed, until the API has taken it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Never

from lab.errors import ApiError
from lab.kits.backoff import Backoff
from lab.kits.log import Log
from lab.kube.client import Client, PatchType
from lab.kube.errors import NotFound
from lab.kube.resources import PODS, Json, ObjectKey

log = Log(__name__)
ADDRESSES = ("podIPs", "hostIPs")


class Publisher:
    """The status of one pod, identified by its uid so that a namesake is never touched."""

    def __init__(self, client: Client, key: ObjectKey, uid: str, status: Callable[[], Json]) -> None:
        """Take `status`, which returns what the API should show now."""
        self._client = client
        self._key = key
        self._uid = uid
        self._status = status
        self._published: Json | None = None
        self._dirty = asyncio.Event()
        self._dirty.set()

    def changed(self) -> None:
        """Publish soon."""
        self._dirty.set()

    def shown(self, status: Json) -> None:
        """Publish again when the API shows another readiness: a node that was silent had its pods called unready."""
        if self._published is not None and _ready(status) != _ready(self._published):
            self._published = None
            self.changed()

    async def run(self) -> Never:
        """Publish what changes until cancelled."""
        backoff = Backoff(first=0.1, limit=10.0)
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            try:
                await self.publish()
            except NotFound:
                continue
            except ApiError as error:
                log.info("cannot publish a status yet", pod=str(self._key), error=error.message)
                await asyncio.sleep(backoff.delay())
                self._dirty.set()
            else:
                backoff.reset()

    async def publish(self) -> None:
        """Write the status now if the API does not have it; raises ApiError."""
        status = self._status()
        if status == self._published:
            return
        await self._client.patch(
            PODS,
            self._key.name,
            {"metadata": {"uid": self._uid}, "status": _whole(status)},
            namespace=self._key.namespace,
            subresource="status",
            kind=PatchType.STRATEGIC,
        )
        self._published = status


def _whole(status: Json) -> Json:
    """Return the status as a strategic merge patch that leaves no address of before: they merge by their own value."""
    lists: Json = {name: [*status[name], {"$patch": "replace"}] for name in ADDRESSES if name in status}
    return {**status, **lists}


def _ready(status: Json) -> str:
    conditions = status.get("conditions") or ()
    return next((str(each["status"]) for each in conditions if each["type"] == "Ready"), "Unknown")
