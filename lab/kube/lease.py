"""Leader election by a Lease: of several replicas, one works.

The rules of client-go's leaderelection: the holder renews every `retry_period`; others take over when the Lease has
not changed for its duration *by their own clock*; a holder that could not renew for `renew_deadline` stops working
before anyone else may begin. https://kubernetes.io/docs/concepts/architecture/leases/
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Never

from lab.errors import ApiError
from lab.kits.log import Log
from lab.kube.client import Client
from lab.kube.errors import AlreadyExists, Conflict, NotFound
from lab.kube.resources import LEASES, Json

log = Log(__name__)


def micro_time(moment: datetime) -> str:
    """Return a moment as the API's MicroTime: UTC, six decimals, Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds; the defaults are client-go's. lease_duration > renew_deadline > retry_period."""

    lease_duration: float = 15.0
    renew_deadline: float = 10.0
    retry_period: float = 2.0


class Elector:
    """One candidate for a Lease."""

    def __init__(
        self,
        client: Client,
        *,
        namespace: str,
        name: str,
        identity: str,
        timing: Timing | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._timing = timing or Timing()
        self._now = now
        self._seen: tuple[str, str] = ("", "")
        self._seen_at = 0.0
        self.leading = False

    async def run(self, work: Callable[[], Awaitable[Never]]) -> Never:
        """Wait for the Lease and run `work` while holding it; cancel it when the Lease is lost, and wait again.

        When cancelled, gives the Lease back so that the next candidate need not wait. What `work` raises is raised.
        """
        while True:
            await self._acquire()
            log.info("leading", event="leaderElected", lease=self._name, identity=self._identity)
            self.leading = True
            try:
                await self._work_and_renew(work)
            finally:
                self.leading = False
            log.warning("lost the lease, stopped working", event="leaderLost", lease=self._name)

    async def _acquire(self) -> None:
        while True:
            if await self._try():
                return
            await asyncio.sleep(self._timing.retry_period)

    async def _work_and_renew(self, work: Callable[[], Awaitable[Never]]) -> None:
        """Return when the Lease is lost; `work` has ended by then."""
        worker = asyncio.ensure_future(work())
        renewer = asyncio.create_task(self._renew())
        try:
            done, _ = await asyncio.wait({worker, renewer}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await _cancel(worker, renewer)
            await self._release()
            raise
        await _cancel(worker, renewer)
        for task in done:
            task.result()

    async def _renew(self) -> None:
        """Return when the Lease could not be renewed in time, or belongs to another."""
        clock = asyncio.get_running_loop().time
        renewed = clock()
        while clock() - renewed < self._timing.renew_deadline:
            await asyncio.sleep(self._timing.retry_period)
            try:
                async with asyncio.timeout_at(renewed + self._timing.renew_deadline):
                    if await self._try():
                        renewed = clock()
                    elif self._seen[0] != self._identity:
                        return
            except TimeoutError:
                return

    async def _try(self) -> bool:
        """Take or renew the Lease; False when another holds it or the API did not answer."""
        try:
            try:
                lease = await self._client.get(LEASES, self._name, namespace=self._namespace)
            except NotFound:
                return await self._create()
            if not self._may_take(lease["spec"]):
                return False
            lease["spec"] = self._spec(lease["spec"])
            self._observe((await self._client.replace(LEASES, lease))["spec"])
        except (AlreadyExists, Conflict):
            return False
        except ApiError as error:
            log.warning("cannot reach the lease", lease=self._name, error=error.message)
            return False
        return True

    async def _create(self) -> bool:
        metadata = {"name": self._name, "namespace": self._namespace}
        lease = {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": metadata,
            "spec": self._spec({}),
        }
        self._observe((await self._client.create(LEASES, lease))["spec"])
        return True

    def _may_take(self, spec: Json) -> bool:
        self._observe(spec)
        holder = spec.get("holderIdentity") or ""
        if holder in {"", self._identity}:
            return True
        duration: float = spec.get("leaseDurationSeconds", self._timing.lease_duration)
        return asyncio.get_running_loop().time() - self._seen_at >= duration

    def _observe(self, spec: Json) -> None:
        """Note when the record last changed, by our clock: another machine's clock may be wrong."""
        record = (spec.get("holderIdentity") or "", spec.get("renewTime") or "")
        if record != self._seen:
            self._seen = record
            self._seen_at = asyncio.get_running_loop().time()

    def _spec(self, previous: Json) -> Json:
        now = micro_time(self._now())
        held = previous.get("holderIdentity") == self._identity
        transitions: int = previous.get("leaseTransitions") or 0
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": max(1, round(self._timing.lease_duration)),
            "acquireTime": previous.get("acquireTime", now) if held else now,
            "renewTime": now,
            "leaseTransitions": transitions if held or not previous else transitions + 1,
        }

    async def _release(self) -> None:
        try:
            async with asyncio.timeout(self._timing.retry_period):
                lease = await self._client.get(LEASES, self._name, namespace=self._namespace)
                if lease["spec"].get("holderIdentity") != self._identity:
                    return
                lease["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1}
                await self._client.replace(LEASES, lease)
        except (ApiError, TimeoutError) as error:
            log.warning("could not give the lease back", lease=self._name, error=str(error))


async def _cancel(*tasks: asyncio.Future[Never] | asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
