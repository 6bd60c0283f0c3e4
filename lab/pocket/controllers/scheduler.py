"""The scheduler: a node for each pod that has none. https://kubernetes.io/docs/concepts/scheduling-eviction/."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from lab.kube.client import PatchType
from lab.kube.events import EventType
from lab.kube.resources import NODES, PODS, Json, ObjectKey, Resource
from lab.pocket.controllers.cache import Cache
from lab.pocket.controllers.objects import condition, is_finished, is_terminating, timestamp
from lab.pocket.controllers.placement import Seat, attraction, obstacle
from lab.pocket.controllers.writes import NOTHING_TO_DO, Note, Patch, Post, Result, Write

NAME: Final = "default-scheduler"


class Scheduler:
    """Binds pods to nodes, one at a time, so that each decision sees the one before."""

    name = NAME
    reads = (PODS, NODES)

    def __init__(self) -> None:
        self._assumed: dict[str, str] = {}
        """Node by pod uid, from our binding until the watch shows it."""

    def keys(self, cache: Cache, resource: Resource, item: Json) -> Iterable[ObjectKey]:
        if resource == PODS and _is_waiting(item):
            return [ObjectKey.of(item)]
        if resource == PODS and not (is_terminating(item) or is_finished(item)):
            self._assumed.pop(item["metadata"]["uid"], None)
            return []
        # A node changed or a pod made room: whoever waits gets another chance.
        return [key for key, pod in cache.all(PODS).items() if _is_waiting(pod)]

    def reconcile(self, cache: Cache, key: ObjectKey, now: datetime) -> Result:
        pod = cache.get(PODS, key.name, namespace=key.namespace)
        if pod is None or not _is_waiting(pod) or pod["metadata"]["uid"] in self._assumed:
            return NOTHING_TO_DO
        seats = self._seats(cache)
        obstacles = [(seat, obstacle(pod, seat, seats)) for seat in seats]
        free = [seat for seat, reason in obstacles if not reason]
        if not free:
            return Result(_unschedulable(pod, [reason for _, reason in obstacles], now))
        # Of equals the first by name: the same cluster always schedules alike.
        best = max(free, key=lambda seat: attraction(pod, seat, seats))
        name = best.node["metadata"]["name"]
        self._assumed[pod["metadata"]["uid"]] = name
        return Result(_binding(pod, name))

    def _seats(self, cache: Cache) -> Sequence[Seat]:
        pods: dict[str, list[Json]] = defaultdict(list)
        for pod in cache.all(PODS).values():
            node = pod["spec"].get("nodeName") or self._assumed.get(pod["metadata"]["uid"], "")
            if node and not is_finished(pod):
                pods[node].append(pod)
        return [Seat(node, pods[key.name]) for key, node in sorted(cache.all(NODES).items())]


def _is_waiting(pod: Json) -> bool:
    spec = pod["spec"]
    return (
        not spec.get("nodeName")
        and spec.get("schedulerName", NAME) == NAME
        and not spec.get("schedulingGates")
        and not is_terminating(pod)
        and not is_finished(pod)
    )


def _binding(pod: Json, node: str) -> list[Write]:
    key = ObjectKey.of(pod)
    metadata = {"name": key.name, "namespace": key.namespace, "uid": pod["metadata"]["uid"]}
    target = {"apiVersion": "v1", "kind": "Node", "name": node}
    body = {"apiVersion": "v1", "kind": "Binding", "metadata": metadata, "target": target}
    message = f"Successfully assigned {key} to {node}"
    return [Post(PODS, key, "binding", body), Note(pod, "Scheduled", message)]


def _unschedulable(pod: Json, reasons: Sequence[str], now: datetime) -> list[Write]:
    counted = sorted(f"{number} {reason}" for reason, number in Counter(reasons).items())
    message = (
        f"0/{len(reasons)} nodes are available: {', '.join(counted)}."
        if reasons
        else "no nodes available to schedule pods"
    )
    new = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    old = condition(pod, "PodScheduled") or {}
    if new.items() <= old.items():
        return []
    new["lastTransitionTime"] = old["lastTransitionTime"] if old.get("status") == "False" else timestamp(now)
    return [
        Patch(PODS, ObjectKey.of(pod), {"status": {"conditions": [new]}}, "status", PatchType.STRATEGIC),
        Note(pod, "FailedScheduling", message, EventType.WARNING),
    ]
