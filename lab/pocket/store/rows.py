"""The values of the store. All are immutable, so readers may hold them for as long as they like."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

import orjson

Object = dict[str, Any]  # a Kubernetes object, decoded


class Key(NamedTuple):
    """Where an object lives. `resource` is qualified: `services`, `deployments.apps`. Cluster scope: namespace ""."""

    resource: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One object at one revision; `data` is its JSON, `metadata.resourceVersion` included. Rows are equal by identity."""

    key: Key
    revision: int
    data: bytes

    def decoded(self) -> Object:
        """Return a fresh copy that the caller may change."""
        obj: Object = orjson.loads(self.data)
        return obj


class EventType(StrEnum):
    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


@dataclass(frozen=True, slots=True)
class Event:
    """One committed change: the object after it (for DELETED: its last state) and the object before it."""

    type: EventType
    row: Row
    previous: Row | None

    @property
    def revision(self) -> int:
        return self.row.revision


@dataclass(frozen=True, slots=True)
class Change:
    """A write asked for: store `object` under `key`, or, with `delete`, remove it and announce `object` as its last state."""

    key: Key
    object: Object
    delete: bool = False
