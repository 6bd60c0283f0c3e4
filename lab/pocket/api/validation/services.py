"""Services: what the API refuses to store (pkg/apis/core/validation of Kubernetes v1.36)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lab.pocket.api import field, names
from lab.pocket.api.field import FieldError
from lab.pocket.api.validation import metadata
from lab.pocket.api.validation.addresses import (
    cluster_ip_errors,
    endpoint_ip_errors,
    ip_errors,
    network_errors,
    parsed,
)

__all__ = ["service_errors", "service_status_errors", "service_update_errors"]

Object = dict[str, Any]
_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_RANGES_ANNOTATION = "service.beta.kubernetes.io/load-balancer-source-ranges"
_ONLY_LOAD_BALANCERS = "may only be used when `type` is 'LoadBalancer'"
_DAY = 86400


def service_errors(service: Object, old: Object | None = None) -> Iterator[FieldError]:
    """Yield what is wrong with a Service whose addresses and ports have been allocated."""
    spec = service["spec"]
    kind = spec["type"]
    if not spec.get("ports") and not _headless(spec) and kind != "ExternalName":
        yield field.required("spec.ports")
    yield from _by_type(spec)
    yield from _ports(spec)
    yield from metadata.labels(spec.get("selector", {}), "spec.selector")
    yield from _session_affinity(spec)
    yield from cluster_ip_errors(service, old)
    yield from _external_ips(spec, old)
    if kind not in _TYPES:
        yield field.not_supported("spec.type", kind, _TYPES)
    yield from _port_uniqueness(spec)
    yield from _source_ranges(service)
    yield from _load_balancer(spec)
    yield from _traffic(spec)


def service_update_errors(new: Object, old: Object) -> Iterator[FieldError]:
    """Yield what is wrong with an updated Service, whatever may not change included."""
    after, before = new["spec"], old["spec"]
    if "ExternalName" not in {after["type"], before["type"]}:
        if not (_headless(after) and _headless(before)):
            yield from _address_changes(after, before)
        if not _headless(after) and not _headless(before):
            yield from _family_changes(after, before)
    if after["type"] == before["type"] == "LoadBalancer":
        yield from metadata.immutable(
            after.get("loadBalancerClass"),
            before.get("loadBalancerClass"),
            "spec.loadBalancerClass",
            "may not change once set",
        )
    yield from _class(after)  # a second time below, as in Kubernetes
    checked = _needs_health_check(after) and _needs_health_check(before)
    if checked and after.get("healthCheckNodePort") != before.get("healthCheckNodePort"):
        yield field.forbidden("spec.healthCheckNodePort", "field is immutable")
    yield from service_errors(new, old)


def service_status_errors(new: Object, old: Object) -> Iterator[FieldError]:
    """Yield what is wrong with `status.loadBalancer`."""
    path = "status.loadBalancer.ingress"
    ingresses = new.get("status", {}).get("loadBalancer", {}).get("ingress", [])
    if ingresses and new["spec"]["type"] != "LoadBalancer":
        yield field.forbidden(path, "may only be used when `spec.type` is 'LoadBalancer'")
        return
    before = old.get("status", {}).get("loadBalancer", {}).get("ingress", [])
    known = [ingress["ip"] for ingress in before if ingress.get("ip")]
    for index, ingress in enumerate(ingresses):
        yield from _ingress(ingress, f"{path}[{index}]", known)


def _ingress(ingress: Object, path: str, known: list[str]) -> Iterator[FieldError]:
    address, mode, hostname = ingress.get("ip", ""), ingress.get("ipMode"), ingress.get("hostname", "")
    if address:
        yield from ip_errors(address, f"{path}.ip", known)
    if mode is None:
        if address:
            yield field.required(f"{path}.ipMode", "must be specified when `ip` is set")
    elif not address:
        yield field.forbidden(f"{path}.ipMode", "may not be specified when `ip` is not set")
    elif mode not in {"VIP", "Proxy"}:
        yield field.not_supported(f"{path}.ipMode", mode, ("Proxy", "VIP"))
    if hostname:
        for sentence in names.dns_subdomain(hostname):
            yield field.invalid(f"{path}.hostname", hostname, sentence)
        if parsed(hostname):
            yield field.invalid(f"{path}.hostname", hostname, "must be a DNS name, not an IP address")


def _headless(spec: Object) -> bool:
    return bool(spec.get("clusterIPs") == ["None"])


def _needs_health_check(spec: Object) -> bool:
    return bool(spec["type"] == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local")


def _by_type(spec: Object) -> Iterator[FieldError]:
    kind = spec["type"]
    if kind in {"LoadBalancer", "NodePort"} and _headless(spec):
        yield field.invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services")
    if kind != "ExternalName":
        return
    for name in ("clusterIPs", "ipFamilies", "ipFamilyPolicy"):
        if spec.get(name):
            yield field.forbidden(f"spec.{name}", "may not be set for ExternalName services")
    target = spec.get("externalName", "").removesuffix(".")
    if not target:
        yield field.required("spec.externalName")
    else:
        for sentence in names.dns_subdomain(target):
            yield field.invalid("spec.externalName", target, sentence)


def _ports(spec: Object) -> Iterator[FieldError]:
    ports = spec.get("ports", [])
    for index, port in enumerate(ports):
        path, name = f"spec.ports[{index}]", port.get("name", "")
        if name:
            for sentence in names.dns_label(name):
                yield field.invalid(f"{path}.name", name, sentence)
            if name in [other.get("name") for other in ports[:index]]:
                yield field.duplicate(f"{path}.name", name)
        elif len(ports) > 1:
            yield field.required(f"{path}.name")
        yield from _port(port, path)


def _port(port: Object, path: str) -> Iterator[FieldError]:
    for sentence in names.port_number(port["port"]):
        yield field.invalid(f"{path}.port", port["port"], sentence)
    if port["protocol"] not in _PROTOCOLS:
        yield field.not_supported(f"{path}.protocol", port["protocol"], _PROTOCOLS)
    target = port["targetPort"]
    for sentence in names.port_name(target) if isinstance(target, str) else names.port_number(target):
        yield field.invalid(f"{path}.targetPort", target, sentence)
    if "appProtocol" in port:
        for sentence in names.qualified_name(port["appProtocol"]):
            yield field.invalid(f"{path}.appProtocol", port["appProtocol"], sentence)


def _port_uniqueness(spec: Object) -> Iterator[FieldError]:
    node_ports, ports = set(), set()
    for index, port in enumerate(spec.get("ports", ())):
        path, number = f"spec.ports[{index}]", port.get("nodePort")
        if number and spec["type"] == "ClusterIP":
            yield field.forbidden(f"{path}.nodePort", "may not be used when `type` is 'ClusterIP'")
        if number and (number, port["protocol"]) in node_ports:
            yield field.duplicate(f"{path}.nodePort", number)
        if (port["port"], port["protocol"]) in ports:
            yield field.duplicate(path, _key(port))
        node_ports.add((number, port["protocol"]))
        ports.add((port["port"], port["protocol"]))


def _key(port: Object) -> Object:
    """Return what Kubernetes shows of a port that is there twice: its internal struct."""
    shown = {"Name": "", "Protocol": port["protocol"], "AppProtocol": None, "Port": port["port"]}
    return {**shown, "TargetPort": 0, "NodePort": 0}


def _session_affinity(spec: Object) -> Iterator[FieldError]:
    affinity, config = spec.get("sessionAffinity", "None"), spec.get("sessionAffinityConfig")
    if affinity not in {"ClientIP", "None"}:
        yield field.not_supported("spec.sessionAffinity", affinity, ("ClientIP", "None"))
    elif affinity == "None" and config is not None:
        detail = "must not be set when session affinity is None"
        yield field.forbidden("spec.sessionAffinityConfig", detail)
    elif affinity == "ClientIP":
        seconds = ((config or {}).get("clientIP") or {}).get("timeoutSeconds", 0)
        if not 0 < seconds <= _DAY:
            path = "spec.sessionAffinityConfig.clientIP.timeoutSeconds"
            yield field.invalid(path, seconds, f"must be greater than 0 and less than {_DAY}")


def _external_ips(spec: Object, old: Object | None) -> Iterator[FieldError]:
    known = old["spec"].get("externalIPs", []) if old else []
    for index, address in enumerate(spec.get("externalIPs", ())):
        path = f"spec.externalIPs[{index}]"
        wrong = list(ip_errors(address, path, known))
        yield from wrong or endpoint_ip_errors(address, path)


def _source_ranges(service: Object) -> Iterator[FieldError]:
    spec = service["spec"]
    ranges = spec.get("loadBalancerSourceRanges", [])
    annotation = service["metadata"].get("annotations", {}).get(_RANGES_ANNOTATION)
    if ranges:
        path = "spec.LoadBalancerSourceRanges"
        entries = [(f"{path}[{index}]", text.strip()) for index, text in enumerate(ranges)]
    elif annotation is not None:
        path = f"metadata.annotations[{_RANGES_ANNOTATION}]"
        entries = [(path, text.strip()) for text in annotation.split(",") if annotation.strip()]
    else:
        return
    if spec["type"] != "LoadBalancer":
        yield field.forbidden(path, _ONLY_LOAD_BALANCERS)
    for where, text in entries:
        yield from network_errors(text, where)


def _load_balancer(spec: Object) -> Iterator[FieldError]:
    if "allocateLoadBalancerNodePorts" in spec and spec["type"] != "LoadBalancer":
        yield field.forbidden("spec.allocateLoadBalancerNodePorts", _ONLY_LOAD_BALANCERS)
    yield from _class(spec)


def _class(spec: Object) -> Iterator[FieldError]:
    name = spec.get("loadBalancerClass")
    if name is None:
        return
    if spec["type"] != "LoadBalancer":
        yield field.forbidden("spec.loadBalancerClass", _ONLY_LOAD_BALANCERS)
        return
    for sentence in names.qualified_name(name):
        yield field.invalid("spec.loadBalancerClass", name, sentence)


def _traffic(spec: Object) -> Iterator[FieldError]:
    kind, policy = spec["type"], spec.get("externalTrafficPolicy")
    reachable = kind in {"NodePort", "LoadBalancer"} or (kind == "ClusterIP" and spec.get("externalIPs"))
    if policy and not reachable:
        detail = "may only be set for externally-accessible services"
        yield field.invalid("spec.externalTrafficPolicy", policy, detail)
    elif reachable and policy not in {"Cluster", "Local"}:
        yield field.not_supported("spec.externalTrafficPolicy", policy, ("Cluster", "Local"))
    yield from _health_check(spec)
    internal = spec.get("internalTrafficPolicy")
    if internal is not None and internal not in {"Cluster", "Local"}:
        yield field.not_supported("spec.internalTrafficPolicy", internal, ("Cluster", "Local"))
    distribution = spec.get("trafficDistribution")
    distributions = ("PreferClose", "PreferSameZone", "PreferSameNode")
    if distribution is not None and distribution not in distributions:
        yield field.not_supported("spec.trafficDistribution", distribution, distributions)


def _health_check(spec: Object) -> Iterator[FieldError]:
    number, path = spec.get("healthCheckNodePort", 0), "spec.healthCheckNodePort"
    if _needs_health_check(spec):
        if not number:
            yield field.required(path)
        else:
            for sentence in names.port_number(number):
                yield field.invalid(path, number, sentence)
    elif number:
        detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        yield field.invalid(path, number, detail)


def _address_changes(after: Object, before: Object) -> Iterator[FieldError]:
    new, old, path = after.get("clusterIPs", []), before.get("clusterIPs", []), "spec.clusterIPs"
    if old and not new:
        yield field.invalid(f"{path}[0]", new, "primary clusterIP can not be unset")
    for index in range(len(old) if len(old) == len(new) else min(len(old), len(new), 1)):
        if old[index] != new[index]:
            yield field.invalid(f"{path}[{index}]", new, "may not change once set")
    if len(old) > len(new) == 1 and after.get("ipFamilyPolicy") != "SingleStack":
        detail = "must be set to 'SingleStack' when releasing the secondary clusterIP"
        yield field.invalid("spec.ipFamilyPolicy", after.get("ipFamilyPolicy"), detail)


def _family_changes(after: Object, before: Object) -> Iterator[FieldError]:
    new, old, path = after.get("ipFamilies", []), before.get("ipFamilies", []), "spec.ipFamilies[0]"
    if old and not new:
        yield field.invalid(path, new, "primary ipFamily can not be unset")
    for index in range(len(old) if len(old) == len(new) else min(len(old), len(new), 1)):
        if old[index] != new[index]:
            yield field.invalid(path, new, "may not change once set")
    if len(old) > len(new) == 1 and after.get("ipFamilyPolicy") != "SingleStack":
        detail = "must be set to 'SingleStack' when releasing the secondary ipFamily"
        yield field.invalid("spec.ipFamilyPolicy", after.get("ipFamilyPolicy"), detail)
