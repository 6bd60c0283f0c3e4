"""The garbage collector: deletes what has lost its owners, over every resource of the cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Never

from lab.errors import ApiError
from lab.kits.backoff import Backoff
from lab.kits.log import Log
from lab.kube.client import Client, PatchType
from lab.kube.errors import Conflict, NotFound
from lab.kube.resources import ObjectKey, Resource
from lab.kube.watch import Change, ChangeType, Reflector
from lab.kube.workqueue import WorkQueue
from lab.pocket.controllers.discovery import deletable
from lab.pocket.controllers.garbage import FOREGROUND, ORPHAN, Graph, Member, Owner, Verdict, judge
from lab.pocket.controllers.loop import work

log = Log(__name__)
REDISCOVER: Final = 5.0
"""Seconds between looks for resources that came with a CRD."""


class Collector:
    """Follows all resources and acts on the graph of their owners."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._graph = Graph()
        self._queue: WorkQueue[ObjectKey] = WorkQueue()
        self._reflectors: dict[Resource, Reflector[Member]] = {}
        self._tasks: dict[Resource, asyncio.Task[Never]] = {}

    async def run(self) -> Never:
        """Collect until cancelled."""
        async with asyncio.TaskGroup() as group:
            await self._follow_all(group)
            group.create_task(self._rediscover(group))
            await work(self._queue, "garbagecollector", lambda key: self._examine(key.name))
        raise AssertionError("works until cancelled")

    async def _rediscover(self, group: asyncio.TaskGroup) -> Never:
        while True:
            await asyncio.sleep(REDISCOVER)
            await self._follow_all(group)

    async def _follow_all(self, group: asyncio.TaskGroup) -> None:
        """Follow the resources that are new and leave those that are gone; return when all have been listed."""
        found = await self._discover()
        for resource in self._reflectors.keys() - found:
            self._tasks.pop(resource).cancel()
            del self._reflectors[resource]
        for resource in found - self._reflectors.keys():
            reflector = Reflector(
                self._client, resource, _decoder(resource), on_change=self._changed, seconds=600
            )
            self._reflectors[resource] = reflector
            self._tasks[resource] = group.create_task(reflector.run())
        for reflector in list(self._reflectors.values()):
            await reflector.synced.wait()

    async def _discover(self) -> set[Resource]:
        backoff = Backoff()
        while True:
            try:
                return set(await deletable(self._client))
            except ApiError as error:
                log.info("cannot discover resources", error=error.message)
                await asyncio.sleep(backoff.delay())

    def _changed(self, change: Change[Member]) -> None:
        if change.type is ChangeType.SYNCED:
            return
        member = change.new or change.old
        if member is None:
            return
        related = self._graph.dependents(member.uid)
        if change.new:
            self._graph.put(change.new)
        else:
            self._graph.remove(member.uid)
        for uid in (member.uid, *(each.uid for each in related), *(each.uid for each in member.owners)):
            self._queue.add(ObjectKey("", uid))

    async def _examine(self, uid: str) -> None:
        member = self._graph.get(uid)
        if member is None:
            return
        try:
            if member.waits_for_dependents:
                await self._end_foreground(member)
            elif member.orphans_dependents:
                await self._orphan(member)
            else:
                await self._collect(member)
        except (NotFound, Conflict):
            return  # it changed meanwhile: the watch brings it back here

    async def _end_foreground(self, member: Member) -> None:
        if not self._graph.blockers(member):
            await self._drop_finalizer(member, FOREGROUND)

    async def _orphan(self, member: Member) -> None:
        for dependent in self._graph.dependents(member.uid):
            await self._forget(dependent, {member.uid})
        await self._drop_finalizer(member, ORPHAN)

    async def _collect(self, member: Member) -> None:
        if member.terminating or not member.owners:
            return
        unknown = self._graph.unknown_owners(member)
        gone = frozenset([owner.uid for owner in unknown if await self._is_gone(owner, member.key.namespace)])
        verdict = judge(self._graph, member, gone)
        if verdict in {Verdict.DELETE, Verdict.DELETE_FOREGROUND}:
            await self._client.delete(
                member.resource,
                member.key.name,
                namespace=member.key.namespace,
                uid=member.uid,
                propagation="Background" if verdict is Verdict.DELETE else "Foreground",
            )
        elif verdict is Verdict.FORGET_OWNERS:
            await self._forget(member, gone)

    async def _is_gone(self, owner: Owner, namespace: str) -> bool:
        """Ask the API itself: an owner that no watch has shown may be too new."""
        resource = next(
            (
                each
                for each in self._reflectors
                if (each.api_version, each.kind) == (owner.api_version, owner.kind)
            ),
            None,
        )
        if resource is None:
            return False
        try:
            found = await self._client.get(
                resource, owner.name, namespace=namespace if resource.namespaced else ""
            )
        except NotFound:
            return True
        return bool(found["metadata"]["uid"] != owner.uid)

    async def _forget(self, member: Member, gone: Sequence[str] | frozenset[str] | set[str]) -> None:
        kept = [index for index, owner in enumerate(member.owners) if owner.uid not in gone]
        item = await self._client.get(member.resource, member.key.name, namespace=member.key.namespace)
        references = item["metadata"].get("ownerReferences") or []
        left = [each for each in references if each["uid"] not in gone]
        if len(kept) < len(member.owners) and len(left) < len(references):
            await self._patch(member, {"ownerReferences": left or None}, item["metadata"]["resourceVersion"])

    async def _drop_finalizer(self, member: Member, finalizer: str) -> None:
        item = await self._client.get(member.resource, member.key.name, namespace=member.key.namespace)
        present = item["metadata"].get("finalizers") or []
        left = [each for each in present if each != finalizer]
        if len(left) < len(present):
            await self._patch(member, {"finalizers": left or None}, item["metadata"]["resourceVersion"])

    async def _patch(self, member: Member, metadata: dict[str, object], version: str) -> None:
        await self._client.patch(
            member.resource,
            member.key.name,
            {"metadata": {**metadata, "resourceVersion": version, "uid": member.uid}},
            namespace=member.key.namespace,
            kind=PatchType.MERGE,
        )


def _decoder(resource: Resource) -> Callable[[dict[str, object]], Member]:
    return lambda item: Member.of(resource, item)
