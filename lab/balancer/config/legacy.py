"""The configuration of MetalLB up to 0.12 (one ConfigMap) → the objects that replaced it.

Names are those of MetalLB's converter: peer1…, bgpadvertisement1…, l2advertisement1…, communities; pools and BFD
profiles keep theirs as far as an object may be named so, and what names them follows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from lab.balancer.resources import (
    BFD_PROFILES,
    BGP_ADVERTISEMENTS,
    BGP_PEERS,
    COMMUNITIES,
    IP_ADDRESS_POOLS,
    L2_ADVERTISEMENTS,
)
from lab.errors import LabError
from lab.kube.resources import Json, Resource

PEER: Final = {
    "my-asn": "myASN",
    "peer-asn": "peerASN",
    "peer-address": "peerAddress",
    "source-address": "sourceAddress",
    "peer-port": "peerPort",
    "hold-time": "holdTime",
    "keepalive-time": "keepaliveTime",
    "router-id": "routerID",
    "password": "password",
    "bfd-profile": "bfdProfile",
    "ebgp-multihop": "ebgpMultiHop",
    "node-selectors": "nodeSelectors",
}
POOL: Final = {"addresses": "addresses", "auto-assign": "autoAssign", "avoid-buggy-ips": "avoidBuggyIPs"}
ADVERTISEMENT: Final = {
    "aggregation-length": "aggregationLength",
    "aggregation-length-v6": "aggregationLengthV6",
    "localpref": "localPref",
    "communities": "communities",
}
FIRST_RELEASES: Final = {"cidr": "addresses", "advertisements": "bgp-advertisements"}
BFD: Final = {
    "receive-interval": "receiveInterval",
    "transmit-interval": "transmitInterval",
    "detect-multiplier": "detectMultiplier",
    "echo-interval": "echoInterval",
    "echo-mode": "echoMode",
    "passive-mode": "passiveMode",
    "minimum-ttl": "minimumTtl",
}
LONGEST_NAME: Final = 63
"""Characters of a name that MetalLB's converter keeps."""
SECTIONS: Final = {"peers", "address-pools", "bgp-communities", "bfd-profiles"}
DEFAULT_HOLD_TIME: Final = "1m30s"

Converted = list[tuple[Resource, Json]]


class LegacyError(LabError):
    """The ConfigMap cannot be converted; says where and why."""


def parse(text: str) -> Any:
    """Return the content of key `config`, which is JSON or YAML; raises LegacyError."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return _parse_yaml(text)


def _parse_yaml(text: str) -> Any:
    try:
        import yaml  # noqa: PLC0415 -- only old installations need it
    except ImportError as error:
        raise LegacyError(
            "PyYAML is not installed beside the controller; write the content as JSON"
        ) from error

    class Loader(yaml.SafeLoader):
        """YAML as MetalLB read it: 64512:1 is a community there, and no number to the base 60."""

    Loader.yaml_implicit_resolvers = {
        first: [rule for rule in rules if not rule[1].match("1:1") and not rule[1].match("2001-01-01")]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    Loader.add_implicit_resolver(
        "tag:yaml.org,2002:int", re.compile(r"[-+]?(?:0|[1-9][0-9]*)$"), [*"-+0123456789"]
    )
    try:
        return yaml.load(text, Loader)  # noqa: S506 -- a safe one
    except yaml.YAMLError as error:
        raise LegacyError(f"not YAML: {error}") from error


def convert(document: Any, *, namespace: str) -> Converted:
    """Return the objects for the parsed content of key `config`; raises LegacyError."""
    sections = _of_first_releases(_mapping(document, "config"))
    if unknown := sorted(str(name) for name in set(sections) - SECTIONS):
        raise LegacyError(
            f"config: unknown section {unknown[0]!r}; there can be {', '.join(sorted(SECTIONS))}"
        )
    objects: Converted = []
    objects += _named(sections, "bfd-profiles", BFD_PROFILES, BFD)
    objects += _communities(sections)
    objects += _peers(sections)
    objects += _named(
        sections, "address-pools", IP_ADDRESS_POOLS, POOL, also={"protocol", "bgp-advertisements"}
    )
    objects += _advertisements(sections)
    _refuse_equal_names(objects)
    for _, item in objects:
        item["metadata"]["namespace"] = namespace
    return objects


def _refuse_equal_names(objects: Converted) -> None:
    seen: set[tuple[str, str]] = set()
    for resource, item in objects:
        name = item["metadata"]["name"]
        if (resource.kind, name) in seen:
            raise LegacyError(f"two of kind {resource.kind} would be called {name!r}: rename one of them")
        seen.add((resource.kind, name))


def _of_first_releases(sections: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the sections with pools of MetalLB up to 0.2 as 0.3 wrote them; those knew BGP alone."""
    pools = sections.get("address-pools")
    if not isinstance(pools, list):
        return sections
    return {**sections, "address-pools": [_renamed(pool) for pool in pools]}


def _renamed(pool: Any) -> Any:
    if not isinstance(pool, dict) or "cidr" not in pool:
        return pool
    return {"protocol": "bgp", **{FIRST_RELEASES.get(key, key): value for key, value in pool.items()}}


def _named(
    sections: Mapping[str, Any],
    section: str,
    resource: Resource,
    fields: Mapping[str, str],
    *,
    also: frozenset[str] | set[str] = frozenset(),
) -> Iterator[tuple[Resource, Json]]:
    for path, entry in _entries(sections, section):
        name = _object_name(entry.get("name"), path)
        rest = {key: value for key, value in entry.items() if key not in {"name", *also}}
        yield _object(resource, name, _fields(rest, fields, path))


def _communities(sections: Mapping[str, Any]) -> Iterator[tuple[Resource, Json]]:
    aliases = _mapping(sections.get("bgp-communities") or {}, "bgp-communities")
    if aliases:
        entries = [{"name": name, "value": str(value)} for name, value in aliases.items()]
        yield _object(COMMUNITIES, "communities", {"communities": entries})


def _peers(sections: Mapping[str, Any]) -> Iterator[tuple[Resource, Json]]:
    for number, (path, entry) in enumerate(_entries(sections, "peers"), 1):
        spec = {"holdTime": DEFAULT_HOLD_TIME, **_fields(entry, PEER, path)}
        if spec.get("bfdProfile"):
            spec["bfdProfile"] = _object_name(spec["bfdProfile"], path)
        if "nodeSelectors" in spec:
            selectors = _entries(entry, "node-selectors", within=f"{path}.")
            spec["nodeSelectors"] = [_selector(selector) for _, selector in selectors]
        yield _object(BGP_PEERS, f"peer{number}", spec)


def _selector(selector: Mapping[str, Any]) -> Json:
    names = {"match-labels": "matchLabels", "match-expressions": "matchExpressions"}
    return {names.get(key, key): value for key, value in selector.items()}


def _advertisements(sections: Mapping[str, Any]) -> Iterator[tuple[Resource, Json]]:
    numbers = {BGP_ADVERTISEMENTS: 0, L2_ADVERTISEMENTS: 0}
    for path, entry in _entries(sections, "address-pools"):
        resource = {"bgp": BGP_ADVERTISEMENTS, "layer2": L2_ADVERTISEMENTS}.get(str(entry.get("protocol")))
        if resource is None:
            raise LegacyError(f"{path}.protocol: {entry.get('protocol')!r} is unknown; write bgp or layer2")
        wishes = list(_entries(entry, "bgp-advertisements", within=f"{path}."))
        for where, wish in wishes if wishes and resource is BGP_ADVERTISEMENTS else [(path, {})]:
            numbers[resource] += 1
            spec = _fields(wish, ADVERTISEMENT, where)
            name = f"{resource.kind.lower()}{numbers[resource]}"
            yield _object(resource, name, {**spec, "ipAddressPools": [_object_name(entry.get("name"), path)]})


def _entries(
    sections: Mapping[str, Any], section: str, *, within: str = ""
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    entries = sections.get(section) or []
    if not isinstance(entries, list):
        raise LegacyError(f"{within}{section}: must be a list")
    for index, entry in enumerate(entries):
        path = f"{within}{section}[{index}]"
        yield path, _mapping(entry, path)


def _mapping(value: Any, path: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise LegacyError(f"{path}: must be a mapping")
    return value


def _fields(entry: Mapping[str, Any], fields: Mapping[str, str], path: str) -> Json:
    for key in entry:
        if key not in fields:
            raise LegacyError(f"{path}: unknown field {key!r}; there can be {', '.join(fields)}")
    return {fields[key]: value for key, value in entry.items()}


def _object_name(given: Any, path: str) -> str:
    """Return the name as the API admits it (RFC 1123), and as MetalLB's converter does: from its first letter on."""
    name = re.sub(r"[^a-z0-9.-]+", "-", str(given or "").lower()).lstrip("-.0123456789")
    if not (name := name[:LONGEST_NAME].rstrip("-.")):
        raise LegacyError(f"{path}: has no usable name")
    return name


def _object(resource: Resource, name: str, spec: Json) -> tuple[Resource, Json]:
    return resource, {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {"name": name},
        "spec": spec,
    }
