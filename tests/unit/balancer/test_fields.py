"""docs/metallb-fields.md against the CRDs and the programs: every field is in it, and does what it says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import lab.balancer
from lab.balancer.config import Loaded, Objects, load
from tests.unit.balancer.config_objects import Json, item, peer, pool, secret, selector

PAGE = Path(__file__).parents[3] / "docs" / "metallb-fields.md"
CRDS = sorted((Path(lab.balancer.__file__).parent / "crds").glob("*s.yaml"))
VERDICTS = {"works", "nothing", "written", "not written"}
Field = tuple[str, str]
"""Kind and path."""


def page() -> dict[Field, str]:
    """Return what the page says of each field."""
    found: dict[Field, str] = {}
    kind = ""
    for line in PAGE.read_text().splitlines():
        if heading := re.match(r"## (\w+)$", line):
            kind = heading[1]
        if row := re.match(r"\| `([\w.]+)` \| ([\w ]+) \|", line):
            found[kind, row[1]] = row[2]
    return found


def leaves(schema: Json, path: str = "") -> Iterator[str]:
    """Give the fields of a schema; selectors and conditions count as one."""
    schema = schema.get("items", schema)
    fields = schema.get("properties", {})
    if not fields or "matchLabels" in fields or path == "status.conditions":
        yield path
        return
    for name, field in fields.items():
        yield from leaves(field, f"{path}.{name}" if path else name)


def fields_of(definition: Json, version: str = "") -> set[Field]:
    (schema,) = (
        found["schema"]["openAPIV3Schema"]
        for found in definition["spec"]["versions"]
        if (found["name"] == version if version else found["storage"])
    )
    kind = definition["spec"]["names"]["kind"]
    own = {"apiVersion", "kind", "metadata"}
    return {(kind, path) for path in leaves(schema) if path not in own}


DEFINITIONS: dict[str, Json] = {path.stem: yaml.safe_load(path.read_text()) for path in CRDS}


def test_every_field_is_on_the_page() -> None:
    assert set(page()) == {field for definition in DEFINITIONS.values() for field in fields_of(definition)}
    assert set(page().values()) == VERDICTS


def test_the_old_version_of_peers_has_no_field_of_its_own() -> None:
    peers = DEFINITIONS["bgppeers"]
    assert fields_of(peers, "v1beta1") < fields_of(peers)


RED = [selector(team="red")]
# What a spec may say besides the smallest one of its kind, for each field that somebody writes.
SAMPLES: dict[str, dict[str, Json]] = {
    "IPAddressPool": {
        "addresses": {"addresses": ["192.0.2.0/28"]},
        "autoAssign": {"autoAssign": False},
        "avoidBuggyIPs": {"avoidBuggyIPs": True},
        "serviceAllocation.priority": {"serviceAllocation": {"priority": 7}},
        "serviceAllocation.namespaces": {"serviceAllocation": {"namespaces": ["a"]}},
        "serviceAllocation.namespaceSelectors": {"serviceAllocation": {"namespaceSelectors": RED}},
        "serviceAllocation.serviceSelectors": {"serviceAllocation": {"serviceSelectors": RED}},
    },
    "BGPPeer": {
        "myASN": {"myASN": 7},
        "peerASN": {"peerASN": 7},
        "dynamicASN": {"peerASN": None, "dynamicASN": "external"},
        "localASN": {"localASN": 7},
        "peerAddress": {"peerAddress": "10.0.0.9"},
        "interface": {"peerAddress": None, "interface": "eth0"},
        "sourceAddress": {"sourceAddress": "10.0.0.51"},
        "peerPort": {"peerPort": 1179},
        "holdTime": {"holdTime": "30s"},
        "keepaliveTime": {"keepaliveTime": "3s"},
        "connectTime": {"connectTime": "3s"},
        "routerID": {"routerID": "1.1.1.1"},
        "nodeSelectors": {"nodeSelectors": RED},
        "password": {"password": "geheim"},
        "passwordSecret.name": {"passwordSecret": {"name": "s"}},
        "passwordSecret.namespace": {"passwordSecret": {"name": "s", "namespace": "elsewhere"}},
        "bfdProfile": {"bfdProfile": "b"},
        "enableGracefulRestart": {"enableGracefulRestart": True},
        "ebgpMultiHop": {"ebgpMultiHop": True},
        "vrf": {"vrf": "red"},
        "disableMP": {"disableMP": True},
        "dualStackAddressFamily": {"dualStackAddressFamily": True},
    },
    "BGPAdvertisement": {
        "aggregationLength": {"aggregationLength": 30},
        "aggregationLengthV6": {"aggregationLengthV6": 120},
        "localPref": {"localPref": 0},
        "communities": {"communities": ["large:1:2:3"]},
        "ipAddressPools": {"ipAddressPools": ["p"]},
        "ipAddressPoolSelectors": {"ipAddressPoolSelectors": RED},
        "nodeSelectors": {"nodeSelectors": RED},
        "peers": {"peers": ["r"]},
        "serviceSelectors": {"serviceSelectors": RED},
    },
    "L2Advertisement": {
        "ipAddressPools": {"ipAddressPools": ["p"]},
        "ipAddressPoolSelectors": {"ipAddressPoolSelectors": RED},
        "interfaces": {"interfaces": ["eth0"]},
        "nodeSelectors": {"nodeSelectors": RED},
        "serviceSelectors": {"serviceSelectors": RED},
        "preferredNodeSelectors.weight": {"preferredNodeSelectors": [{"weight": 1, "preference": RED[0]}]},
        "preferredNodeSelectors.preference": {
            "preferredNodeSelectors": [{"weight": 1, "preference": RED[0]}]
        },
    },
    "BFDProfile": {
        "receiveInterval": {"receiveInterval": 50},
        "transmitInterval": {"transmitInterval": 50},
        "detectMultiplier": {"detectMultiplier": 5},
        "echoInterval": {"echoInterval": 60},
        "echoMode": {"echoMode": True},
        "passiveMode": {"passiveMode": True},
        "minimumTtl": {"minimumTtl": 200},
    },
    "Community": {
        "communities.name": {"communities": [{"name": "other", "value": "1:2"}]},
        "communities.value": {"communities": [{"name": "mine", "value": "1:3"}]},
    },
}
WRITTEN_BY_USERS = [(kind, path) for kind, fields in SAMPLES.items() for path in fields]


def test_every_field_that_somebody_writes_is_tried() -> None:
    specs = {(kind, path) for kind, path in page() if path.startswith("spec.")}
    assert specs == {(kind, f"spec.{path}") for kind, path in WRITTEN_BY_USERS}


def loaded(kind: str = "", change: Json | None = None) -> Loaded:
    """Load a small configuration in which the object of the kind says something else."""
    said: dict[str, Json] = {name: {} for name in SAMPLES} | {kind: change or {}}
    profile = {"bfdProfile": "b"} if kind == "BFDProfile" else {}
    router = peer(**profile, **said["BGPPeer"])
    router["metadata"]["namespace"] = "metallb-system"
    addresses: Json = {"addresses": ["1.2.3.0/28", "fd00::/120"]}
    wanted: Json = {"communities": ["mine"]}
    alias: Json = {"communities": [{"name": "mine", "value": "1:2"}]}
    return load(
        Objects(
            pools=[item("p", **addresses | said["IPAddressPool"]), pool("q", "192.0.3.0/28")],
            peers=[router],
            bgp_advertisements=[item("a", **wanted | said["BGPAdvertisement"])],
            l2_advertisements=[item("l", **said["L2Advertisement"])] if kind == "L2Advertisement" else [],
            bfd_profiles=[item("b", **said["BFDProfile"])],
            communities=[item("c", **alias | said["Community"])],
            namespaces={"a": {}, "b": {"team": "red"}},
            secrets={"s": secret()},
        )
    )


@pytest.mark.parametrize(("kind", "path"), WRITTEN_BY_USERS, ids=map(".".join, WRITTEN_BY_USERS))
def test_a_field_does_what_the_page_says(kind: str, path: str) -> None:
    found = loaded(kind, SAMPLES[kind][path])
    if page()[kind, f"spec.{path}"] == "works":
        assert found.configuration != loaded().configuration
        assert not found.warnings
    else:
        assert page()[kind, f"spec.{path}"] == "nothing"
        assert len(found.warnings) == 1
