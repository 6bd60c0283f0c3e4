"""Deployment: ReplicaSets as revisions, and the way from one to the next.

https://kubernetes.io/docs/concepts/workloads/controllers/deployment/. `kubectl rollout undo` writes an older template
back; its ReplicaSet is found again by its template and becomes the newest revision.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from lab.kube.resources import DEPLOYMENTS, REPLICA_SETS, Json, ObjectKey, Resource
from lab.pocket.controllers.cache import Cache
from lab.pocket.controllers.objects import (
    condition,
    is_terminating,
    owner_reference,
    parse_time,
    timestamp,
    updated_conditions,
)
from lab.pocket.controllers.replicasets import wanted
from lab.pocket.controllers.resizing import DESIRED, MAXIMUM, is_resized, resize, sizes
from lab.pocket.controllers.rollout import Scale, available, fenceposts, first_replicas, roll, running
from lab.pocket.controllers.statuses import status_patch
from lab.pocket.controllers.writes import NOTHING_TO_DO, Create, Delete, Note, Patch, Result, Write

HASH: Final = "pod-template-hash"
REVISION: Final = "deployment.kubernetes.io/revision"
HISTORY: Final = "deployment.kubernetes.io/revision-history"
RESTING: Final = frozenset({"NewReplicaSetAvailable", "DeploymentPaused"})
NOT_COPIED: Final = frozenset(
    {REVISION, HISTORY, DESIRED, MAXIMUM, "kubectl.kubernetes.io/last-applied-configuration"}
)


class Deployments:
    """Rolls Deployments out, keeps their revisions, and says how far they are."""

    name = "deployment-controller"
    reads = (DEPLOYMENTS, REPLICA_SETS)

    def keys(self, cache: Cache, resource: Resource, item: Json) -> Iterable[ObjectKey]:
        del cache
        if resource == DEPLOYMENTS:
            return [ObjectKey.of(item)]
        owners = item["metadata"].get("ownerReferences") or ()
        namespace = item["metadata"].get("namespace", "")
        return [ObjectKey(namespace, each["name"]) for each in owners if each["kind"] == DEPLOYMENTS.kind]

    def reconcile(self, cache: Cache, key: ObjectKey, now: datetime) -> Result:
        deployment = cache.get(DEPLOYMENTS, key.name, namespace=key.namespace)
        if deployment is None or is_terminating(deployment):
            return NOTHING_TO_DO
        owned = sorted(cache.owned(REPLICA_SETS, deployment["metadata"]["uid"]), key=_age)
        new = next((each for each in owned if _same_template(deployment, each)), None)
        old = [each for each in owned if each is not new]
        writes = _new_revision(deployment, new, old)
        held = deployment["spec"].get("paused") or is_resized(deployment, owned)
        for step in (resize if held else roll)(deployment, new, old):
            writes += _scaled(deployment, step)
        if new:
            writes += _history_cleanup(deployment, old)
        status = _status(deployment, new, old, now)
        writes += status_patch(DEPLOYMENTS, deployment, status)
        return Result(writes, _seconds_to_deadline(deployment, status, now))


def template_hash(template: Json) -> str:
    """Return the name of a template: FNV-1a of its JSON, in letters that spell no words."""
    value = 2166136261
    for byte in orjson.dumps(template, option=orjson.OPT_SORT_KEYS):
        value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    alphabet = "bcdfghjklmnpqrstvwxz2456789"
    return "".join(alphabet[ord(digit) % len(alphabet)] for digit in str(value))


def revision_of(item: Json) -> int:
    text = (item["metadata"].get("annotations") or {}).get(REVISION, "0")
    return int(text) if text.isdecimal() else 0


def _age(replica_set: Json) -> tuple[str, str]:
    return replica_set["metadata"].get("creationTimestamp", ""), replica_set["metadata"]["name"]


def _same_template(deployment: Json, replica_set: Json) -> bool:
    return bool(_unhashed(deployment["spec"]["template"]) == _unhashed(replica_set["spec"]["template"]))


def _unhashed(template: Json) -> Json:
    metadata = template.get("metadata") or {}
    labels = {name: value for name, value in (metadata.get("labels") or {}).items() if name != HASH}
    return {**template, "metadata": {**metadata, "labels": labels, "creationTimestamp": None}}


def _new_revision(deployment: Json, new: Json | None, old: Sequence[Json]) -> list[Write]:
    """Return the writes that create the ReplicaSet of the present template, or that make it the newest revision."""
    newest = max(map(revision_of, old), default=0)
    if new is not None:
        own = revision_of(new)
        revision = own if own > newest else newest + 1
        return [*_renumbered(deployment, new, revision), *_marked(deployment, revision)]
    if deployment["spec"].get("paused"):
        return []
    replicas = first_replicas(deployment, old)
    body = _replica_set(deployment, newest + 1, replicas, taken={each["metadata"]["name"] for each in old})
    note = _scaling(deployment, body["metadata"]["name"], 0, replicas)
    return [Create(REPLICA_SETS, body), note, *_marked(deployment, newest + 1)]


def _renumbered(deployment: Json, new: Json, revision: int) -> list[Write]:
    annotations, present = _copied(deployment, revision), new["metadata"].get("annotations") or {}
    if revision_of(new) and revision != revision_of(new):
        past = filter(None, (present.get(HISTORY), present[REVISION]))
        annotations[HISTORY] = ",".join(past)
    stale = {name: value for name, value in annotations.items() if present.get(name) != value}
    return [Patch(REPLICA_SETS, ObjectKey.of(new), {"metadata": {"annotations": stale}})] if stale else []


def _marked(deployment: Json, revision: int) -> list[Write]:
    if revision_of(deployment) == revision:
        return []
    annotations = {"metadata": {"annotations": {REVISION: str(revision)}}}
    # Through its status: a change of annotations alone would be a new generation of what is desired.
    return [Patch(DEPLOYMENTS, ObjectKey.of(deployment), annotations, "status")]


def _copied(deployment: Json, revision: int) -> dict[str, str]:
    copied = {
        name: value
        for name, value in (deployment["metadata"].get("annotations") or {}).items()
        if name not in NOT_COPIED
    }
    return {**copied, REVISION: str(revision)}


def _replica_set(deployment: Json, revision: int, replicas: int, *, taken: set[str]) -> Json:
    template, spec = deployment["spec"]["template"], deployment["spec"]
    fingerprint = template_hash(template)
    while f"{deployment['metadata']['name']}-{fingerprint}" in taken:
        fingerprint = template_hash({"again": fingerprint, **template})
    labels = {**((template.get("metadata") or {}).get("labels") or {}), HASH: fingerprint}
    selector = spec["selector"]
    body: dict[str, Any] = {
        "replicas": replicas,
        "selector": {**selector, "matchLabels": {**(selector.get("matchLabels") or {}), HASH: fingerprint}},
        "template": {**template, "metadata": {**(template.get("metadata") or {}), "labels": labels}},
    }
    if spec.get("minReadySeconds"):
        body["minReadySeconds"] = spec["minReadySeconds"]
    return {
        "apiVersion": REPLICA_SETS.api_version,
        "kind": REPLICA_SETS.kind,
        "metadata": {
            "name": f"{deployment['metadata']['name']}-{fingerprint}",
            "namespace": deployment["metadata"]["namespace"],
            "labels": labels,
            "annotations": {**_copied(deployment, revision), **sizes(deployment)},
            "ownerReferences": [owner_reference(deployment, DEPLOYMENTS)],
        },
        "spec": body,
    }


def _scaled(deployment: Json, step: Scale) -> list[Write]:
    name, before = step.replica_set["metadata"]["name"], wanted(step.replica_set)
    patch = {"metadata": {"annotations": sizes(deployment)}, "spec": {"replicas": step.replicas}}
    note = [_scaling(deployment, name, before, step.replicas)] if before != step.replicas else []
    return [Patch(REPLICA_SETS, ObjectKey.of(step.replica_set), patch), *note]


def _scaling(deployment: Json, name: str, before: int, after: int) -> Note:
    verb = "up" if after >= before else "down"
    message = f"Scaled {verb} replica set {name} from {before} to {after}"
    return Note(deployment, "ScalingReplicaSet", message)


def _history_cleanup(deployment: Json, old: Sequence[Json]) -> list[Write]:
    limit = deployment["spec"].get("revisionHistoryLimit")
    idle = [each for each in old if not wanted(each) and not running(each) and not is_terminating(each)]
    surplus = sorted(idle, key=revision_of)[: max(0, len(idle) - (10 if limit is None else limit))]
    return [Delete(REPLICA_SETS, ObjectKey.of(each), each["metadata"]["uid"]) for each in surplus]


def _status(deployment: Json, new: Json | None, old: Sequence[Json], now: datetime) -> dict[str, Any]:
    every = [*old, *([new] if new else [])]
    ready = sum(int((each.get("status") or {}).get("readyReplicas", 0)) for each in every)
    counts: dict[str, Any] = {
        "replicas": sum(map(running, every)),
        "updatedReplicas": running(new) if new else 0,
        "readyReplicas": ready,
        "availableReplicas": sum(map(available, every)),
    }
    # More may be available than wanted for a moment.
    counts["unavailableReplicas"] = max(0, sum(map(wanted, every)) - counts["availableReplicas"])
    enough = counts["availableReplicas"] >= wanted(deployment) - fenceposts(deployment)[1]
    changes = [_availability(enough=enough)]
    if progress := _progress(deployment, new, counts, now):
        changes.append(progress)
    return {
        **counts,
        "conditions": updated_conditions(deployment, *changes, now=now),
        "observedGeneration": deployment["metadata"].get("generation", 1),
    }


def _availability(*, enough: bool) -> Json:
    return {
        "type": "Available",
        "status": "True" if enough else "False",
        "reason": "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable",
        "message": f"Deployment {'has' if enough else 'does not have'} minimum availability.",
    }


def _progress(deployment: Json, new: Json | None, counts: dict[str, Any], now: datetime) -> Json | None:
    """Return the Progressing condition, or None when it stays as it is."""
    known = condition(deployment, "Progressing")
    if deployment["spec"].get("paused"):
        return _progressing("Unknown", "DeploymentPaused", "Deployment is paused")
    if new is None:
        return _progressing("True", "NewReplicaSetCreated", "Created new replica set")
    name = f'ReplicaSet "{new["metadata"]["name"]}"'
    if _complete(deployment, counts):
        return _progressing("True", "NewReplicaSetAvailable", f"{name} has successfully progressed.")
    if known is None or known["reason"] in RESTING or _moved(deployment, counts):
        # The deadline runs anew from each step.
        step = _progressing("True", "ReplicaSetUpdated", f"{name} is progressing.")
        return {**step, "lastUpdateTime": timestamp(now)}
    deadline = deployment["spec"].get("progressDeadlineSeconds")
    late = deadline and now - parse_time(known["lastUpdateTime"]) > timedelta(seconds=deadline)
    return (
        _progressing("False", "ProgressDeadlineExceeded", f"{name} has timed out progressing.")
        if late
        else None
    )


def _moved(deployment: Json, counts: dict[str, Any]) -> bool:
    present = deployment.get("status") or {}
    return any(
        counts[each] != present.get(each, 0)
        for each in ("updatedReplicas", "readyReplicas", "availableReplicas")
    )


def _complete(deployment: Json, counts: dict[str, Any]) -> bool:
    total = wanted(deployment)
    return all(counts[each] == total for each in ("replicas", "updatedReplicas", "availableReplicas"))


def _progressing(status: str, reason: str, message: str) -> Json:
    return {"type": "Progressing", "status": status, "reason": reason, "message": message}


def _seconds_to_deadline(deployment: Json, status: dict[str, Any], now: datetime) -> float | None:
    """Return when to look whether the rollout is stuck."""
    deadline = deployment["spec"].get("progressDeadlineSeconds")
    progress = next((each for each in status["conditions"] if each["type"] == "Progressing"), None)
    if (
        not deadline
        or not progress
        or progress["reason"] in {"NewReplicaSetAvailable", "ProgressDeadlineExceeded"}
    ):
        return None
    left = parse_time(progress["lastUpdateTime"]) + timedelta(seconds=deadline + 1) - now
    return max(1.0, left.total_seconds())
