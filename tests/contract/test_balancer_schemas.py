"""What the API itself refuses of the load balancer's objects, with no webhook: schemas and CEL rules of the CRDs."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import lab.balancer
from tests.contract.client import APPLY, MERGE, Api, Json, eventually

CRDS = (Path(lab.balancer.__file__).parent / "crds").glob("*s.yaml")
DEFINED: list[Json] = [yaml.safe_load(path.read_text()) for path in sorted(CRDS)]
KINDS = {item["spec"]["names"]["plural"]: item["spec"]["names"]["kind"] for item in DEFINED}
V1BETA1, V1BETA2 = "/apis/metallb.io/v1beta1", "/apis/metallb.io/v1beta2"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
PEER: Json = {"myASN": 64500, "peerASN": 64501, "peerAddress": "10.0.0.1"}
POOL: Json = {"addresses": ["192.0.2.0/24"]}
SECRET: Json = {"passwordSecret": {"name": "s"}}
SELECTORS: Json = {"serviceSelectors": [{"matchLabels": {"a": "b"}}]}
LABELLED: Json = {"matchLabels": {"a": "b"}}
Row = tuple[str, Json, str]
"""Plural, spec, and a piece of what is said; nothing when the object is admitted."""
ROWS: dict[str, Row] = {
    "a pool": ("ipaddresspools", POOL, ""),
    "a pool without addresses": ("ipaddresspools", {}, "spec.addresses"),
    "a pool with an empty list": ("ipaddresspools", {"addresses": []}, "spec.addresses"),
    "a peer": ("bgppeers", PEER, ""),
    "a peer without our AS number": ("bgppeers", {"peerASN": 2, "peerAddress": "10.0.0.1"}, "spec.myASN"),
    "a peer with a negative AS number": ("bgppeers", PEER | {"myASN": -1}, "spec.myASN"),
    "a peer with an AS number too big": ("bgppeers", PEER | {"myASN": 1 << 32}, "spec.myASN"),
    "a peer with two AS numbers": ("bgppeers", PEER | {"dynamicASN": "internal"}, "exactly one of peerASN"),
    "a peer with a dynamic AS number": (
        "bgppeers",
        {"myASN": 1, "dynamicASN": "external", "peerAddress": "10.0.0.1"},
        "",
    ),
    "a peer with a strange one": (
        "bgppeers",
        {"myASN": 1, "dynamicASN": "any", "peerAddress": "10.0.0.1"},
        "spec.dynamicASN",
    ),
    "a peer without address": (
        "bgppeers",
        {"myASN": 1, "peerASN": 2},
        "exactly one of peerAddress and interface",
    ),
    "a peer with address and interface": (
        "bgppeers",
        PEER | {"interface": "eth0"},
        "exactly one of peerAddress and interface",
    ),
    "a port of 16385": ("bgppeers", PEER | {"peerPort": 16385}, "spec.peerPort"),
    "a hold time of 2 s": ("bgppeers", PEER | {"holdTime": "2s"}, "must be 0 or >=3s"),
    "no hold time": ("bgppeers", PEER | {"holdTime": "0s"}, ""),
    "a keepalive time beyond the hold time": (
        "bgppeers",
        PEER | {"holdTime": "9s", "keepaliveTime": "10s"},
        "must be lower than holdTime",
    ),
    "a connect time of none": ("bgppeers", PEER | {"connectTime": "0s"}, "spec.connectTime"),
    "a connect time of a fraction": ("bgppeers", PEER | {"connectTime": "1500ms"}, "spec.connectTime"),
    "a password": ("bgppeers", PEER | {"password": "x"}, ""),
    "a password and a secret": (
        "bgppeers",
        PEER | SECRET | {"password": "x"},
        "can not have both password and passwordSecret set",
    ),
    "an advertisement": ("bgpadvertisements", {}, ""),
    "aggregation beyond the address": (
        "bgpadvertisements",
        {"aggregationLength": 33},
        "spec.aggregationLength",
    ),
    "aggregation of nothing": ("bgpadvertisements", {"aggregationLength": 0}, "spec.aggregationLength"),
    "selected Services": ("bgpadvertisements", SELECTORS, ""),
    "selected Services, aggregated": (
        "bgpadvertisements",
        SELECTORS | {"aggregationLength": 24},
        "serviceSelectors and aggregationLength are mutually exclusive",
    ),
    "selected Services, aggregated in IPv6": (
        "bgpadvertisements",
        SELECTORS | {"aggregationLengthV6": 64},
        "mutually exclusive",
    ),
    "a preference for nodes": (
        "l2advertisements",
        {"preferredNodeSelectors": [{"weight": 100, "preference": LABELLED}]},
        "",
    ),
    "a preference too strong": (
        "l2advertisements",
        {"preferredNodeSelectors": [{"weight": 101, "preference": LABELLED}]},
        "weight",
    ),
    "a BFD profile": ("bfdprofiles", {}, ""),
    "a BFD interval too short": ("bfdprofiles", {"receiveInterval": 9}, "spec.receiveInterval"),
    "a BFD interval too long": ("bfdprofiles", {"transmitInterval": 60001}, "spec.transmitInterval"),
    "a BFD multiplier of one": ("bfdprofiles", {"detectMultiplier": 1}, "spec.detectMultiplier"),
    "a TTL of 255": ("bfdprofiles", {"minimumTtl": 255}, "spec.minimumTtl"),
    "communities": ("communities", {"communities": [{"name": "a", "value": "1:2"}]}, ""),
}
# What may not be changed into what, once it is there.
CHANGES: dict[str, tuple[str, Json, Json, str]] = {
    "graceful restart is switched on": (
        "bgppeers",
        PEER | {"enableGracefulRestart": False},
        PEER | {"enableGracefulRestart": True},
        "enableGracefulRestart cannot be changed after creation",
    ),
    "the hold time": ("bgppeers", PEER, PEER | {"holdTime": "2s"}, "must be 0 or >=3s"),
}


@pytest.fixture(scope="module")
def served(api: Api) -> Api:
    """An API that knows the load balancer's objects."""
    for definition in DEFINED:
        target = f"{DEFINITIONS}/{definition['metadata']['name']}"
        api.patch(target, definition, APPLY, fieldManager="contract", force="true")
    for plural in {row[0] for row in ROWS.values()}:
        base = V1BETA2 if plural == "bgppeers" else V1BETA1
        eventually(lambda path=f"{base}/{plural}": api.send("GET", path).code == 200, plural)  # type: ignore[misc]
    return api


def write(plural: str, namespace: str, spec: Json) -> tuple[str, Json]:
    """Return where an object is created, and the object."""
    base = V1BETA2 if plural == "bgppeers" else V1BETA1
    head = {"apiVersion": base.removeprefix("/apis/"), "kind": KINDS[plural]}
    return f"{base}/namespaces/{namespace}/{plural}", {**head, "metadata": {"name": "x"}, "spec": spec}


@pytest.mark.parametrize(("plural", "spec", "said"), ROWS.values(), ids=ROWS)
def test_what_is_admitted(served: Api, namespace: str, plural: str, spec: Json, said: str) -> None:
    path, item = write(plural, namespace, spec)
    answer = served.send("POST", path, item)
    if said:
        assert answer.refusal == (422, "Invalid")
        assert said in answer.body["message"]
    else:
        assert answer.code == 201, answer


@pytest.mark.parametrize(("plural", "before", "after", "said"), CHANGES.values(), ids=CHANGES)
def test_what_may_not_be_changed(
    served: Api, namespace: str, plural: str, before: Json, after: Json, said: str
) -> None:
    path, item = write(plural, namespace, before)
    served.create(path, item)
    answer = served.send("PATCH", f"{path}/x", {"spec": after}, headers={"Content-Type": MERGE})
    assert answer.refusal == (422, "Invalid")
    assert said in answer.body["message"]


def test_peers_are_the_same_in_both_versions(served: Api, namespace: str) -> None:
    path, item = write("bgppeers", namespace, PEER | {"holdTime": "9s"})
    served.create(path, item)
    old = served.get(f"{path.replace('v1beta2', 'v1beta1')}/x")
    assert old["apiVersion"] == "metallb.io/v1beta1"
    assert old["spec"] == served.get(f"{path}/x")["spec"]
