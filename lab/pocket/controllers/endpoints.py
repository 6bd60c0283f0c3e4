"""EndpointSlices and Endpoints: the pods behind each Service. Two controllers, as in Kubernetes.

https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/. A pod that terminates stays listed, not ready
and, while its probes succeed, serving, so that a proxy may use it when nothing else is left.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from ipaddress import ip_address
from typing import Any, Final, NamedTuple

from lab.kube.resources import ENDPOINT_SLICES, ENDPOINTS, NODES, PODS, SERVICES, Json, ObjectKey, Resource
from lab.pocket.controllers.cache import SERVICE_NAME, Cache
from lab.pocket.controllers.objects import is_finished, is_ready, is_terminating, labels_of, owner_reference
from lab.pocket.controllers.writes import NOTHING_TO_DO, Create, Delete, Replace, Result, Write

MANAGED_BY: Final = "endpointslice.kubernetes.io/managed-by"
MANAGER: Final = "endpointslice-controller.k8s.io"
HEADLESS: Final = "service.kubernetes.io/headless"
ENDPOINTS_MANAGER: Final = {"endpoints.kubernetes.io/managed-by": "endpoint-controller"}
ZONE: Final = "topology.kubernetes.io/zone"
MAX_PER_SLICE: Final = 100
MAX_PER_ENDPOINTS: Final = 1000

Ports = tuple[tuple[str, str, int, str], ...]
"""Name, protocol, number and appProtocol of each port."""


class Backend(NamedTuple):
    """A pod behind a Service, in one address family."""

    pod: Json
    ip: str
    ports: Ports


class Endpoints:
    """Writes the EndpointSlices of each Service with a selector."""

    name = "endpoint-slice-controller"
    reads = (SERVICES, PODS, NODES, ENDPOINT_SLICES)

    def keys(self, cache: Cache, resource: Resource, item: Json) -> Iterable[ObjectKey]:
        if resource == ENDPOINT_SLICES:
            namespace = item["metadata"].get("namespace", "")
            return [ObjectKey(namespace, labels_of(item)[SERVICE_NAME])] if _is_ours(item) else []
        return _services(cache, resource, item)

    def reconcile(self, cache: Cache, key: ObjectKey, now: datetime) -> Result:
        del now
        service = cache.get(SERVICES, key.name, namespace=key.namespace)
        slices = [each for each in cache.of_service(ENDPOINT_SLICES, key) if _is_ours(each)]
        if service is None or is_terminating(service):
            return Result(_deletions(slices))
        if not _selector(service):
            return NOTHING_TO_DO
        writes: list[Write] = []
        pods = [pod for pod in cache.within(PODS, key.namespace) if _is_behind(service, pod)]
        for family in service["spec"].get("ipFamilies") or ["IPv4"]:
            same = [each for each in slices if each["addressType"] == family]
            writes += _slices(cache, service, family, backends(service, pods, family), same)
        families = set(service["spec"].get("ipFamilies") or ["IPv4"])
        return Result([*writes, *_deletions(each for each in slices if each["addressType"] not in families)])


class OlderEndpoints:
    """Writes the Endpoints object of each Service with a selector, which few programs still read."""

    name = "endpoint-controller"
    reads = (SERVICES, PODS, ENDPOINTS)

    def keys(self, cache: Cache, resource: Resource, item: Json) -> Iterable[ObjectKey]:
        return [ObjectKey.of(item)] if resource == ENDPOINTS else _services(cache, resource, item)

    def reconcile(self, cache: Cache, key: ObjectKey, now: datetime) -> Result:
        del now
        service = cache.get(SERVICES, key.name, namespace=key.namespace)
        if service is None or is_terminating(service):
            known = cache.get(ENDPOINTS, key.name, namespace=key.namespace)
            orphaned = known and ENDPOINTS_MANAGER.items() <= labels_of(known).items()
            return Result([Delete(ENDPOINTS, key)] if orphaned else [])
        if not _selector(service):
            return NOTHING_TO_DO
        pods = [pod for pod in cache.within(PODS, key.namespace) if _is_behind(service, pod)]
        return Result(_endpoints(cache, service, pods))


def _services(cache: Cache, resource: Resource, item: Json) -> list[ObjectKey]:
    """Return the Services that a Service, a pod or a node concerns."""
    if resource == SERVICES:
        return [ObjectKey.of(item)]
    if resource == NODES:  # only their zone matters here, and that does not change
        return []
    return [
        ObjectKey.of(service)
        for service in cache.within(SERVICES, item["metadata"].get("namespace", ""))
        if _selector(service) and _selector(service).items() <= labels_of(item).items()
    ]


def _selector(service: Json) -> Mapping[str, str]:
    if service["spec"].get("type") == "ExternalName":
        return {}
    return service["spec"].get("selector") or {}


def _is_ours(endpoint_slice: Json) -> bool:
    labels = labels_of(endpoint_slice)
    return labels.get(MANAGED_BY) == MANAGER and SERVICE_NAME in labels


def _is_behind(service: Json, pod: Json) -> bool:
    return _selector(service).items() <= labels_of(pod).items() and not is_finished(pod)


def backends(service: Json, pods: Iterable[Json], family: str) -> list[Backend]:
    """Return the pods that have an address of the family, with the numbers of the Service's ports on each."""
    version = 6 if family == "IPv6" else 4
    found = []
    for pod in pods:
        addresses = (each["ip"] for each in (pod.get("status") or {}).get("podIPs") or ())
        ip = next((each for each in addresses if ip_address(each).version == version), "")
        if ip and pod["spec"].get("nodeName"):
            found.append(Backend(pod, ip, _ports(service, pod)))
    return sorted(found, key=lambda backend: backend.pod["metadata"]["name"])


def _ports(service: Json, pod: Json) -> Ports:
    return tuple(
        (port.get("name", ""), port.get("protocol", "TCP"), number, port.get("appProtocol", ""))
        for port in service["spec"].get("ports") or ()
        if (number := _target(pod, port))
    )


def _target(pod: Json, port: Mapping[str, Any]) -> int:
    """Return the pod's port that a Service's port leads to; 0 when the pod has no port of that name."""
    target = port.get("targetPort") or port["port"]
    if isinstance(target, int):
        return target
    for container in pod["spec"]["containers"]:
        for each in container.get("ports") or ():
            if each.get("name") == target and each.get("protocol", "TCP") == port.get("protocol", "TCP"):
                return int(each["containerPort"])
    return 0


def _counts_as_ready(service: Json, pod: Json) -> bool:
    if service["spec"].get("publishNotReadyAddresses"):
        return True
    return is_ready(pod) and not is_terminating(pod)


def _reference(pod: Json) -> Json:
    metadata = pod["metadata"]
    return {"kind": "Pod", **{name: metadata[name] for name in ("name", "namespace", "uid")}}


def _endpoint(cache: Cache, service: Json, backend: Backend) -> Json:
    pod = backend.pod
    node = cache.get(NODES, pod["spec"]["nodeName"])
    zone = labels_of(node).get(ZONE) if node else None
    hostname = pod["spec"].get("hostname")
    named = hostname and pod["spec"].get("subdomain") == service["metadata"]["name"]
    return {
        "addresses": [backend.ip],
        "conditions": {
            "ready": _counts_as_ready(service, pod),
            "serving": bool(service["spec"].get("publishNotReadyAddresses") or is_ready(pod)),
            "terminating": is_terminating(pod),
        },
        **({"hostname": hostname} if named else {}),
        "nodeName": pod["spec"]["nodeName"],
        "targetRef": _reference(pod),
        **({"zone": zone} if zone else {}),
    }


def _slices(
    cache: Cache, service: Json, family: str, found: Sequence[Backend], present: Sequence[Json]
) -> list[Write]:
    """Return the writes for one family: slices keep their endpoints where they can, so that little is rewritten."""
    grouped: dict[Ports, list[Backend]] = defaultdict(list)
    for backend in found:
        grouped[backend.ports].append(backend)
    pieces = [
        (ports, [_endpoint(cache, service, each) for each in group[start : start + MAX_PER_SLICE]])
        for ports, group in grouped.items()
        for start in range(0, len(group), MAX_PER_SLICE)
    ] or [((), [])]
    left = list(present)
    writes: list[Write] = []
    for ports, endpoints in pieces:
        body = _slice(service, family, ports, endpoints)
        old = next(
            (each for each in left if (each.get("ports") or []) == body["ports"]), left[0] if left else None
        )
        if old is None:
            writes.append(Create(ENDPOINT_SLICES, body))
            continue
        left.remove(old)
        if any((old.get(field) or []) != body[field] for field in ("endpoints", "ports")) or labels_of(
            old
        ) != labels_of(body):
            metadata = {**old["metadata"], "labels": labels_of(body)}
            writes.append(Replace(ENDPOINT_SLICES, {**old, **body, "metadata": metadata}))
    return [*writes, *_deletions(left)]


def _slice(service: Json, family: str, ports: Ports, endpoints: list[Json]) -> Json:
    metadata = service["metadata"]
    headless = {HEADLESS: ""} if service["spec"].get("clusterIP") == "None" else {}
    labels = {**labels_of(service), **headless, SERVICE_NAME: metadata["name"], MANAGED_BY: MANAGER}
    return {
        "apiVersion": ENDPOINT_SLICES.api_version,
        "kind": ENDPOINT_SLICES.kind,
        "metadata": {
            "generateName": f"{metadata['name']}-",
            "namespace": metadata["namespace"],
            "labels": labels,
            "ownerReferences": [owner_reference(service, SERVICES)],
        },
        "addressType": family,
        "endpoints": endpoints,
        "ports": [
            {"name": name, "protocol": protocol, "port": number}
            | ({"appProtocol": application} if application else {})
            for name, protocol, number, application in ports
        ],
    }


def _deletions(slices: Iterable[Json]) -> list[Write]:
    return [Delete(ENDPOINT_SLICES, ObjectKey.of(each), each["metadata"].get("uid", "")) for each in slices]


def _endpoints(cache: Cache, service: Json, pods: Sequence[Json]) -> list[Write]:
    """Return the write of the Endpoints object, which knows one family and no terminating pods."""
    metadata, family = service["metadata"], (service["spec"].get("ipFamilies") or ["IPv4"])[0]
    found = [
        each for each in backends(service, pods, family)[:MAX_PER_ENDPOINTS] if not is_terminating(each.pod)
    ]
    headless = {HEADLESS: ""} if service["spec"].get("clusterIP") == "None" else {}
    body: Json = {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "labels": {**labels_of(service), **headless, **ENDPOINTS_MANAGER},
        },
        "subsets": _subsets(service, found),
    }
    old = cache.get(ENDPOINTS, metadata["name"], namespace=metadata["namespace"])
    if old is None:
        return [Create(ENDPOINTS, body)]
    if (old.get("subsets") or []) == body["subsets"] and labels_of(old) == labels_of(body):
        return []
    return [Replace(ENDPOINTS, {**old, **body, "metadata": {**old["metadata"], "labels": labels_of(body)}})]


def _subsets(service: Json, found: Sequence[Backend]) -> list[Json]:
    grouped: dict[Ports, dict[str, list[Json]]] = defaultdict(lambda: defaultdict(list))
    for backend in found:
        pod = backend.pod
        field = "addresses" if _counts_as_ready(service, pod) else "notReadyAddresses"
        address = {"ip": backend.ip, "nodeName": pod["spec"]["nodeName"], "targetRef": _reference(pod)}
        grouped[backend.ports][field].append(address)
    return [
        {
            **addresses,
            "ports": [
                {**({"name": name} if name else {}), "port": number, "protocol": protocol}
                for name, protocol, number, _ in ports
            ],
        }
        for ports, addresses in grouped.items()
    ]
