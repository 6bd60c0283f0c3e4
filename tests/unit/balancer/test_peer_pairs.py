"""Peers that do not go well together on one node. MetalLB with FRR refuses them; here they work, with a warning."""

from __future__ import annotations

from typing import Any

import pytest

from lab.balancer.config import Objects, load
from tests.unit.balancer.config_objects import Json, peer, selector

HOSTS = {name: {"host": name} for name in ("n1", "n2", "n3")}
N1, N2, N3 = (selector(host=name) for name in HOSTS)
EITHER = {"matchExpressions": [{"key": "host", "operator": "In", "values": ["n2", "n3"]}]}
OTHER = {"peerAddress": "10.0.0.2"}


def peers(*specs: Json) -> list[Json]:
    return [peer(f"p{number}", **spec) for number, spec in enumerate(specs, 1)]


def link(name: str) -> Json:
    return {"peerAddress": None, "interface": name}


# Peers, the nodes that are known, and which fields are warned of. Where no nodes are known, MetalLB
# refuses any two selectors; here only those that surely meet are warned of.
ROWS: dict[str, tuple[list[Json], dict[str, Any] | None, list[str]]] = {
    "one router ID is another": (
        peers({"routerID": "10.0.0.51"}, OTHER | {"routerID": "10.0.0.52"}),
        HOSTS,
        ["p2 spec.routerID"],
    ),
    "one router ID is unset": (
        peers({"routerID": "10.0.0.51"}, OTHER, {"peerAddress": "10.0.0.3", "routerID": "10.0.0.51"}),
        HOSTS,
        ["p2 spec.routerID", "p3 spec.routerID"],
    ),
    "router IDs on different nodes": (
        peers(
            {"routerID": "10.0.0.51", "nodeSelectors": [N1]}, {"routerID": "10.0.0.52", "nodeSelectors": [N2]}
        ),
        HOSTS,
        [],
    ),
    "another AS number of ours": (peers({}, OTHER | {"myASN": 64499}), HOSTS, ["p2 spec.myASN"]),
    "another AS number of ours in another VRF": (
        peers({}, OTHER | {"myASN": 64499, "vrf": "red"}),
        HOSTS,
        [],
    ),
    "another AS number of ours on another node": (
        peers({"nodeSelectors": [N1]}, {"myASN": 64499, "nodeSelectors": [N2]}),
        HOSTS,
        [],
    ),
    "one address twice": (peers({}, {}), HOSTS, ["p2 spec.peerAddress"]),
    "one address in two VRFs": (peers({"vrf": "red"}, {"vrf": "blue"}), HOSTS, []),
    "one address twice in a VRF": (peers({"vrf": "red"}, {"vrf": "red"}), HOSTS, ["p2 spec.peerAddress"]),
    "one address on two ports": (peers({}, {"peerPort": 1179}), HOSTS, []),
    "one interface twice": (
        peers(link("eth0"), link("eth0")),
        HOSTS,
        ["p1 spec.interface", "p2 spec.interface", "p2 spec.peerAddress"],
    ),
    "two interfaces": (
        peers(link("eth0"), link("eth1")),
        HOSTS,
        ["p1 spec.interface", "p2 spec.interface"],
    ),
    "the same selector": (
        peers({"nodeSelectors": [N1]}, {"nodeSelectors": [N1]}),
        HOSTS,
        ["p2 spec.peerAddress"],
    ),
    "one without a selector": (peers({}, {"nodeSelectors": [N1]}), HOSTS, ["p2 spec.peerAddress"]),
    "selectors that do not meet": (peers({"nodeSelectors": [N1]}, {"nodeSelectors": [N2]}), HOSTS, []),
    "no nodes are known, other selectors": (
        peers({"nodeSelectors": [N1]}, {"nodeSelectors": [N2]}),
        None,
        [],
    ),
    "no nodes are known, the same selector": (
        peers({"nodeSelectors": [N1]}, {"nodeSelectors": [N1]}),
        None,
        ["p2 spec.peerAddress"],
    ),
    "three on three nodes": (peers(*({"nodeSelectors": [node]} for node in (N1, N2, N3))), HOSTS, []),
    "the third one meets the second": (
        peers({"nodeSelectors": [N1]}, {"nodeSelectors": [N2]}, {"nodeSelectors": [EITHER]}),
        HOSTS,
        ["p3 spec.peerAddress"],
    ),
    "one selector of two meets": (
        peers({"nodeSelectors": [N1, N2]}, {"nodeSelectors": [N2, N3]}),
        HOSTS,
        ["p2 spec.peerAddress"],
    ),
}


@pytest.mark.parametrize(("found", "nodes", "said"), ROWS.values(), ids=ROWS)
def test_pairs_are_used_and_warned_of(
    found: list[Json], nodes: dict[str, Any] | None, said: list[str]
) -> None:
    loaded = load(Objects(peers=found, nodes=nodes))
    assert loaded.valid
    assert len(loaded.configuration.peers) == len(found)
    assert sorted({f"{problem.name} {problem.path}" for problem in loaded.problems}) == said
