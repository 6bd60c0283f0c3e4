"""Which resources a cluster has at the moment, custom ones included."""

from __future__ import annotations

import asyncio
from typing import Final

from lab.kube.client import Client
from lab.kube.errors import NotFound
from lab.kube.resources import Json, Resource

EPHEMERAL: Final = frozenset({"events"})
"""Resources without owners whose objects come and go by the thousand: not worth a watch."""
NEEDED: Final = frozenset({"list", "watch", "delete"})


async def deletable(client: Client) -> list[Resource]:
    """Return every resource, in its preferred version, whose objects can be listed, watched and deleted."""
    groups = (await client.request("GET", "/apis"))["groups"]
    versions = ["/api/v1", *(f"/apis/{group['preferredVersion']['groupVersion']}" for group in groups)]
    async with asyncio.TaskGroup() as tasks:
        lists = [tasks.create_task(_resources(client, path)) for path in versions]
    return [_resource(each) for task in lists for each in task.result() if _is_of_interest(each)]


async def _resources(client: Client, path: str) -> list[Json]:
    try:
        answer = await client.request("GET", path)
    except NotFound:  # its last CRD went between the two questions
        return []
    group, _, version = answer["groupVersion"].rpartition("/")
    return [{"group": group, "version": version} | each for each in answer["resources"]]


def _is_of_interest(entry: Json) -> bool:
    return "/" not in entry["name"] and entry["name"] not in EPHEMERAL and set(entry["verbs"]) >= NEEDED


def _resource(entry: Json) -> Resource:
    group = entry.get("group") or ""
    return Resource(group, entry["version"], entry["name"], entry["kind"], namespaced=entry["namespaced"])
