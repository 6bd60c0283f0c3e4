"""A cluster without an API: the cache is the truth, writes change it at once, a make-believe agent runs the pods."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from lab.kube.resources import DEPLOYMENTS, NODES, PODS, REPLICA_SETS, Json, ObjectKey, Resource
from lab.pocket.controllers.cache import Cache
from lab.pocket.controllers.loop import Controller
from lab.pocket.controllers.objects import is_terminating, timestamp
from lab.pocket.controllers.writes import Create, Delete, Note, Patch, Post, Replace, Write

START = datetime(2026, 11, 20, 12, tzinfo=UTC)


def labelled(name: str, **more: Any) -> Json:
    return {"name": name, "namespace": "default", "uid": f"uid-{name}", "resourceVersion": "1"} | more


def template(image: str = "nginx", **spec: Any) -> Json:
    return {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": image}]} | spec,
    }


def workload(name: str = "web", image: str = "nginx", **spec: Any) -> Json:
    selector = {"matchLabels": {"app": "web"}}
    return {
        "metadata": labelled(name, generation=1),
        "spec": {"selector": selector, "template": template(image)} | spec,
    }


def node(name: str, *, ready: str = "True", labels: dict[str, str] | None = None, **spec: Any) -> Json:
    conditions = [{"type": "Ready", "status": ready, "lastHeartbeatTime": timestamp(START)}]
    metadata = {
        "name": name,
        "uid": f"uid-{name}",
        "resourceVersion": "1",
        "labels": {"kubernetes.io/hostname": name} | (labels or {}),
    }
    return {
        "metadata": metadata,
        "spec": spec,
        "status": {"conditions": conditions, "allocatable": {"cpu": "2", "pods": "110"}},
    }


def pod(name: str, node_name: str = "", *, ready: bool = True, **spec: Any) -> Json:
    conditions = [{"type": "Ready", "status": str(ready), "lastTransitionTime": timestamp(START)}]
    status = {"phase": "Running", "conditions": conditions} if node_name else {"phase": "Pending"}
    body = template()["spec"] | spec | ({"nodeName": node_name} if node_name else {})
    return {"metadata": labelled(name, labels={"app": "web"}), "spec": body, "status": status}


class World:
    """Runs controllers over a cache until they have nothing to write."""

    def __init__(self, *controllers: Controller, check: Callable[[World], None] | None = None) -> None:
        self.cache = Cache()
        self.now = START
        self.notes: list[str] = []
        self._controllers = controllers
        self._check = check or (lambda _: None)
        self._serial = itertools.count(1)

    def add(self, resource: Resource, item: Json) -> Json:
        filled = {"apiVersion": resource.api_version, "kind": resource.kind} | item
        self.cache.put(resource, filled)
        return filled

    def items(self, resource: Resource) -> list[Json]:
        return [item for _, item in sorted(self.cache.all(resource).items())]

    def change(self, resource: Resource, name: str, patch: Json, namespace: str = "default") -> None:
        item = self.cache.get(resource, name, namespace=namespace)
        assert item is not None
        self._put(resource, merged(item, patch))

    def settle(self, *, run_pods: bool = True, rounds: int = 100) -> None:
        """Let the controllers work, and pods start and end between their turns, until nothing changes."""
        for _ in range(rounds):
            if not self.turn() and not (run_pods and self.run_pods()):
                return
        raise AssertionError("the controllers never come to rest")

    def turn(self) -> bool:
        wrote = False
        for controller in self._controllers:
            for resource in controller.reads[:1]:
                for key in list(self.cache.all(resource)):
                    for write in controller.reconcile(self.cache, key, self.now).writes:
                        wrote = True
                        self.perform(write)
        return wrote

    def run_pods(self) -> bool:
        """Start one pod that waits and end one that shall; broken images never start."""
        self.now += timedelta(seconds=1)
        ending = [each for each in self.items(PODS) if is_terminating(each)]
        for each in ending[:1]:
            self.cache.remove(PODS, ObjectKey.of(each), uid=each["metadata"]["uid"])
        waiting = [each for each in self.items(PODS) if not each.get("status", {}).get("conditions")]
        startable = [each for each in waiting if "broken" not in each["spec"]["containers"][0]["image"]]
        for each in startable[:1]:
            ready = {"type": "Ready", "status": "True", "lastTransitionTime": timestamp(self.now)}
            self._put(PODS, merged(each, {"status": {"phase": "Running", "conditions": [ready]}}))
        self._check(self)
        return bool(ending or startable)

    def perform(self, write: Write) -> None:
        match write:
            case Create(resource, body):
                self._create(resource, body)
            case Patch(resource, key, patch):
                item = self.cache.get(resource, key.name, namespace=key.namespace)
                assert item is not None
                self._put(resource, merged(item, dict(patch)))
            case Replace(resource, body):
                self._put(resource, body)
            case Delete(resource, key):
                self._delete(resource, key)
            case Note(_, reason, message):
                self.notes.append(f"{reason}: {message}")
            case Post(_, key, _, body):
                self.change(PODS, key.name, {"spec": {"nodeName": body["target"]["name"]}}, key.namespace)
        self._check(self)

    def _create(self, resource: Resource, body: Json) -> None:
        item = copy.deepcopy(body)
        serial = next(self._serial)
        name = item["metadata"].get("name") or f"{item['metadata']['generateName']}{serial:05d}"
        item["metadata"] |= {
            "name": name,
            "uid": f"uid-{name}",
            "creationTimestamp": timestamp(self.now),
            "generation": 1,
        }
        self._put(resource, item)

    def _delete(self, resource: Resource, key: ObjectKey) -> None:
        item = self.cache.get(resource, key.name, namespace=key.namespace)
        assert item is not None
        if resource == PODS:
            self._put(resource, merged(item, {"metadata": {"deletionTimestamp": timestamp(self.now)}}))
        else:
            self.cache.remove(resource, key, uid=item["metadata"]["uid"])

    def _put(self, resource: Resource, item: Json) -> None:
        version = str(next(self._serial) + 1000)
        item = {**item, "metadata": {**item["metadata"], "resourceVersion": version}}
        assert self.cache.put(resource, item)


def merged(item: Json, patch: Json) -> Json:
    """RFC 7396."""
    result = dict(item)
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict):
            result[name] = merged(result.get(name) or {}, value)
        else:
            result[name] = value
    return result


def names(items: Sequence[Json]) -> list[str]:
    return [item["metadata"]["name"] for item in items]


__all__ = [
    "DEPLOYMENTS",
    "NODES",
    "PODS",
    "REPLICA_SETS",
    "START",
    "World",
    "labelled",
    "merged",
    "names",
    "node",
    "pod",
    "workload",
]
