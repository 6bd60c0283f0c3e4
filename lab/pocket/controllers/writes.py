"""What a controller wants written, as values: tests compare them, `perform` carries them out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lab.kube.client import Client, PatchType
from lab.kube.errors import AlreadyExists, NotFound
from lab.kube.events import EventType, Recorder
from lab.kube.resources import Json, ObjectKey, Resource
from lab.pocket.controllers.cache import Cache


@dataclass(frozen=True, slots=True)
class Create:
    """Create `body`. `about` is the object in whose name this happens; `noted` the Event to record there."""

    resource: Resource
    body: Json
    about: Json | None = None
    noted: str = ""
    """Reason of the Event; its message is `Created <kind>: <name>`."""


@dataclass(frozen=True, slots=True)
class Post:
    """Post to a subresource that answers with a Status: a binding, an eviction."""

    resource: Resource
    key: ObjectKey
    subresource: str
    body: Json


@dataclass(frozen=True, slots=True)
class Patch:
    resource: Resource
    key: ObjectKey
    patch: Mapping[str, Any]
    subresource: str = ""
    kind: PatchType = PatchType.MERGE


@dataclass(frozen=True, slots=True)
class Replace:
    resource: Resource
    body: Json
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Delete:
    resource: Resource
    key: ObjectKey
    uid: str = ""
    grace_period: int | None = None
    propagation: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """An Event about an object."""

    about: Json = field(repr=False)
    reason: str
    message: str
    type: EventType = EventType.NORMAL


Write = Create | Post | Patch | Replace | Delete | Note


@dataclass(frozen=True, slots=True)
class Result:
    """What to write now and, if time alone may change that, in how many seconds to look again."""

    writes: Sequence[Write] = ()
    again: float | None = None


NOTHING_TO_DO = Result()


async def perform(write: Write, client: Client, cache: Cache, recorder: Recorder) -> None:
    """Carry out one write and take its result into the cache; raises ApiError.

    What is to be deleted or patched and is gone, and what is to be created and exists, counts as done.
    """
    try:
        match write:
            case Create():
                item = await client.create(write.resource, write.body)
                cache.put(write.resource, item)
                _note_creation(write, item, recorder)
            case Post(resource, key, subresource, body):
                path = resource.path(namespace=key.namespace, name=key.name, subresource=subresource)
                await client.request("POST", path, body=body)
            case Patch(resource, key, patch, subresource, kind):
                cache.put(
                    resource,
                    await client.patch(
                        resource, key.name, patch, namespace=key.namespace, subresource=subresource, kind=kind
                    ),
                )
            case Replace(resource, body, subresource):
                cache.put(resource, await client.replace(resource, body, subresource=subresource))
            case Delete():
                await _delete(write, client, cache)
            case Note():
                recorder.record(
                    reference(write.about), type=write.type, reason=write.reason, message=write.message
                )
    except (NotFound, AlreadyExists):
        return


async def _delete(write: Delete, client: Client, cache: Cache) -> None:
    answer = await client.delete(
        write.resource,
        write.key.name,
        namespace=write.key.namespace,
        uid=write.uid,
        grace_period=write.grace_period,
        propagation=write.propagation,
    )
    if answer.get("kind") == write.resource.kind and answer["metadata"].get("deletionTimestamp"):
        cache.put(write.resource, answer)  # it goes when its grace period or its finalizers have ended
    else:
        cache.remove(write.resource, write.key, uid=write.uid, confirmed=False)


def _note_creation(write: Create, item: Json, recorder: Recorder) -> None:
    if write.about and write.noted:
        message = f"Created {write.resource.kind.lower()}: {item['metadata']['name']}"
        recorder.record(reference(write.about), type=EventType.NORMAL, reason=write.noted, message=message)


def reference(item: Json) -> Json:
    """Return the ObjectReference of a cached object, which carries its apiVersion and kind."""
    metadata = item["metadata"]
    return {
        "apiVersion": item["apiVersion"],
        "kind": item["kind"],
        "name": metadata["name"],
        "namespace": metadata.get("namespace", ""),
        "uid": metadata.get("uid", ""),
    }
