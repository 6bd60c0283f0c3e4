"""API objects to service ports and endpoints of one address family."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address, ip_network
from typing import Any

from lab.pocket.proxy.model import Endpoint, Family, PortName, ServicePort

DEFAULT_AFFINITY_SECONDS = 10800
"""ClientIPConfig.timeoutSeconds when the Service does not say."""

Backends = Mapping[tuple[str, str], tuple[Endpoint, ...]]
"""Port name and lower-case protocol to endpoints."""


def service_ports(service: Mapping[str, Any], family: Family) -> tuple[ServicePort, ...]:
    """Return the ports of a Service that this proxy implements in `family`; none for headless and ExternalName ones."""
    spec = service["spec"]
    if _is_someone_elses(service) or spec.get("type") == "ExternalName":
        return ()
    cluster_ip = next(iter(_of_family(spec.get("clusterIPs") or [spec.get("clusterIP", "")], family)), "")
    if not cluster_ip:
        return ()
    return tuple(_port(service, port, cluster_ip=cluster_ip, family=family) for port in spec.get("ports", ()))


def endpoints_of(slices: Iterable[Mapping[str, Any]], family: Family, node: str) -> Backends:
    """Return the endpoints in the slices of one Service, by port, in a stable order without duplicates.

    An address that appears in two slices, as happens while it moves between them, counts once, the ready one winning.
    """
    found: dict[tuple[str, str], dict[str, Endpoint]] = {}
    for piece in slices:
        if piece.get("addressType") != family.value:
            continue
        for port in piece.get("ports") or ():
            if port.get("port") is None:
                continue
            group = found.setdefault((port.get("name") or "", (port.get("protocol") or "TCP").lower()), {})
            for entry in piece.get("endpoints") or ():
                endpoint = _endpoint(entry, int(port["port"]), node)
                known = group.get(endpoint.address)
                if known is None or (endpoint.ready and not known.ready):
                    group[endpoint.address] = endpoint
    return {key: tuple(group[address] for address in sorted(group)) for key, group in found.items()}


def _is_someone_elses(service: Mapping[str, Any]) -> bool:
    labels = service["metadata"].get("labels") or {}
    return "service.kubernetes.io/service-proxy-name" in labels or "service.kubernetes.io/headless" in labels


def _port(
    service: Mapping[str, Any], port: Mapping[str, Any], *, cluster_ip: str, family: Family
) -> ServicePort:
    metadata, spec = service["metadata"], service["spec"]
    return ServicePort(
        name=PortName(metadata["namespace"], metadata["name"], port.get("name", "")),
        protocol=port.get("protocol", "TCP").lower(),
        cluster_ip=cluster_ip,
        port=int(port["port"]),
        node_port=int(port.get("nodePort") or 0),
        external_ips=_of_family(spec.get("externalIPs") or (), family),
        load_balancer_ips=_load_balancer_ips(service, family),
        source_ranges=_source_ranges(spec, family),
        internal_local=spec.get("internalTrafficPolicy") == "Local",
        external_local=spec.get("externalTrafficPolicy") == "Local",
        affinity_seconds=_affinity(spec),
        health_check_node_port=int(spec.get("healthCheckNodePort") or 0),
    )


def _load_balancer_ips(service: Mapping[str, Any], family: Family) -> tuple[str, ...]:
    if service["spec"].get("type") != "LoadBalancer":
        return ()
    ingress = (service.get("status") or {}).get("loadBalancer", {}).get("ingress") or ()
    # ipMode Proxy (KEP-1860) means that the load balancer rewrites the destination itself.
    return _of_family((e.get("ip", "") for e in ingress if e.get("ipMode", "VIP") == "VIP"), family)


def _source_ranges(spec: Mapping[str, Any], family: Family) -> tuple[str, ...]:
    ranges = [ip_network(text.strip(), strict=False) for text in spec.get("loadBalancerSourceRanges") or ()]
    return tuple(str(each) for each in ranges if each.version == _version(family))


def _affinity(spec: Mapping[str, Any]) -> int:
    if spec.get("sessionAffinity") != "ClientIP":
        return 0
    config = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
    return int(config.get("timeoutSeconds") or DEFAULT_AFFINITY_SECONDS)


def _endpoint(entry: Mapping[str, Any], port: int, node: str) -> Endpoint:
    conditions = entry.get("conditions") or {}
    ready = conditions.get("ready") is not False
    serving = conditions.get("serving")
    return Endpoint(
        ip=entry["addresses"][0],
        port=port,
        ready=ready,
        serving=ready if serving is None else bool(serving),
        terminating=bool(conditions.get("terminating")),
        local=entry.get("nodeName") == node,
    )


def _version(family: Family) -> int:
    return 4 if family is Family.IPV4 else 6


def _of_family(addresses: Iterable[str], family: Family) -> tuple[str, ...]:
    return tuple(
        each
        for each in addresses
        if each not in {"", "None"} and ip_address(each).version == _version(family)
    )
