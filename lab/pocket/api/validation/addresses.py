"""IP addresses and networks in objects, and the linked address fields of a Service."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from lab.pocket.api import field
from lab.pocket.api.field import FieldError

__all__ = ["cluster_ip_errors", "endpoint_ip_errors", "ip_errors", "network_errors", "parsed"]

Object = dict[str, Any]
_FAMILIES = ("IPv4", "IPv6")
_LEADING_ZEROS = re.compile(r"(?<![0-9])0+(?=[0-9])")
_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")


def parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text) if "%" not in text else None
    except ValueError:
        return None


def ip_errors(text: str, path: str, known: tuple[str, ...] | list[str] = ()) -> Iterator[FieldError]:
    """Yield what is wrong with an address; those that the stored object holds (`known`) are never refused."""
    if text in known:
        return
    address = parsed(text)
    if address is None and parsed(_LEADING_ZEROS.sub("", text)):
        yield field.invalid(path, text, "must not have leading 0s")
    elif address is None:
        yield field.invalid(path, text, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")
    elif isinstance(address, IPv6Address) and address.ipv4_mapped:
        yield field.invalid(path, text, "must not be an IPv4-mapped IPv6 address")


def network_errors(text: str, path: str) -> Iterator[FieldError]:
    try:
        network = ip_network(text, strict=False) if "/" in text else None
    except ValueError:
        network = None
    if network is None:
        yield field.invalid(path, text, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")
    elif ip_address(text.partition("/")[0]) != network.network_address:
        yield field.invalid(path, text, "must not have bits set beyond the prefix length")


def endpoint_ip_errors(text: str, path: str) -> Iterator[FieldError]:
    """Yield why no traffic may be sent to an address."""
    address = parsed(text)
    if address is None:
        yield field.invalid(path, text, "must be a valid IP address")
        return
    ranges = (
        (address.is_unspecified, f"may not be unspecified ({text})"),
        (address.is_loopback, "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
        (address.is_link_local, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"),
        (_local_multicast(address), "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"),
    )
    for forbidden, sentence in ranges:
        if forbidden:
            yield field.invalid(path, text, sentence)


def _local_multicast(address: IPv4Address | IPv6Address) -> bool:
    return address in (ip_network("224.0.0.0/24") if address.version == 4 else ip_network("ff02::/16"))


def cluster_ip_errors(service: Object, old: Object | None) -> list[FieldError]:
    """Return what is wrong with clusterIP, clusterIPs, ipFamilies and ipFamilyPolicy taken together."""
    spec = service["spec"]
    if spec["type"] == "ExternalName":
        return []
    errors = [*_linked(spec), *_families(spec)]
    known = old["spec"].get("clusterIPs", []) if old else []
    wrong = list(_each(spec.get("clusterIPs", []), known))
    errors += wrong
    if len(spec.get("clusterIPs", [])) > 2:
        errors.append(field.invalid("spec.clusterIPs", spec["clusterIPs"], "may only hold up to 2 values"))
    return errors if wrong else [*errors, *_together(spec)]


def _linked(spec: Object) -> Iterator[FieldError]:
    address, addresses = spec.get("clusterIP", ""), spec.get("clusterIPs", [])
    if address and not addresses:
        yield field.required("spec.clusterIPs")
    elif address and addresses[0] != address:
        yield field.invalid("spec.clusterIPs", addresses, "first value must match `clusterIP`")
    elif addresses and not address:
        yield field.invalid("spec.clusterIPs", addresses, "must be empty when `clusterIP` is not specified")


def _families(spec: Object) -> Iterator[FieldError]:
    families = spec.get("ipFamilies", [])
    for index, family in enumerate(families):
        if family not in _FAMILIES:
            yield field.not_supported(f"spec.ipFamilies[{index}]", family, _FAMILIES)
        if family in families[:index]:
            yield field.duplicate(f"spec.ipFamilies[{index}]", family)
    policy = spec.get("ipFamilyPolicy")
    if policy is not None and policy not in _POLICIES:
        yield field.not_supported("spec.ipFamilyPolicy", policy, _POLICIES)


def _each(addresses: list[str], known: list[str]) -> Iterator[FieldError]:
    for index, address in enumerate(addresses):
        if index == 0 and address == "None":
            if len(addresses) > 1:
                yield field.invalid("spec.clusterIPs", addresses, "'None' must be the first and only value")
        else:
            yield from ip_errors(address, f"spec.clusterIPs[{index}]", known)


def _together(spec: Object) -> Iterator[FieldError]:
    addresses, families = spec.get("clusterIPs", []), spec.get("ipFamilies", [])
    if addresses == ["None"]:
        return
    known = [parsed(address) for address in addresses]
    versions = [f"IPv{address.version}" for address in known if address]
    if len(versions) > 1 and len({*versions}) < 2:
        detail = "may specify no more than one IP for each IP family"
        yield field.invalid("spec.clusterIPs", addresses, detail)
    for index, (version, family) in enumerate(zip(versions, families, strict=False)):
        if family in _FAMILIES and version != family:
            detail = f"expected an {family} value as indicated by `ipFamilies[{index}]`"
            yield field.invalid(f"spec.clusterIPs[{index}]", addresses[index], detail)
