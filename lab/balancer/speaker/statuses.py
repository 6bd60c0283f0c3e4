"""Keeps status objects in the API equal to what this node has to say; late rather than in the way of routes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final, Never

import orjson

from lab.balancer.speaker.reports import Report
from lab.errors import ApiError
from lab.kits.backoff import Backoff
from lab.kits.kept_json import encode_to_keep
from lab.kits.log import Log
from lab.kits.lull import Lull
from lab.kube.client import Client
from lab.kube.errors import AlreadyExists, NotFound
from lab.kube.resources import Json, ObjectKey, Resource
from lab.kube.watch import Change, ChangeType, Reflector

log = Log(__name__)
FIRST_DELAY: Final = 0.5


def _status_of(item: Json) -> bytes:
    """Return a status in the least room: there may be one for each of many Services."""
    return _compact(item.get("status") or {})


def _compact(status: Json) -> bytes:
    return encode_to_keep(status, orjson.OPT_SORT_KEYS)


class StatusWriter:
    """The objects of one resource that carry this node's label: all of them are ours."""

    def __init__(
        self,
        client: Client,
        resource: Resource,
        *,
        namespace: str,
        labels: str,
        report: Callable[[str], Report | None],
        lull: Lull,
        owner: Json | None = None,
    ) -> None:
        """Ask `report` for what the object of a name should say; None: it should not be there.

        `owner` is a reference to our pod.
        """
        self._client = client
        self._resource = resource
        self._namespace = namespace
        self._report = report
        self._lull = lull
        self._owner = owner
        self._dirty: dict[str, None] = {}
        self._changed = asyncio.Event()
        self._written: dict[str, bytes] = {}
        """What the watch has not brought back yet."""
        self.reflector: Reflector[bytes] = Reflector(
            client, resource, _status_of, on_change=self._observed, namespace=namespace, labels=labels
        )

    def note(self, name: str) -> None:
        """The object of this name may have to say something else."""
        self._dirty[name] = None
        self._changed.set()

    async def run(self) -> Never:
        """Write one after the other until cancelled; what the API does not take is tried again."""
        backoff = Backoff(first=FIRST_DELAY, limit=30.0)
        await self.reflector.synced.wait()
        while True:
            await self._changed.wait()
            await self._lull.wait()
            try:
                await self.write_next()
            except ApiError as error:
                log.warning("could not write a status", resource=self._resource.plural, error=error.message)
                await asyncio.sleep(backoff.delay())
            else:
                backoff.reset()

    async def write_next(self) -> None:
        """Make one object what it should be; raises ApiError."""
        name = next(iter(self._dirty), None)
        if name is None:
            self._changed.clear()
            return
        del self._dirty[name]
        try:
            await self._write(name)
        except ApiError:
            self.note(name)
            raise

    async def _write(self, name: str) -> None:
        report = self._report(name)
        observed = self.reflector.store.get(ObjectKey(self._namespace, name))
        if report is None:
            if observed is not None or name in self._written:
                await self._delete(name)
        elif self._written.get(name, observed) != _compact(report.status):
            await self._put(report, observed)

    async def _put(self, report: Report, observed: bytes | None) -> None:
        if observed is None:
            await self._create(report)
        known = [orjson.loads(status) for status in (observed, self._written.get(report.name)) if status]
        gone = {field: None for status in known for field in status if field not in report.status}
        try:
            await self._client.patch(
                self._resource,
                report.name,
                {"status": gone | report.status},
                namespace=self._namespace,
                subresource="status",
            )
        except NotFound:
            return  # deleted a moment ago: the watch brings that, and another turn
        self._written[report.name] = _compact(report.status)

    async def _create(self, report: Report) -> None:
        metadata: Json = {"name": report.name, "namespace": self._namespace, "labels": report.labels}
        if self._owner:
            metadata["ownerReferences"] = [self._owner]
        body = {"apiVersion": self._resource.api_version, "kind": self._resource.kind, "metadata": metadata}
        with contextlib.suppress(AlreadyExists):
            await self._client.create(self._resource, body)

    async def _delete(self, name: str) -> None:
        self._written.pop(name, None)
        with contextlib.suppress(NotFound):
            await self._client.delete(self._resource, name, namespace=self._namespace)

    def _observed(self, change: Change[bytes]) -> None:
        """Compare what the API has with what it should have, and forget what was written when it has come back."""
        name = change.key.name
        if change.type is ChangeType.SYNCED:
            return
        if change.type is ChangeType.DELETED or change.new == self._written.get(name):
            self._written.pop(name, None)
        self.note(name)
