"""Ingresses, IngressClasses and NetworkPolicies (pkg/apis/networking/validation of Kubernetes v1.36)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

from lab.pocket.api import field, names
from lab.pocket.api.field import FieldError
from lab.pocket.api.validation.addresses import network_errors, parsed
from lab.pocket.api.validation.metadata import immutable, label_selector
from lab.pocket.api.validation.rules import checked, named, one_of

__all__ = ["ingress_class_errors", "ingress_class_update_errors", "ingress_errors", "network_policy_errors"]

Object = dict[str, Any]
_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_PATH_SEQUENCES, _PATH_ENDINGS = ("//", "/./", "/../", "%2f", "%2F"), ("/..", "/.")
_CLASS_ANNOTATION = "kubernetes.io/ingress.class"
_DOMAIN_PATH = re.compile(r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+")


def ingress_errors(ingress: Object) -> Iterator[FieldError]:
    spec = ingress["spec"]
    annotation = ingress["metadata"].get("annotations", {}).get(_CLASS_ANNOTATION)
    if annotation is not None and annotation != spec.get("ingressClassName", annotation):
        detail = "must match `ingressClassName` when both are specified"
        yield field.invalid(f"annotations.{_CLASS_ANNOTATION}", annotation, detail)
    if "ingressClassName" in spec:
        yield from checked(spec["ingressClassName"], names.dns_subdomain, "spec.ingressClassName")
    for index, rule in enumerate(spec.get("rules", ())):
        yield from _rule(rule, f"spec.rules[{index}]")
    if "defaultBackend" in spec:
        yield from _backend(spec["defaultBackend"], "spec.defaultBackend")
    elif not spec.get("rules"):
        yield field.invalid("spec", None, "either `defaultBackend` or `rules` must be specified")
    for index, entry in enumerate(spec.get("tls", ())):
        yield from _tls(entry, f"spec.tls[{index}]")


def _tls(entry: Object, path: str) -> Iterator[FieldError]:
    for index, host in enumerate(entry.get("hosts", ())):
        yield from checked(host, _host_rule(host), f"{path}.hosts[{index}]")
    if entry.get("secretName"):
        yield from checked(entry["secretName"], names.dns_subdomain, f"{path}.secretName")


def _host_rule(host: str) -> names.NameRule:
    return names.wildcard_subdomain if "*" in host else names.dns_subdomain


def _rule(rule: Object, path: str) -> Iterator[FieldError]:
    host = rule.get("host", "")
    if host and parsed(host):
        yield field.invalid(f"{path}.host", host, "must be a DNS name, not an IP address")
    elif host:
        yield from checked(host, _host_rule(host), f"{path}.host")
    http = rule.get("http")
    if http is None:
        return
    if not http.get("paths"):
        yield field.required(f"{path}.http.paths")
    for index, one in enumerate(http.get("paths") or ()):
        yield from _path(one, f"{path}.http.paths[{index}]")


def _path(one: Object, path: str) -> Iterator[FieldError]:
    kind, target = one.get("pathType"), one.get("path", "")
    if kind is None:
        yield field.required(f"{path}.pathType", "pathType must be specified")
    elif kind in {"Exact", "Prefix"}:
        yield from _exact(target, f"{path}.path")
    elif kind == "ImplementationSpecific":
        if target and not target.startswith("/"):
            yield field.invalid(f"{path}.path", target, "must be an absolute path")
    else:
        yield field.not_supported(f"{path}.pathType", kind, _PATH_TYPES)
    yield from _backend(one.get("backend", {}), f"{path}.backend")


def _exact(target: str, path: str) -> Iterator[FieldError]:
    if not target.startswith("/"):
        yield field.invalid(path, target, "must be an absolute path")
    for part in _PATH_SEQUENCES:
        if part in target:
            yield field.invalid(path, target, f"must not contain '{part}'")
    for part in _PATH_ENDINGS:
        if target.endswith(part):
            yield field.invalid(path, target, f"cannot end with '{part}'")


def _backend(backend: Object, path: str) -> Iterator[FieldError]:
    resource, service = backend.get("resource"), backend.get("service")
    if resource is not None and service is not None:
        yield field.invalid(path, "", "cannot set both resource and service backends")
    elif resource is not None:
        for name in ("kind", "name"):
            if not resource.get(name):
                yield field.required(f"{path}.resource.{name}")
    elif service is not None:
        yield from _service(service, path)
    else:
        yield field.invalid(path, "", "resource or service backend is required")


def _service(service: Object, path: str) -> Iterator[FieldError]:
    yield from named(service.get("name", ""), names.dns_label, f"{path}.service.name")
    port = service.get("port", {})
    name, number = port.get("name", ""), port.get("number", 0)
    if name and number:
        yield field.invalid(path, "", "cannot set both port name & port number")
    elif name:
        yield from checked(name, names.port_name, f"{path}.service.port.name")
    elif number:
        yield from checked(number, names.port_number, f"{path}.service.port.number")
    else:
        yield field.required(path, "port name or number is required")


def ingress_class_errors(ingress_class: Object) -> Iterator[FieldError]:
    spec = ingress_class["spec"]
    controller = spec.get("controller", "")
    if len(controller) > 250:
        yield field.too_long("spec.controller", 250)
    yield from named(controller, _domain_path, "spec.controller")
    parameters = spec.get("parameters")
    if parameters is not None:
        yield from _parameters(parameters, "spec.parameters")


def _domain_path(text: str) -> list[str]:
    domain, _, rest = text.partition("/")
    if not domain or not rest:
        return ['must be a domain-prefixed path (such as "acme.io/foo")']
    wrong = names.dns_subdomain(domain)
    return wrong or (
        []
        if _DOMAIN_PATH.fullmatch(rest)
        else [f"Invalid path (regex used for validation is '{_DOMAIN_PATH.pattern}')"]
    )


def _parameters(parameters: Object, path: str) -> Iterator[FieldError]:
    if parameters.get("apiGroup"):
        yield from checked(parameters["apiGroup"], names.dns_subdomain, f"{path}.apiGroup")
    for name in ("kind", "name"):
        yield from named(parameters.get(name, ""), names.path_segment, f"{path}.{name}")
    scope, namespace = parameters.get("scope", "Cluster"), parameters.get("namespace")
    if scope not in {"Cluster", "Namespace"}:
        yield field.not_supported(f"{path}.scope", scope, ("Cluster", "Namespace"))
    elif scope == "Cluster" and namespace is not None:
        yield field.forbidden(f"{path}.namespace", "`parameters.scope` is set to 'Cluster'")
    elif scope == "Namespace" and not namespace:
        yield field.required(f"{path}.namespace", "`parameters.scope` is set to 'Namespace'")
    elif scope == "Namespace":
        yield from checked(namespace, names.dns_label, f"{path}.namespace")


def ingress_class_update_errors(new: Object, old: Object) -> Iterator[FieldError]:
    yield from ingress_class_errors(new)
    yield from immutable(new["spec"].get("controller"), old["spec"].get("controller"), "spec.controller")


def network_policy_errors(policy: Object) -> Iterator[FieldError]:
    spec = policy["spec"]
    yield from label_selector(spec.get("podSelector", {}), "spec.podSelector")
    for direction, side in (("ingress", "from"), ("egress", "to")):
        for index, rule in enumerate(spec.get(direction, ())):
            path = f"spec.{direction}[{index}]"
            for number, port in enumerate(rule.get("ports", ())):
                yield from _port(port, f"{path}.ports[{number}]")
            for number, peer in enumerate(rule.get(side, ())):
                yield from _peer(peer, f"{path}.{side}[{number}]")
    kinds = spec.get("policyTypes", [])
    if len(kinds) > 2:
        yield field.invalid("spec.policyTypes", kinds, "may not specify more than two policyTypes")
        return
    for index, kind in enumerate(kinds):
        if kind not in {"Ingress", "Egress"}:
            yield field.not_supported(f"spec.policyTypes[{index}]", kind, ("Ingress", "Egress"))


def _port(port: Object, path: str) -> Iterator[FieldError]:
    yield from one_of(port.get("protocol"), ("TCP", "UDP", "SCTP"), f"{path}.protocol")
    number, last = port.get("port"), port.get("endPort")
    if number is None:
        if last is not None:
            yield field.invalid(f"{path}.endPort", last, "may not be specified when `port` is not specified")
        return
    yield from checked(
        number, names.port_name if isinstance(number, str) else names.port_number, f"{path}.port"
    )
    if last is None:
        return
    if isinstance(number, str):
        yield field.invalid(f"{path}.endPort", last, "may not be specified when `port` is non-numeric")
    elif last < number:
        yield field.invalid(f"{path}.endPort", number, "must be greater than or equal to `port`")


def _peer(peer: Object, path: str) -> Iterator[FieldError]:
    selectors = {"podSelector", "namespaceSelector"} & peer.keys()
    for name in sorted(selectors):
        yield from label_selector(peer[name], f"{path}.{name}")
    if "ipBlock" in peer:
        yield from _block(peer["ipBlock"], f"{path}.ipBlock")
        if selectors:
            yield field.forbidden(path, "may not specify both ipBlock and another peer")
    elif not selectors:
        yield field.required(path, "must specify a peer")


def _block(block: Object, path: str) -> Iterator[FieldError]:
    text = block.get("cidr", "")
    if not text:
        yield field.required(f"{path}.cidr")
        return
    wrong = list(network_errors(text, f"{path}.cidr"))
    yield from wrong
    for index, part in enumerate(block.get("except", ())):
        where = f"{path}.except[{index}]"
        broken = list(network_errors(part, where))
        yield from broken
        if not wrong and not broken and not _strictly_inside(part, text):
            yield field.invalid(where, part, "must be a strict subset of `cidr`")


def _strictly_inside(inner: str, outer: str) -> bool:
    small, large = ip_network(inner), ip_network(outer)
    same = small.version == large.version and small.prefixlen > large.prefixlen
    return same and small.network_address in large
