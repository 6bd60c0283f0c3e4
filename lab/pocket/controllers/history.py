"""The history of a DaemonSet's templates: one ControllerRevision each, for `kubectl rollout history` and `undo`.

https://kubernetes.io/docs/tasks/manage-daemon/rollback-daemon-set/. A revision holds the patch that brings its template
back; `undo` sends it, and the revision that it came from becomes the newest.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from lab.kube.resources import CONTROLLER_REVISIONS, DAEMON_SETS, Json, ObjectKey
from lab.pocket.controllers.cache import Cache
from lab.pocket.controllers.deployments import template_hash
from lab.pocket.controllers.objects import labels_of, owner_reference
from lab.pocket.controllers.writes import Create, Delete, Patch, Write

HASH: Final = "controller-revision-hash"
DEFAULT_LIMIT: Final = 10


class History(NamedTuple):
    """The label of pods of the present template, and the writes that record it."""

    hash: str
    writes: list[Write]


def follow(cache: Cache, owner: Json, live: Collection[str]) -> History:
    """Return the owner's history; `live` are the hashes of its pods, whose revisions are kept."""
    data = patch_of(owner)
    revisions = sorted(cache.owned(CONTROLLER_REVISIONS, owner["metadata"]["uid"]), key=_number)
    present = next((each for each in reversed(revisions) if each.get("data") == data), None)
    old = [each for each in revisions if each is not present]
    newest = max(map(_number, old), default=0) + 1
    clean_up = _surplus(owner, old, live)
    if present is None:
        made = _revision(owner, newest, taken={each["metadata"]["name"] for each in old})
        return History(labels_of(made)[HASH], [Create(CONTROLLER_REVISIONS, made), *clean_up])
    fingerprint = labels_of(present).get(HASH) or present["metadata"]["name"].rpartition("-")[2]
    if _number(present) < newest:
        return History(fingerprint, [_patched(present, {"revision": newest}), *clean_up])
    return History(fingerprint, clean_up)


def patch_of(owner: Json) -> Json:
    """Return the strategic merge patch that brings the owner's present template back."""
    return {"spec": {"template": {**owner["spec"]["template"], "$patch": "replace"}}}


def _number(revision: Json) -> int:
    return int(revision.get("revision") or 0)


def _patched(revision: Json, patch: Json) -> Patch:
    return Patch(CONTROLLER_REVISIONS, ObjectKey.of(revision), patch)


def _revision(owner: Json, number: int, *, taken: Collection[str]) -> Json:
    template, name = owner["spec"]["template"], owner["metadata"]["name"]
    fingerprint = template_hash(template)
    while f"{name}-{fingerprint}" in taken:
        fingerprint = template_hash({"again": fingerprint, **template})
    metadata = {
        "name": f"{name}-{fingerprint}",
        "namespace": owner["metadata"]["namespace"],
        "labels": {**((template.get("metadata") or {}).get("labels") or {}), HASH: fingerprint},
        "annotations": {**(owner["metadata"].get("annotations") or {})},
        "ownerReferences": [owner_reference(owner, DAEMON_SETS)],
    }
    return {
        "apiVersion": CONTROLLER_REVISIONS.api_version,
        "kind": CONTROLLER_REVISIONS.kind,
        "metadata": metadata,
        "data": patch_of(owner),
        "revision": number,
    }


def _surplus(owner: Json, old: Sequence[Json], live: Collection[str]) -> list[Write]:
    limit = owner["spec"].get("revisionHistoryLimit")
    count = len(old) - (DEFAULT_LIMIT if limit is None else limit)
    idle = [each for each in old if labels_of(each).get(HASH) not in live]
    return [
        Delete(CONTROLLER_REVISIONS, ObjectKey.of(each), each["metadata"]["uid"])
        for each in idle[: max(0, count)]
    ]
