"""Who owns whom, and what follows when an owner goes.

https://kubernetes.io/docs/concepts/architecture/garbage-collection/. Pure: the watches feed it, `collector` acts on it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final, NamedTuple, Self

from lab.kube.resources import Json, ObjectKey, Resource

FOREGROUND: Final = "foregroundDeletion"
ORPHAN: Final = "orphan"


class Owner(NamedTuple):
    """One entry of metadata.ownerReferences."""

    uid: str
    api_version: str
    kind: str
    name: str
    blocks: bool
    """Whether the owner, deleted in the foreground, waits for this dependent."""


@dataclass(frozen=True, slots=True)
class Member:
    """What matters of an object: identity, owners, finalizers, and whether it is being deleted."""

    resource: Resource
    key: ObjectKey
    uid: str
    owners: tuple[Owner, ...] = ()
    finalizers: tuple[str, ...] = ()
    terminating: bool = False

    @classmethod
    def of(cls, resource: Resource, item: Json) -> Self:
        metadata = item["metadata"]
        return cls(
            resource,
            ObjectKey.of(item),
            metadata["uid"],
            tuple(_owner(each) for each in metadata.get("ownerReferences") or ()),
            tuple(metadata.get("finalizers") or ()),
            "deletionTimestamp" in metadata,
        )

    @property
    def waits_for_dependents(self) -> bool:
        return self.terminating and FOREGROUND in self.finalizers

    @property
    def orphans_dependents(self) -> bool:
        return self.terminating and ORPHAN in self.finalizers


def _owner(reference: Mapping[str, Any]) -> Owner:
    return Owner(
        reference["uid"],
        reference["apiVersion"],
        reference["kind"],
        reference["name"],
        bool(reference.get("blockOwnerDeletion")),
    )


class Verdict(Enum):
    """What to do about an object."""

    KEEP = auto()
    DELETE = auto()
    """All its owners are gone."""
    DELETE_FOREGROUND = auto()
    """Its owners wait for it to go, and it may have dependents of its own."""
    FORGET_OWNERS = auto()
    """Some of its owners are gone and some are not."""


class Graph:
    """All objects by uid, and their dependents."""

    def __init__(self) -> None:
        self._members: dict[str, Member] = {}
        self._dependents: dict[str, set[str]] = defaultdict(set)

    def put(self, member: Member) -> None:
        self.remove(member.uid)
        self._members[member.uid] = member
        for owner in member.owners:
            self._dependents[owner.uid].add(member.uid)

    def remove(self, uid: str) -> None:
        if member := self._members.pop(uid, None):
            for owner in member.owners:
                self._dependents[owner.uid].discard(uid)

    def get(self, uid: str) -> Member | None:
        return self._members.get(uid)

    def dependents(self, uid: str) -> list[Member]:
        return [self._members[each] for each in self._dependents.get(uid, ()) if each in self._members]

    def blockers(self, member: Member) -> list[Member]:
        """Return the dependents that hold up the foreground deletion of `member`."""
        found = self.dependents(member.uid)
        return [each for each in found if any(o.uid == member.uid and o.blocks for o in each.owners)]

    def unknown_owners(self, member: Member) -> list[Owner]:
        """Return the owners that no watch has shown: gone, or too new to be seen."""
        return [owner for owner in member.owners if owner.uid not in self._members]


def judge(graph: Graph, member: Member, gone: frozenset[str]) -> Verdict:
    """Return what to do about an object of which the owners with the uids `gone` are known not to exist."""
    if member.terminating or not member.owners:
        return Verdict.KEEP
    left = [owner for owner in member.owners if owner.uid not in gone]
    if not left:
        return Verdict.DELETE
    waiting = [graph.get(owner.uid) for owner in left]
    if all(owner is not None and owner.waits_for_dependents for owner in waiting):
        return Verdict.DELETE_FOREGROUND
    return Verdict.FORGET_OWNERS if len(left) < len(member.owners) else Verdict.KEEP
