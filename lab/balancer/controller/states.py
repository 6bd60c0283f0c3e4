"""Tells users about their configuration: ConfigurationState, a condition on each wrong object, the counts of pools.

Writing makes way for Services; what could not be written is tried again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Final, Never

from lab.balancer.allocator import Allocator
from lab.balancer.conditions import VALID, Condition
from lab.balancer.config import Loaded, Problem, Severity
from lab.balancer.model import Family
from lab.balancer.resources import CONFIGURATION, CONFIGURATION_STATES, IP_ADDRESS_POOLS
from lab.errors import ApiError
from lab.kits.backoff import Backoff
from lab.kits.log import Log
from lab.kits.lull import Lull
from lab.kube.client import Client
from lab.kube.errors import Conflict, NotFound
from lab.kube.events import EventType, Recorder, reference_to
from lab.kube.resources import Json, Resource

log = Log(__name__)
MAX_INT64: Final = (1 << 63) - 1
PERIOD: Final = 0.5
NAME: Final = "controller"
"""Of our ConfigurationState."""


class States:
    """Writes what the API should say about the configuration. `note` when something may have changed."""

    def __init__(
        self,
        client: Client,
        recorder: Recorder,
        *,
        namespace: str,
        objects: Callable[[Resource], list[Json]],
        allocator: Callable[[], Allocator],
        lull: Lull,
        owner: Json | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Take `owner`, an owner reference: the states vanish with the pod that it names."""
        self._client = client
        self._recorder = recorder
        self._namespace = namespace
        self._objects = objects
        self._allocator = allocator
        self._lull = lull
        self._owner = owner
        self._now = now
        self._loaded: Loaded | None = None
        self._told = ""
        self._changed = asyncio.Event()

    def note(self, loaded: Loaded | None = None) -> None:
        """Have everything compared again, with another reading if one is given."""
        self._loaded = loaded or self._loaded
        self._changed.set()

    def forgotten(self) -> None:
        """The ConfigurationState was deleted: write it anew."""
        self._told = ""
        self._changed.set()

    async def run(self) -> Never:
        """Write until cancelled."""
        backoff = Backoff(first=PERIOD, limit=30.0)
        while True:
            await self._changed.wait()
            await self._lull.wait()
            self._changed.clear()
            try:
                await self.write()
            except ApiError as error:
                log.warning("could not write the state of the configuration", error=error.message)
                self._changed.set()
                await asyncio.sleep(backoff.delay())
            else:
                backoff.reset()
                await asyncio.sleep(PERIOD)

    async def write(self) -> None:
        """Write everything that differs; raises ApiError."""
        if self._loaded is None:
            return
        await self._write_conditions(self._loaded.problems)
        await self._write_counts()
        await self._write_state(self._loaded)

    async def _write_conditions(self, problems: Iterable[Problem]) -> None:
        found: dict[tuple[str, str], list[Problem]] = {}
        for problem in problems:
            found.setdefault((problem.kind, problem.name), []).append(problem)
        for resource in CONFIGURATION:
            for item in self._objects(resource):
                condition = _condition(found.get((resource.kind, item["metadata"]["name"]), []))
                await self._write_condition(resource, item, condition)

    async def _write_condition(self, resource: Resource, item: Json, condition: Condition) -> None:
        before = (item.get("status") or {}).get("conditions") or []
        silent = condition.reason == "Reconciled" and not any(c.get("type") == VALID for c in before)
        if silent or condition.is_in(before):
            return
        patch = {
            "metadata": {"resourceVersion": item["metadata"]["resourceVersion"]},
            "status": {"conditions": condition.put_into(before, now=self._now())},
        }
        try:
            await self._client.patch(
                resource, item["metadata"]["name"], patch, namespace=self._namespace, subresource="status"
            )
        except (Conflict, NotFound):
            return  # the watch brings what it is now, and that is another turn
        self._recorder.record(
            reference_to({"apiVersion": resource.api_version, "kind": resource.kind, **item}),
            type=EventType.NORMAL if condition.reason == "Reconciled" else EventType.WARNING,
            reason=condition.reason,
            message=condition.message,
        )

    async def _write_counts(self) -> None:
        allocator = self._allocator()
        for item in self._objects(IP_ADDRESS_POOLS):
            name = item["metadata"]["name"]
            if name not in allocator.pools:
                continue
            counts = pool_counts(allocator, name)
            before = item.get("status") or {}
            if any(before.get(field) != value for field, value in counts.items()):
                await self._patch_counts(name, counts)

    async def _patch_counts(self, name: str, counts: Mapping[str, int]) -> None:
        try:
            await self._client.patch(
                IP_ADDRESS_POOLS, name, {"status": counts}, namespace=self._namespace, subresource="status"
            )
        except NotFound:
            return

    async def _write_state(self, loaded: Loaded) -> None:
        words = "\n".join(map(str, loaded.problems))
        if self._told == f"{loaded.pools_valid}{words}":
            return
        metadata: Json = {
            "name": NAME,
            "namespace": self._namespace,
            "labels": {"metallb.io/component-type": "controller"},
        }
        if self._owner:
            metadata["ownerReferences"] = [self._owner]
        await self._put_state(metadata)
        use = "the pools are in use" if loaded.pools_valid else "the last good pools stay in use"
        condition = Condition(
            "poolReconcilerValid",
            loaded.pools_valid,
            "Reconciled" if loaded.pools_valid else "ConfigurationError",
            "\n".join([use, *loaded.warnings]),
        )
        status = {
            "result": "Valid" if loaded.valid else "Invalid",
            "errorSummary": "\n".join(loaded.errors),
            "conditions": condition.put_into([], now=self._now()),
        }
        await self._client.patch(
            CONFIGURATION_STATES, NAME, {"status": status}, namespace=self._namespace, subresource="status"
        )
        self._told = f"{loaded.pools_valid}{words}"

    async def _put_state(self, metadata: Json) -> None:
        """Have an object to write the status of: an earlier one of ours, or a new one."""
        try:
            await self._client.patch(
                CONFIGURATION_STATES, NAME, {"metadata": metadata}, namespace=self._namespace
            )
        except NotFound:
            item = {
                "apiVersion": CONFIGURATION_STATES.api_version,
                "kind": CONFIGURATION_STATES.kind,
                "metadata": metadata,
            }
            await self._client.create(CONFIGURATION_STATES, item)


def pool_counts(allocator: Allocator, name: str) -> dict[str, int]:
    """Return the status of a pool. The API's numbers have 64 bits, so large counts stop there."""
    pools = {str(known): known for known in allocator.pools}
    found = {}
    for family in Family:
        counts = allocator.counts(pools[name], family)
        found[f"assignedIPv{family.value}"] = counts.in_use
        found[f"availableIPv{family.value}"] = min(counts.available, MAX_INT64)
    return found


def _condition(problems: list[Problem]) -> Condition:
    errors = [problem for problem in problems if problem.severity is not Severity.WARNING]
    message = "\n".join(
        f"{p.path}: {p.message}" + (f"; {p.hint}" if p.hint else "") for p in errors or problems
    )
    if errors:
        return Condition(VALID, holds=False, reason="ConfigurationError", message=message)
    if problems:
        return Condition(VALID, holds=True, reason="Warning", message=message)
    return Condition(VALID, holds=True, reason="Reconciled", message="in use")
