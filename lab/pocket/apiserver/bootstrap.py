"""What a cluster has from its first moment: namespaces, roles, and the `kubernetes` Service that leads to this server."""

from __future__ import annotations

import ipaddress

from lab.pocket.apiserver import metadata, namespaces, rbac_defaults
from lab.pocket.apiserver.state import State
from lab.pocket.store import Change, Key, Object

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
HTTPS = {"name": "https", "protocol": "TCP"}


async def ensure(state: State) -> None:
    """Create what is missing and bring the server's own endpoints up to date."""
    changes = [*_missing_namespaces(state), *_rbac(state), *_own_service(state)]
    if changes:
        await state.store.write(*changes)


def _missing_namespaces(state: State) -> list[Change]:
    changes = []
    for name in NAMESPACES:
        namespace = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}}
        namespaces.begin(namespace)
        made = _new(state, [(Key("namespaces", "", name), namespace)])
        changes += made + (namespaces.companions(name, state.settings.authority_pem) if made else [])
    return changes


def _rbac(state: State) -> list[Change]:
    plural = {"ClusterRole": "clusterroles", "ClusterRoleBinding": "clusterrolebindings"}
    group = "rbac.authorization.k8s.io"
    objects = [
        (Key(f"{plural[obj['kind']]}.{group}", "", obj["metadata"]["name"]), {"kind": obj["kind"], **obj})
        for obj in rbac_defaults.default_objects()
    ]
    return _new(state, objects)


def _own_service(state: State) -> list[Change]:
    networks = [ipaddress.ip_network(network) for network in state.settings.service_networks]
    cluster_ips = [str(network[1]) for network in networks]
    families = [f"IPv{network.version}" for network in networks]
    labels = {"component": "apiserver", "provider": "kubernetes"}
    service: Object = {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {"name": "kubernetes", "namespace": "default", "labels": labels},
        "spec": {
            "ports": [{**HTTPS, "port": 443, "targetPort": state.settings.port}],
            "clusterIP": cluster_ips[0],
            "clusterIPs": cluster_ips[:1],
            "type": "ClusterIP",
            "sessionAffinity": "None",
            "ipFamilies": families[:1],
            "ipFamilyPolicy": "SingleStack",
            "internalTrafficPolicy": "Cluster",
        },
        "status": {"loadBalancer": {}},
    }
    changes = _new(state, [(Key("services", "default", "kubernetes"), service)])
    for key, obj in _endpoints(state):
        changes += _replaced(state, key, obj)
    return changes


def _endpoints(state: State) -> list[tuple[Key, Object]]:
    port, family = {**HTTPS, "port": state.settings.port}, _family(state.settings.advertise[0])
    addresses = [a for a in state.settings.advertise if _family(a) == family]
    meta = {"name": "kubernetes", "namespace": "default"}
    endpoints = {
        "kind": "Endpoints",
        "apiVersion": "v1",
        "metadata": meta | {"labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}},
        "subsets": [{"addresses": [{"ip": address} for address in addresses], "ports": [port]}],
    }
    endpoint_slice = {
        "kind": "EndpointSlice",
        "apiVersion": "discovery.k8s.io/v1",
        "metadata": meta | {"labels": {"kubernetes.io/service-name": "kubernetes"}},
        "addressType": family,
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}} for address in addresses],
        "ports": [port],
    }
    return [
        (Key("endpoints", "default", "kubernetes"), endpoints),
        (Key("endpointslices.discovery.k8s.io", "default", "kubernetes"), endpoint_slice),
    ]


def _family(address: str) -> str:
    return f"IPv{ipaddress.ip_address(address).version}"


def _new(state: State, objects: list[tuple[Key, Object]]) -> list[Change]:
    changes = []
    for key, obj in objects:
        if state.store.latest(key) is None:
            metadata.begin(obj, generation=False)
            changes.append(Change(key, obj))
    return changes


def _replaced(state: State, key: Key, obj: Object) -> list[Change]:
    row = state.store.latest(key)
    if row is None:
        return _new(state, [(key, obj)])
    old = row.decoded()
    new = obj | {"metadata": old["metadata"]}
    return [] if new == old else [Change(key, new)]
