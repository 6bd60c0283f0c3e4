"""Looks at one Service after the other, decides, and writes what differs.

A turn makes one write at most. Services that have addresses come before those that wait, so that a restart moves
nothing; those that wait come in the order of their creation, so that a freed address goes to the one that has waited
longest.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, Never

from lab.balancer.allocator import Allocator, Assignment
from lab.balancer.controller.converge import Outcome, Verdict, converge
from lab.balancer.controller.patches import service_patch
from lab.balancer.model import Pool
from lab.balancer.service import Service
from lab.errors import ApiError
from lab.kits.log import Log
from lab.kits.lull import Lull
from lab.kits.metrics import Histogram
from lab.kube.client import Client
from lab.kube.errors import Conflict, NotFound
from lab.kube.events import Recorder
from lab.kube.resources import SERVICES, ObjectKey
from lab.kube.watch import Change, ChangeType
from lab.kube.workqueue import WorkQueue

log = Log(__name__)
WORKERS: Final = 16


class Step(StrEnum):
    """What one turn did."""

    SETTLED = "settled"
    WRITTEN = "written"
    FORGOTTEN = "forgotten"
    """The Service is gone, and its address free."""


class Reconciler:
    """Makes Services what they should be. `services` is the live store of a watch cache."""

    def __init__(
        self,
        client: Client,
        services: Callable[[], Mapping[ObjectKey, Service]],
        recorder: Recorder,
        *,
        written: Histogram,
        lull: Lull,
        lb_class: str = "",
        counts_changed: Callable[[], None] = lambda: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Disturb `lull` while there is something to write."""
        self._client = client
        self._services = services
        self._recorder = recorder
        self._written = written
        self._lull = lull
        self._lb_class = lb_class
        self._counts_changed = counts_changed
        self._now = now
        self._waiting: set[ObjectKey] = set()
        self._seen: dict[ObjectKey, float] = {}
        self._pools: tuple[Pool, ...] | None = None
        self.allocator = Allocator()
        self.queue: WorkQueue[ObjectKey] = WorkQueue(self._rank)
        self.failures = 0
        """Writes that the API did not take."""

    def changed(self, change: Change[Service]) -> None:
        """Take note of a change in the store of Services."""
        if change.type is ChangeType.SYNCED:
            return
        if change.new and not change.new.ingress:
            self._seen.setdefault(change.key, time.monotonic())
            self._lull.disturb()
        self.queue.add(change.key)

    def adopt(self, pools: Iterable[Pool]) -> None:
        """Use other pools from now on; every Service is looked at again."""
        self._pools = tuple(pools)
        self.allocator.set_pools(self._pools)
        self._look_at_all()

    async def run(self) -> Never:
        """Work until cancelled. What was given before is learned from the Services first."""
        self.allocator = Allocator()
        if self._pools is not None:
            self.adopt(self._pools)
        async with asyncio.TaskGroup() as group:
            for _ in range(WORKERS):
                group.create_task(self._work())
        raise AssertionError("workers do not end")

    async def _work(self) -> Never:
        while True:
            key = await self.queue.get()
            try:
                await self.reconcile(key)
            except (Conflict, NotFound):
                self.queue.retry(key)
            except ApiError as error:
                self.failures += 1
                log.warning("could not write a service, try again", service=str(key), error=error.message)
                self.queue.retry(key)
            else:
                self.queue.done(key)

    async def reconcile(self, key: ObjectKey) -> Step:
        """Decide about one Service and write one difference; raises ApiError."""
        service = self._services().get(key)
        if self._pools is None:
            return Step.SETTLED
        before = self.allocator.assignment(key)
        outcome = converge(service, self.allocator, lb_class=self._lb_class) if service else None
        if service is None:
            self.allocator.release(key)
        self._wake_waiting(key, before, outcome)
        if service is None or outcome is None:
            self._seen.pop(key, None)
            return Step.FORGOTTEN
        return await self._write(service, outcome)

    async def _write(self, service: Service, outcome: Outcome) -> Step:
        key = service.key
        patch = service_patch(service, outcome, now=self._now())
        if patch is None:
            return Step.SETTLED
        self._lull.disturb()
        await self._client.patch(SERVICES, key.name, patch, namespace=key.namespace, subresource="status")
        if "status" in patch:
            self._tell(service, outcome)
        return Step.WRITTEN

    def _tell(self, service: Service, outcome: Outcome) -> None:
        """Say what has just been written: once, because it is only written when it differs."""
        seen = self._seen.pop(service.key, None)
        if outcome.satisfied and seen is not None and service.ingress != outcome.ingress:
            self._written.observe(time.monotonic() - seen)
        reference = {
            "apiVersion": "v1",
            "kind": "Service",
            "name": service.key.name,
            "namespace": service.key.namespace,
            "uid": service.uid,
        }
        for notice in outcome.notices:
            self._recorder.record(reference, type=notice.type, reason=notice.reason, message=notice.message)
        event = "ipAllocated" if outcome.satisfied else "clearAssignment"
        text = "IP address assigned by controller" if outcome.satisfied else "service has no address"
        log.info(
            text,
            event=event,
            service=str(service.key),
            ips=outcome.ingress,
            pool=outcome.pool,
            reason=outcome.reason or outcome.verdict,
            message=outcome.message,
        )

    def _wake_waiting(self, key: ObjectKey, before: Assignment | None, outcome: Outcome | None) -> None:
        """Look again at those that wait when something became free, or can be shared now."""
        if outcome and outcome.verdict in {Verdict.REFUSED, Verdict.PARTLY_ASSIGNED}:
            self._waiting.add(key)
        else:
            self._waiting.discard(key)
        after = self.allocator.assignment(key)
        if _claim(before) == _claim(after):
            return
        self._counts_changed()
        if before is not None:
            for waiting in self._waiting - {key}:
                self.queue.add(waiting)

    def _look_at_all(self) -> None:
        self.queue.add_all({*self._services(), *self.allocator.holders()})
        self._counts_changed()

    def _rank(self, key: ObjectKey) -> tuple[int, str, ObjectKey]:
        service = self._services().get(key)
        if service is None:
            return 0, "", key
        if self.allocator.assignment(key):
            return 2, "", key
        return (0 if service.ingress else 1), service.created, key


def _claim(assignment: Assignment | None) -> object:
    """Return what of an assignment matters to other Services."""
    if assignment is None:
        return None
    service = assignment.service
    return assignment.addresses, assignment.pool, service.sharing_key, service.backend_key, service.ports
