"""The custom resource definitions: names, columns and defaults that tools and tutorials know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.balancer import resources
from lab.balancer.config import Objects, load
from lab.balancer.model import PoolName
from lab.kube.resources import Resource

FOLDER = Path(resources.__file__).parent / "crds"
CRDS: dict[str, Any] = {
    path.stem: yaml.safe_load(path.read_text())
    for path in FOLDER.glob("*.yaml")
    if path.stem != "kustomization"
}
RESOURCES = [value for value in vars(resources).values() if isinstance(value, Resource)]


def storage(plural: str) -> dict[str, Any]:
    return next(v for v in CRDS[plural]["spec"]["versions"] if v["storage"])


def spec_of(plural: str) -> dict[str, Any]:
    schema: dict[str, Any] = storage(plural)["schema"]["openAPIV3Schema"]
    found: dict[str, Any] = schema["properties"]["spec"]["properties"]
    return found


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda r: r.kind)
def test_each_resource_has_its_definition(resource: Resource) -> None:
    definition = CRDS[resource.plural]
    assert definition["metadata"]["name"] == f"{resource.plural}.{resource.group}"
    assert definition["spec"]["names"]["kind"] == resource.kind
    assert definition["spec"]["scope"] == "Namespaced"
    assert storage(resource.plural)["name"] == resource.version
    assert all(v["subresources"] == {"status": {}} for v in definition["spec"]["versions"])


def test_the_kustomization_names_them_all() -> None:
    listed = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
    assert sorted(listed) == sorted(f"{name}.yaml" for name in CRDS)
    assert len(CRDS) == len(RESOURCES)


@pytest.mark.parametrize(
    ("plural", "columns"),
    [
        ("ipaddresspools", ["Auto Assign", "Avoid Buggy IPs", "Addresses"]),
        ("l2advertisements", ["IPAddressPools", "IPAddressPool Selectors", "Interfaces", "Node Selectors"]),
        ("bgpadvertisements", ["IPAddressPools", "IPAddressPool Selectors", "Peers", "Node Selectors"]),
        ("bgppeers", ["Address", "ASN", "BFD Profile", "Multi Hops"]),
        ("bfdprofiles", ["Passive Mode", "Transmit Interval", "Receive Interval", "Multiplier"]),
        ("servicel2statuses", ["Allocated Node", "Service Name", "Service Namespace"]),
        ("configurationstates", ["Result", "ErrorSummary", "Age"]),
    ],
)
def test_columns(plural: str, columns: list[str]) -> None:
    assert [c["name"] for c in storage(plural)["additionalPrinterColumns"]] == columns


@pytest.mark.parametrize(
    ("plural", "fields"),
    [
        ("ipaddresspools", {"addresses", "autoAssign", "avoidBuggyIPs", "serviceAllocation"}),
        (
            "l2advertisements",
            {
                "ipAddressPools",
                "ipAddressPoolSelectors",
                "nodeSelectors",
                "interfaces",
                "serviceSelectors",
                "preferredNodeSelectors",
            },
        ),
        (
            "bgpadvertisements",
            {
                "aggregationLength",
                "aggregationLengthV6",
                "localPref",
                "communities",
                "ipAddressPools",
                "ipAddressPoolSelectors",
                "nodeSelectors",
                "peers",
                "serviceSelectors",
            },
        ),
        (
            "bgppeers",
            {
                "myASN",
                "peerASN",
                "dynamicASN",
                "localASN",
                "peerAddress",
                "interface",
                "sourceAddress",
                "peerPort",
                "holdTime",
                "keepaliveTime",
                "connectTime",
                "routerID",
                "nodeSelectors",
                "password",
                "passwordSecret",
                "bfdProfile",
                "enableGracefulRestart",
                "ebgpMultiHop",
                "vrf",
                "disableMP",
                "dualStackAddressFamily",
            },
        ),
        (
            "bfdprofiles",
            {
                "receiveInterval",
                "transmitInterval",
                "detectMultiplier",
                "echoInterval",
                "echoMode",
                "passiveMode",
                "minimumTtl",
            },
        ),
        ("communities", {"communities"}),
    ],
)
def test_fields(plural: str, fields: set[str]) -> None:
    assert set(spec_of(plural)) == fields


def test_the_old_version_of_peers_is_served_and_deprecated() -> None:
    old = next(v for v in CRDS["bgppeers"]["spec"]["versions"] if v["name"] == "v1beta1")
    assert (old["served"], old["storage"], old["deprecated"]) == (True, False, True)
    assert CRDS["bgppeers"]["spec"]["conversion"] == {"strategy": "None"}


def test_defaults_of_the_schema_are_those_of_the_program() -> None:
    """An object that the API completed means the same as one that it did not."""

    def both(plural: str, spec: dict[str, Any]) -> list[dict[str, Any]]:
        defaults = {name: f["default"] for name, f in spec_of(plural).items() if "default" in f}
        assert defaults or plural == "communities"
        return [{"metadata": {"name": "x"}, "spec": s} for s in (spec, {**defaults, **spec})]

    peer = {"myASN": 1, "peerASN": 2, "peerAddress": "10.0.0.1"}
    pools = both("ipaddresspools", {"addresses": ["1.0.0.0/24"]})
    loaded = [
        load(Objects(pools=[p], peers=[r], bgp_advertisements=[a], bfd_profiles=[b])).configuration
        for p, r, a, b in zip(
            pools, both("bgppeers", peer), both("bgpadvertisements", {}), both("bfdprofiles", {}), strict=True
        )
    ]
    assert loaded[0] == loaded[1]
    assert loaded[0].pools[PoolName("x")].auto_assign
