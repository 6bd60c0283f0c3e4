"""Small controllers: service accounts of new namespaces, and pods that nobody else will remove."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from lab.kube.client import PatchType
from lab.kube.resources import (
    CONFIG_MAPS,
    NAMESPACES,
    NODES,
    PODS,
    SERVICE_ACCOUNTS,
    Json,
    ObjectKey,
    Resource,
)
from lab.pocket.controllers.cache import Cache
from lab.pocket.controllers.objects import is_finished, is_terminating
from lab.pocket.controllers.writes import NOTHING_TO_DO, Create, Delete, Patch, Result, Write

ROOT_CA: Final = "kube-root-ca.crt"
DESCRIPTION: Final = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as "
    "the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of "
    "Kubernetes clusters."
)


class ServiceAccounts:
    """Keeps the default ServiceAccount and the cluster's CA certificate in every namespace."""

    name = "serviceaccount-controller"
    reads = (NAMESPACES, SERVICE_ACCOUNTS, CONFIG_MAPS)

    def __init__(self, ca: str) -> None:
        """Take the certificate, in PEM, that clients in pods shall trust; empty to publish none."""
        self._ca = ca

    def keys(self, cache: Cache, resource: Resource, item: Json) -> Iterable[ObjectKey]:
        del cache
        metadata = item["metadata"]
        if resource == NAMESPACES:
            return [ObjectKey.of(item)]
        return [ObjectKey("", metadata["namespace"])] if metadata["name"] in {"default", ROOT_CA} else []

    def reconcile(self, cache: Cache, key: ObjectKey, now: datetime) -> Result:
        del now
        namespace = cache.get(NAMESPACES, key.name)
        if namespace is None or is_terminating(namespace):
            return NOTHING_TO_DO
        writes: list[Write] = []
        if cache.get(SERVICE_ACCOUNTS, "default", namespace=key.name) is None:
            writes.append(Create(SERVICE_ACCOUNTS, _object(SERVICE_ACCOUNTS, "default", key.name)))
        config = cache.get(CONFIG_MAPS, ROOT_CA, namespace=key.name)
        data = {"ca.crt": self._ca}
        if config is None and self._ca:
            body = _object(CONFIG_MAPS, ROOT_CA, key.name)
            body["metadata"]["annotations"] = {"kubernetes.io/description": DESCRIPTION}
            writes.append(Create(CONFIG_MAPS, {**body, "data": data}))
        elif config and self._ca and config.get("data") != data:
            writes.append(Patch(CONFIG_MAPS, ObjectKey.of(config), {"data": data}))
        return Result(writes)


def _object(resource: Resource, name: str, namespace: str) -> Json:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}


class PodCollector:
    """Removes pods of nodes that are gone, and pods that were asked to end before they had a node."""

    name = "pod-garbage-collector-controller"
    reads = (PODS, NODES)

    def __init__(self, *, quarantine: float = 40.0) -> None:
        """Wait `quarantine` seconds before a missing node counts as gone: it may be about to register."""
        self._quarantine = quarantine
        self._missed: dict[str, datetime] = {}

    def keys(self, cache: Cache, resource: Resource, item: Json) -> Iterable[ObjectKey]:
        if resource == PODS:
            return [ObjectKey.of(item)]
        name = item["metadata"]["name"]
        return [key for key, pod in cache.all(PODS).items() if pod["spec"].get("nodeName") == name]

    def reconcile(self, cache: Cache, key: ObjectKey, now: datetime) -> Result:
        pod = cache.get(PODS, key.name, namespace=key.namespace)
        if pod is None:
            return NOTHING_TO_DO
        node = pod["spec"].get("nodeName")
        force = Delete(PODS, key, pod["metadata"]["uid"], grace_period=0)
        if not node:
            return Result([force] if is_terminating(pod) else [])
        if cache.get(NODES, node) is not None:
            self._missed.pop(node, None)
            return NOTHING_TO_DO
        left = self._quarantine - (now - self._missed.setdefault(node, now)).total_seconds()
        if left > 0:
            return Result(again=left)
        failed = Patch(PODS, key, {"status": {"phase": "Failed"}}, "status", PatchType.STRATEGIC)
        return Result([force] if is_finished(pod) else [failed, force])
