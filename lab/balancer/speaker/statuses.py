"""Keeps status objects in the API equal to what this node has to say; late rather than in the way of routes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from typing import Final, Never

from lab.balancer.speaker.reports import Report
from lab.errors import ApiError
from lab.kits.backoff import Backoff
from lab.kits.log import Log
from lab.kube.client import Client
from lab.kube.errors import AlreadyExists, NotFound
from lab.kube.resources import Json, ObjectKey, Resource
from lab.kube.watch import Change, ChangeType, Reflector

log = Log(__name__)
SETTLING: Final = 0.5
"""Seconds to wait after a change before anything is written."""


def _status_of(item: Json) -> Json:
    status: Json = item.get("status") or {}
    return status


class StatusWriter:
    """The objects of one resource that carry this node's label: all of them are ours."""

    def __init__(
        self,
        client: Client,
        resource: Resource,
        *,
        namespace: str,
        labels: str,
        reports: Callable[[], Iterable[Report]],
        owner: Json | None = None,
    ) -> None:
        """Ask `reports` for everything that is to be said; `owner` is a reference to our pod."""
        self._client = client
        self._resource = resource
        self._namespace = namespace
        self._reports = reports
        self._owner = owner
        self._changed = asyncio.Event()
        self._written: dict[str, Json] = {}
        self.reflector: Reflector[Json] = Reflector(
            client, resource, _status_of, on_change=self._observed, namespace=namespace, labels=labels
        )

    def note(self) -> None:
        """Something may have to be said anew."""
        self._changed.set()

    async def run(self) -> Never:
        """Write until cancelled; what the API does not take is tried again."""
        backoff = Backoff(first=SETTLING, limit=30.0)
        await self.reflector.synced.wait()
        while True:
            await self._changed.wait()
            await asyncio.sleep(SETTLING)
            self._changed.clear()
            try:
                await self.write()
            except ApiError as error:
                log.warning("could not write a status", resource=self._resource.plural, error=error.message)
                self._changed.set()
                await asyncio.sleep(backoff.delay())
            else:
                backoff.reset()

    async def write(self) -> None:
        """Write everything that differs; raises ApiError."""
        wanted = {report.name: report for report in self._reports()}
        for report in wanted.values():
            observed = self.reflector.store.get(ObjectKey(self._namespace, report.name))
            if observed != report.status and self._written.get(report.name) != report.status:
                await self._write(report, observed)
        for key in [key for key in self.reflector.store if key.name not in wanted]:
            await self._delete(key.name)

    async def _write(self, report: Report, observed: Json | None) -> None:
        if observed is None:
            await self._create(report)
        gone = {field: None for field in observed or () if field not in report.status}
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
        self._written[report.name] = report.status

    async def _create(self, report: Report) -> None:
        metadata: Json = {"name": report.name, "namespace": self._namespace, "labels": report.labels}
        if self._owner:
            metadata["ownerReferences"] = [self._owner]
        body = {"apiVersion": self._resource.api_version, "kind": self._resource.kind, "metadata": metadata}
        with contextlib.suppress(AlreadyExists):
            await self._client.create(self._resource, body)

    async def _delete(self, name: str) -> None:
        self._written.pop(name, None)
        try:
            await self._client.delete(self._resource, name, namespace=self._namespace)
        except NotFound:
            return

    def _observed(self, change: Change[Json]) -> None:
        if change.type is ChangeType.DELETED:
            self._written.pop(change.key.name, None)
        self._changed.set()
