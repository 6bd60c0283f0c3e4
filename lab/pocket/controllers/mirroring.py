"""EndpointSlices for Endpoints that somebody wrote by hand: proxies look at slices only.

https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#endpointslice-mirroring. Endpoints of a Service
with a selector are the business of `endpoints`; those with the label skip-mirror, or that were a leader's lock, of nobody.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from ipaddress import ip_address
from typing import Any, Final, NamedTuple

from lab.kube.resources import ENDPOINT_SLICES, ENDPOINTS, SERVICES, Json, ObjectKey, Resource
from lab.pocket.controllers.cache import SERVICE_NAME, Cache
from lab.pocket.controllers.endpoints import MANAGED_BY
from lab.pocket.controllers.objects import is_terminating, labels_of, owner_reference
from lab.pocket.controllers.writes import Create, Delete, Replace, Result, Write

MANAGER: Final = "endpointslicemirroring-controller.k8s.io"
SKIP: Final = "endpointslice.kubernetes.io/skip-mirror"
LEADER: Final = "control-plane.alpha.kubernetes.io/leader"
NOT_COPIED: Final = frozenset(
    {"endpoints.kubernetes.io/last-change-trigger-time", "kubectl.kubernetes.io/last-applied-configuration"}
)
MAX_PER_SUBSET: Final = 1000


class Group(NamedTuple):
    """What one slice can hold: addresses of one family with the same ports (name, protocol, number, appProtocol)."""

    family: str
    ports: tuple[tuple[str, str, int, str], ...]


class Mirroring:
    """Keeps one slice a family and set of ports for each Endpoints object whose Service has no selector."""

    name = "endpointslicemirroring-controller"
    reads = (ENDPOINTS, SERVICES, ENDPOINT_SLICES)

    def keys(self, cache: Cache, resource: Resource, item: Json) -> Iterable[ObjectKey]:
        del cache
        if resource != ENDPOINT_SLICES:
            return [ObjectKey.of(item)]
        return (
            [ObjectKey(item["metadata"]["namespace"], labels_of(item)[SERVICE_NAME])]
            if _is_ours(item)
            else []
        )

    def reconcile(self, cache: Cache, key: ObjectKey, now: datetime) -> Result:
        del now
        endpoints = cache.get(ENDPOINTS, key.name, namespace=key.namespace)
        service = cache.get(SERVICES, key.name, namespace=key.namespace)
        present: dict[Group, list[Json]] = defaultdict(list)
        for each in cache.of_service(ENDPOINT_SLICES, key):
            if _is_ours(each):
                present[_group_of(each)].append(each)
        writes: list[Write] = []
        if endpoints and service and _is_mirrored(endpoints, service):
            for group, found in _wanted(endpoints).items():
                slices = present.pop(group, [])
                old, surplus = (slices[0], slices[1:]) if slices else (None, [])
                writes += _slice_writes(old, _slice(endpoints, group, found))
                present[group] = surplus
        surplus = [each for slices in present.values() for each in slices]
        return Result([*writes, *(Delete(ENDPOINT_SLICES, ObjectKey.of(each)) for each in surplus)])


def _is_ours(endpoint_slice: Json) -> bool:
    labels = labels_of(endpoint_slice)
    return labels.get(MANAGED_BY) == MANAGER and SERVICE_NAME in labels


def _is_mirrored(endpoints: Json, service: Json) -> bool:
    annotations = endpoints["metadata"].get("annotations") or {}
    by_hand = labels_of(endpoints).get(SKIP) != "true" and LEADER not in annotations
    return by_hand and not service["spec"].get("selector") and not is_terminating(endpoints)


def _group_of(endpoint_slice: Json) -> Group:
    return Group(endpoint_slice["addressType"], _ports(endpoint_slice.get("ports") or ()))


def _ports(ports: Iterable[Mapping[str, Any]]) -> tuple[tuple[str, str, int, str], ...]:
    """Return the ports of Endpoints or of a slice as one value that does not depend on their order."""
    return tuple(
        sorted(
            (each.get("name", ""), each.get("protocol", "TCP"), each["port"], each.get("appProtocol", ""))
            for each in ports
        )
    )


def _wanted(endpoints: Json) -> dict[Group, list[Json]]:
    groups: dict[Group, list[Json]] = {}
    for subset in endpoints.get("subsets") or ():
        ports = _ports(subset.get("ports") or ())
        ready = [(each, True) for each in subset.get("addresses") or ()]
        others = [(each, False) for each in subset.get("notReadyAddresses") or ()]
        for address, is_ready in [*ready, *others][:MAX_PER_SUBSET]:
            ip = ip_address(address["ip"])
            found = groups.setdefault(Group(f"IPv{ip.version}", ports), [])
            found.append(_endpoint(address, str(ip), ready=is_ready))
    return groups


def _endpoint(address: Json, ip: str, *, ready: bool) -> Json:
    kept = {name: address[name] for name in ("hostname", "nodeName", "targetRef") if address.get(name)}
    return {"addresses": [ip], "conditions": {"ready": ready}, **kept}


def _slice(endpoints: Json, group: Group, found: Sequence[Json]) -> Json:
    metadata = endpoints["metadata"]
    annotations = {
        name: value for name, value in (metadata.get("annotations") or {}).items() if name not in NOT_COPIED
    }
    return {
        "apiVersion": ENDPOINT_SLICES.api_version,
        "kind": ENDPOINT_SLICES.kind,
        "metadata": {
            "generateName": f"{metadata['name']}-",
            "namespace": metadata["namespace"],
            "labels": {**labels_of(endpoints), SERVICE_NAME: metadata["name"], MANAGED_BY: MANAGER},
            "annotations": annotations,
            "ownerReferences": [owner_reference(endpoints, ENDPOINTS)],
        },
        "addressType": group.family,
        "endpoints": [*found],
        "ports": [
            {"name": name, "protocol": protocol, "port": number}
            | ({"appProtocol": application} if application else {})
            for name, protocol, number, application in group.ports
        ],
    }


def _slice_writes(old: Json | None, new: Json) -> list[Write]:
    if old is None:
        return [Create(ENDPOINT_SLICES, new)]
    metadata = {name: new["metadata"][name] for name in ("labels", "annotations", "ownerReferences")}
    same = all((old["metadata"].get(name) or type(value)()) == value for name, value in metadata.items())
    if same and (old.get("endpoints") or []) == new["endpoints"]:
        return []
    body = {"endpoints": new["endpoints"], "ports": new["ports"]}
    return [Replace(ENDPOINT_SLICES, {**old, **body, "metadata": {**old["metadata"], **metadata}})]
