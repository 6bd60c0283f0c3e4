"""ReplicaSet: as many pods as asked for.

https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from lab.kube.resources import PODS, REPLICA_SETS, Json, ObjectKey, Resource
from lab.pocket.controllers.cache import Cache
from lab.pocket.controllers.objects import (
    is_active,
    is_ready,
    is_terminating,
    labels_of,
    owner_reference,
    seconds_until_available,
    selects,
)
from lab.pocket.controllers.statuses import status_patch
from lab.pocket.controllers.writes import NOTHING_TO_DO, Create, Delete, Note, Patch, Result, Write

BURST: Final = 500
"""Pods created or deleted in one go."""


class ReplicaSets:
    """Creates and deletes pods; adopts those that match and belong to nobody, releases those that match no more."""

    name = "replicaset-controller"
    reads = (REPLICA_SETS, PODS)

    def keys(self, cache: Cache, resource: Resource, item: Json) -> Iterable[ObjectKey]:
        if resource == REPLICA_SETS:
            return [ObjectKey.of(item)]
        return owners_of(cache, REPLICA_SETS, item)

    def reconcile(self, cache: Cache, key: ObjectKey, now: datetime) -> Result:
        owner = cache.get(REPLICA_SETS, key.name, namespace=key.namespace)
        if owner is None or is_terminating(owner):
            return NOTHING_TO_DO
        pods, writes = claim(cache, owner, REPLICA_SETS)
        active = [pod for pod in pods if is_active(pod)]
        writes += self._scale(owner, active)
        min_ready = owner["spec"].get("minReadySeconds", 0)
        waits = [seconds_until_available(pod, min_ready, now) for pod in active]
        writes += status_patch(REPLICA_SETS, owner, self._status(owner, active, available=waits.count(0.0)))
        return Result(writes, min((wait for wait in waits if wait), default=None))

    def _scale(self, owner: Json, active: Sequence[Json]) -> list[Write]:
        missing = wanted(owner) - len(active)
        if missing > 0:
            pod = pod_from(owner["spec"]["template"], owner, REPLICA_SETS)
            return [Create(PODS, pod, owner, "SuccessfulCreate") for _ in range(min(missing, BURST))]
        victims = by_reluctance(active)[: min(-missing, BURST)]
        return [write for pod in victims for write in deletion(pod, owner)]

    def _status(self, owner: Json, active: Sequence[Json], *, available: int) -> dict[str, Any]:
        template = owner["spec"]["template"]["metadata"].get("labels") or {}
        return {
            "replicas": len(active),
            "readyReplicas": sum(is_ready(pod) for pod in active),
            "availableReplicas": available,
            "fullyLabeledReplicas": sum(template.items() <= labels_of(pod).items() for pod in active),
            "observedGeneration": owner["metadata"].get("generation", 1),
        }


def wanted(owner: Json) -> int:
    replicas = owner["spec"].get("replicas")
    return 1 if replicas is None else int(replicas)


def owners_of(cache: Cache, resource: Resource, pod: Json) -> list[ObjectKey]:
    """Return the keys of the objects of `resource` that control the pod or, when nobody does, could adopt it."""
    namespace = pod["metadata"].get("namespace", "")
    for reference in pod["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            return [ObjectKey(namespace, reference["name"])] if reference["kind"] == resource.kind else []
    return [
        ObjectKey.of(item)
        for item in cache.within(resource, namespace)
        if selects(item["spec"]["selector"], labels_of(pod))
    ]


def claim(cache: Cache, owner: Json, resource: Resource) -> tuple[list[Json], list[Write]]:
    """Return the pods that `owner` controls and matches, and the writes that adopt and release others."""
    selector, namespace = owner["spec"]["selector"], owner["metadata"]["namespace"]
    pods, writes = [], list[Write]()
    for pod in cache.owned(PODS, owner["metadata"]["uid"]):
        if selects(selector, labels_of(pod)):
            pods.append(pod)
        elif not is_terminating(pod):
            writes.append(Patch(PODS, ObjectKey.of(pod), {"metadata": {"ownerReferences": None}}))
    for pod in cache.within(PODS, namespace):
        orphan = not any(each.get("controller") for each in pod["metadata"].get("ownerReferences") or ())
        if orphan and is_active(pod) and selects(selector, labels_of(pod)):
            pods.append(pod)
            references = [*(pod["metadata"].get("ownerReferences") or ()), owner_reference(owner, resource)]
            adoption = {"metadata": {"ownerReferences": references, "uid": pod["metadata"]["uid"]}}
            writes.append(Patch(PODS, ObjectKey.of(pod), adoption))
    return pods, writes


def pod_from(template: Json, owner: Json, resource: Resource) -> Json:
    """Return a pod made from a template."""
    metadata = template.get("metadata") or {}
    kept = {name: metadata[name] for name in ("labels", "annotations", "finalizers") if metadata.get(name)}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": kept
        | {
            "generateName": owner["metadata"]["name"] + "-",
            "namespace": owner["metadata"]["namespace"],
            "ownerReferences": [owner_reference(owner, resource)],
        },
        "spec": template["spec"],
    }


def deletion(pod: Json, owner: Json) -> list[Write]:
    """Return the deletion of a pod and the Event that tells of it."""
    note = Note(owner, "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")
    return [Delete(PODS, ObjectKey.of(pod), pod["metadata"]["uid"]), note]


def by_reluctance(pods: Iterable[Json]) -> list[Json]:
    """Sort pods by how little is lost with them: unassigned, pending, not ready, cheap, restarting, young first."""
    youngest_first = sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp")), reverse=True)
    return sorted(youngest_first, key=_worth)


def _worth(pod: Json) -> tuple[int, ...]:
    status = pod.get("status") or {}
    cost = (pod["metadata"].get("annotations") or {}).get("controller.kubernetes.io/pod-deletion-cost", "0")
    restarts = max((each.get("restartCount", 0) for each in status.get("containerStatuses") or ()), default=0)
    return (
        bool(pod["spec"].get("nodeName")),
        {"Pending": 0, "Unknown": 1}.get(status.get("phase", "Pending"), 2),
        is_ready(pod),
        int(cost) if cost.lstrip("-").isdecimal() else 0,
        -restarts,
    )
