"""EndpointSlices, Endpoints and Leases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lab.pocket.api import field, names
from lab.pocket.api.field import FieldError
from lab.pocket.api.validation.addresses import endpoint_ip_errors, ip_errors, parsed
from lab.pocket.api.validation.metadata import immutable
from lab.pocket.api.validation.rules import checked, named, non_negative, one_of

__all__ = ["endpoints_errors", "lease_errors", "slice_errors", "slice_update_errors"]

Object = dict[str, Any]
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_MOST_ENDPOINTS, _MOST_PORTS, _MOST_ADDRESSES, _MOST_ZONES = 1000, 20000, 100, 8


def slice_errors(endpoint_slice: Object) -> Iterator[FieldError]:
    kind, endpoints = endpoint_slice.get("addressType", ""), endpoint_slice.get("endpoints") or []
    ports = endpoint_slice.get("ports") or []
    yield from one_of(kind, ("FQDN", "IPv4", "IPv6"), "addressType")
    if len(endpoints) > _MOST_ENDPOINTS:
        yield field.too_many("endpoints", len(endpoints), _MOST_ENDPOINTS)
    if len(ports) > _MOST_PORTS:
        yield field.too_many("ports", len(ports), _MOST_PORTS)
    if kind in {"FQDN", "IPv4", "IPv6"}:
        for index, endpoint in enumerate(endpoints):
            yield from _endpoint(endpoint, kind, f"endpoints[{index}]")
    taken: set[str] = set()
    for index, port in enumerate(ports):
        yield from _port(port, taken, f"ports[{index}]")


def slice_update_errors(new: Object, old: Object) -> Iterator[FieldError]:
    yield from slice_errors(new)
    yield from immutable(new.get("addressType"), old.get("addressType"), "addressType")


def _endpoint(endpoint: Object, kind: str, path: str) -> Iterator[FieldError]:
    addresses = endpoint.get("addresses") or []
    if not addresses:
        yield field.required(f"{path}.addresses", "must contain at least 1 address")
    elif len(addresses) > _MOST_ADDRESSES:
        yield field.too_many(f"{path}.addresses", len(addresses), _MOST_ADDRESSES)
    for index, address in enumerate(addresses):
        yield from _address(address, kind, f"{path}.addresses", index)
    if "nodeName" in endpoint:
        yield from checked(endpoint["nodeName"], names.dns_subdomain, f"{path}.nodeName")
    if "hostname" in endpoint:
        yield from checked(endpoint["hostname"], names.dns_label, f"{path}.hostname")
    zones = (endpoint.get("hints") or {}).get("forZones") or []
    if len(zones) > _MOST_ZONES:
        yield field.too_many(f"{path}.hints.forZones", len(zones), _MOST_ZONES)
    for index, zone in enumerate(zones):
        name = zone.get("name", "")
        if name in [other.get("name", "") for other in zones[:index]]:
            yield field.duplicate(f"{path}.hints.forZones[{index}].name", name)
        else:
            yield from checked(name, names.label_value, f"{path}.hints.forZones[{index}].name")


def _address(address: str, kind: str, path: str, index: int) -> Iterator[FieldError]:
    if kind == "FQDN":
        yield from checked(address, names.dns_subdomain, f"{path}[{index}]")
        return
    wrong = list(ip_errors(address, f"{path}[{index}]"))
    yield from wrong
    found = parsed(address)
    if found is not None and not wrong:
        if f"IPv{found.version}" != kind:
            yield field.invalid(path, address, f"must be an {kind} address")
        yield from endpoint_ip_errors(address, f"{path}[{index}]")


def _port(port: Object, taken: set[str], path: str) -> Iterator[FieldError]:
    name = port.get("name", "")
    if name:
        yield from checked(name, names.dns_label, f"{path}.name")
    if name in taken:
        yield field.duplicate(f"{path}.name", name)
    taken.add(name)
    yield from one_of(port.get("protocol"), _PROTOCOLS, f"{path}.protocol")
    if "appProtocol" in port:
        yield from checked(port["appProtocol"], names.qualified_name, f"{path}.appProtocol")


def endpoints_errors(endpoints: Object) -> Iterator[FieldError]:
    for index, subset in enumerate(endpoints.get("subsets") or ()):
        path = f"subsets[{index}]"
        if not subset.get("addresses") and not subset.get("notReadyAddresses"):
            yield field.required(path, "must specify `addresses` or `notReadyAddresses`")
        for name in ("addresses", "notReadyAddresses"):
            for number, address in enumerate(subset.get(name, ())):
                yield from _subset_address(address, f"{path}.{name}[{number}]")
        for number, port in enumerate(subset.get("ports", ())):
            yield from _subset_port(port, f"{path}.ports[{number}]", required=len(subset["ports"]) > 1)


def _subset_address(address: Object, path: str) -> Iterator[FieldError]:
    text = address.get("ip", "")
    yield from ip_errors(text, f"{path}.ip")
    yield from endpoint_ip_errors(text, f"{path}.ip")
    if address.get("hostname"):
        yield from checked(address["hostname"], names.dns_label, f"{path}.hostname")
    if "nodeName" in address:
        yield from checked(address["nodeName"], names.dns_subdomain, f"{path}.nodeName")


def _subset_port(port: Object, path: str, *, required: bool) -> Iterator[FieldError]:
    name = port.get("name", "")
    if required:
        yield from named(name, names.dns_label, f"{path}.name")
    elif name:
        yield from checked(name, names.dns_label, f"{path}.name")
    yield from checked(port.get("port", 0), names.port_number, f"{path}.port")
    yield from one_of(port.get("protocol"), _PROTOCOLS, f"{path}.protocol")
    if "appProtocol" in port:
        yield from checked(port["appProtocol"], names.qualified_name, f"{path}.appProtocol")


def lease_errors(lease: Object) -> Iterator[FieldError]:
    spec = lease.get("spec", {})
    seconds = spec.get("leaseDurationSeconds")
    if seconds is not None and seconds <= 0:
        yield field.invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0")
    yield from non_negative(spec.get("leaseTransitions"), "spec.leaseTransitions")
