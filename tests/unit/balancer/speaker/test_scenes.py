"""What a node's peers are told as things happen one after another: MetalLB's TestBGPSpeakerEPSlices, TestNodeSelectors,
TestPeersForService, TestBGPAdsForService and TestCheckBGPAdvConflicts, from objects of the API to routes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from lab.balancer.config import Objects, load
from lab.balancer.model import PeerName
from lab.balancer.reasons import NotAnnounced
from lab.balancer.service import Endpoint, Node, decode_endpoint_slice, decode_service
from lab.balancer.speaker.advertisements import announcements
from lab.balancer.speaker.decide import Situation, decide
from lab.balancer.speaker.table import Table
from lab.kube.resources import ObjectKey
from lab.wire.bgp import Path
from tests.unit.balancer.config_objects import Json, item, peer, pool, selector

NODE = "pandora"
HERE = item("ad", nodeSelectors=[selector(name=NODE)])
READY, UNREADY = {"ready": True}, {"ready": False}
Told = dict[str, dict[str, str]]
"""Peer → prefix → attributes; a peer without a session is not in it."""


def service(
    *addresses: str, policy: str = "Cluster", labels: Json | None = None, kind: str = "LoadBalancer"
) -> Json:
    ingress = [{"ip": address} for address in addresses]
    return {
        "metadata": {"labels": labels or {}},
        "spec": {"type": kind, "externalTrafficPolicy": policy},
        "status": {"loadBalancer": {"ingress": ingress}},
    }


def pods(*entries: tuple[str, str, Json]) -> list[Json]:
    """Return endpoint slices, one for each address, node and conditions."""
    return [
        {"endpoints": [{"addresses": [address], "nodeName": node, "conditions": conditions}]}
        for address, node, conditions in entries
    ]


def words(path: Path) -> str:
    parts = [] if path.local_pref is None else [f"preference {path.local_pref}"]
    return " ".join([*parts, *sorted(map(str, path.communities | path.large_communities))])


@dataclass
class Scene:
    """One node, and everything that it has heard of."""

    node: Json = field(default_factory=dict)
    peers: list[Json] = field(default_factory=list)
    pools: list[Json] = field(default_factory=list)
    ads: list[Json] = field(default_factory=list)
    services: dict[str, Json | None] = field(default_factory=dict)
    slices: dict[str, list[Json]] = field(default_factory=dict)

    @property
    def situation(self) -> Situation:
        objects = Objects(pools=self.pools, peers=self.peers, bgp_advertisements=self.ads)
        node = Node(NODE, {"name": NODE, **self.node})
        return Situation(configuration=load(objects).configuration, node=node)

    def endpoints(self, name: str) -> list[Endpoint]:
        found = [
            {"metadata": {"name": name, "namespace": "default"}, **slice_}
            for slice_ in self.slices.get(name, ())
        ]
        return [endpoint for slice_ in found for endpoint in decode_endpoint_slice(slice_).endpoints]

    def table(self) -> Table:
        table = Table()
        for name, found in self.services.items():
            if found is None:
                continue
            metadata = {"name": name, "namespace": "default", **found["metadata"]}
            decision = decide(
                decode_service({**found, "metadata": metadata}), self.endpoints(name), self.situation
            )
            table.want(ObjectKey("default", name), announcements(decision.addresses, decision.advertisements))
        return table

    def told(self) -> Told:
        labels = self.situation.node.labels
        there = [p for p in self.situation.configuration.peers.values() if p.on_node(labels)]
        routes = self.table().routes([p.name for p in there])
        return {
            str(p.address): {str(prefix): words(path) for prefix, path in routes[p.name].items()}
            for p in there
        }

    def asked(self, name: str) -> set[PeerName]:
        """Return the peers that a Service is announced to."""
        wanted = self.table().of(ObjectKey("default", name))
        return {p for p in self.situation.configuration.peers if any(a.is_for(p) for a in wanted)}


def router(address: str, name: str = "peer1", **spec: Any) -> Json:
    return peer(name, peerAddress=address, **spec)


ONE = "1.2.3.4"
OTHER = "1.2.3.5"
NOTHING: Told = {ONE: {}}
HOST: Told = {ONE: {"10.20.30.1/32": ""}}
BOTH_ADS = [
    HERE | {"spec": HERE["spec"] | {"localPref": 100, "communities": ["0:1234", "0:2345"]}},
    item("net", nodeSelectors=[selector(name=NODE)], aggregationLength=24, localPref=1000),
]
NARROW = {"10.20.30.1/32": "preference 100 0:1234 0:2345"}
WIDE = {"10.20.30.0/24": "preference 1000"}
POOLS = {"pools": [pool("default", "10.20.30.0/24")]}
LOCAL = {"services": {"test1": service("10.20.30.1", policy="Local")}}
# What changes → what the peers are told from then on; the rest stays as it was.
Steps = list[tuple[str, dict[str, Any], Told]]
SERVICES: Steps = [
    ("no configuration", {}, {}),
    ("a peer", POOLS | {"peers": [router(ONE)], "ads": [HERE]}, NOTHING),
    (
        "no load balancer",
        {
            "services": {"test1": service(kind="ClusterIP")},
            "slices": {"test1": pods(("2.3.4.5", "iris", READY))},
        },
        NOTHING,
    ),
    ("a load balancer", {"services": {"test1": service("10.20.30.1")}}, HOST),
    ("Local, the pod is elsewhere", LOCAL, NOTHING),
    (
        "a second pod, here",
        {"slices": {"test1": pods(("2.3.4.5", "iris", READY), ("2.3.4.6", NODE, READY))}},
        HOST,
    ),
    (
        "one of two is unready, at one address",
        {"slices": {"test1": pods(("2.3.4.5", NODE, UNREADY), ("2.3.4.5", NODE, READY))}},
        HOST,
    ),
    (
        "the other way round",
        {"slices": {"test1": pods(("2.3.4.5", NODE, READY), ("2.3.4.5", NODE, UNREADY))}},
        HOST,
    ),
    ("no pods", {"services": {"test1": service("10.20.30.1")}, "slices": {}}, NOTHING),
    ("only an unready one", {"slices": {"test1": pods(("2.3.4.5", "iris", UNREADY))}}, NOTHING),
    (
        "some are unready",
        {"slices": {"test1": pods(("2.3.4.5", "iris", UNREADY), ("2.3.4.6", NODE, READY))}},
        HOST,
    ),
    (
        "serving, not ready",
        {"slices": {"test1": pods(("2.3.4.5", NODE, {"ready": False, "serving": True}))}},
        HOST,
    ),
    (
        "ready, not serving",
        {"slices": {"test1": pods(("2.3.4.5", NODE, {"ready": True, "serving": False}))}},
        HOST,
    ),
    ("ready says nothing", {"slices": {"test1": pods(("2.3.4.5", NODE, {}))}}, HOST),
    ("two advertisements", {"ads": BOTH_ADS}, {ONE: NARROW | WIDE}),
    (
        "the second one is for another node",
        {"ads": [BOTH_ADS[0], BOTH_ADS[1] | {"spec": {"nodeSelectors": [selector(name="iris")]}}]},
        {ONE: NARROW},
    ),
    ("for another peer", {"ads": [item("ad", peers=["peer2"])]}, NOTHING),
    ("for this one by name", {"ads": [item("ad", peers=["peer1"])]}, HOST),
    ("two peers", {"peers": [router(ONE), router(OTHER, "peer2")], "ads": [HERE]}, HOST | {OTHER: HOST[ONE]}),
    (
        "a second Service waits",
        {
            "services": {"test1": service("10.20.30.1"), "test2": service()},
            "slices": {"test1": pods(("2.3.4.5", "iris", READY)), "test2": pods(("2.3.4.5", "iris", READY))},
        },
        HOST | {OTHER: HOST[ONE]},
    ),
    (
        "it gets an address",
        {"services": {"test1": service("10.20.30.1"), "test2": service("10.20.30.5")}},
        {address: {"10.20.30.1/32": "", "10.20.30.5/32": ""} for address in (ONE, OTHER)},
    ),
    (
        "it shares the first one's",
        {"services": {"test1": service("10.20.30.1"), "test2": service("10.20.30.1")}},
        HOST | {OTHER: HOST[ONE]},
    ),
    ("the first one goes", {"services": {"test2": service("10.20.30.1")}}, HOST | {OTHER: HOST[ONE]}),
    ("a peer goes", {"peers": [router(OTHER, "peer2")]}, {OTHER: HOST[ONE]}),
    ("the second one goes", {"services": {}}, {OTHER: {}}),
]
FOO = {"matchExpressions": [{"key": "foo", "operator": "In", "values": ["bar", "baz"]}]}
TWO = "2.3.4.5"
NODES: Steps = [
    ("no configuration", {}, {}),
    ("a peer for all nodes", POOLS | {"peers": [router(ONE)], "ads": [HERE]}, NOTHING),
    (
        "a second one for others",
        {"peers": [router(ONE), router(TWO, "peer2", nodeSelectors=[selector(foo="bar")])]},
        NOTHING,
    ),
    ("the node gets the label", {"node": {"foo": "bar"}}, NOTHING | {TWO: {}}),
    ("and another value", {"node": {"foo": "baz"}}, NOTHING),
    (
        "the peer wants that one too",
        {"peers": [router(ONE), router(TWO, "peer2", nodeSelectors=[FOO])]},
        NOTHING | {TWO: {}},
    ),
    ("the first value again", {"node": {"foo": "bar"}}, NOTHING | {TWO: {}}),
    (
        "one selector of two matches",
        {"peers": [router(ONE), router(TWO, "peer2", nodeSelectors=[selector(host="frontend"), FOO])]},
        NOTHING | {TWO: {}},
    ),
    ("the other one", {"node": {"host": "frontend"}}, NOTHING | {TWO: {}}),
    ("neither", {"node": {}}, NOTHING),
]


@pytest.mark.parametrize("steps", [SERVICES, NODES], ids=["services", "nodes"])
def test_what_the_peers_are_told(steps: Steps) -> None:
    scene = Scene()
    for what, change, expected in steps:
        for name, value in change.items():
            setattr(scene, name, value)
        assert scene.told() == expected, what


def test_which_peers_a_service_is_announced_to() -> None:
    scene = Scene(
        peers=[router(ONE), router(OTHER, "peer2")],
        pools=[pool("pool1", "10.20.30.0/24"), pool("pool2", "10.20.40.0/24")],
        ads=[item("a", ipAddressPools=["pool1"]), item("b", ipAddressPools=["pool2"])],
        slices={name: pods(("2.3.4.5", "iris", READY)) for name in ("test1", "test2")},
    )
    both = {"peer1", "peer2"}
    steps: list[tuple[dict[str, Any], set[str], set[str]]] = [
        ({}, set(), set()),
        ({"services": {"test1": service("10.20.30.1")}}, both, set()),
        (
            {"services": scene.services | {"test1": service("10.20.30.1"), "test2": service("10.20.40.1")}},
            both,
            both,
        ),
        ({"ads": [item("a", ipAddressPools=["pool1"], peers=["peer1"]), scene.ads[1]]}, {"peer1"}, both),
        ({"services": {"test2": service("10.20.40.1")}}, set(), both),
        ({"peers": [router(OTHER, "peer2")]}, set(), {"peer2"}),
    ]
    for number, (change, first, second) in enumerate(steps):
        for name, value in change.items():
            setattr(scene, name, value)
        assert (scene.asked("test1"), scene.asked("test2")) == (first, second), number


NGINX, APACHE = selector(app="nginx"), selector(app="apache")
ELSEWHERE = [selector(name="iris")]
# Advertisements → the names of those that count for a Service with the label app=nginx.
MATCHES: dict[str, tuple[list[Json], set[str]]] = {
    "no selector matches all": ([item("a")], {"a"}),
    "a selector that matches": ([item("a", serviceSelectors=[NGINX])], {"a"}),
    "one that does not": ([item("a", serviceSelectors=[APACHE])], set()),
    "another node": ([item("a", nodeSelectors=ELSEWHERE)], set()),
    "some of several": (
        [item("a", serviceSelectors=[APACHE]), item("b", serviceSelectors=[NGINX]), item("c")],
        {"b", "c"},
    ),
    "one selector of two": ([item("a", serviceSelectors=[APACHE, NGINX])], {"a"}),
}


def decided(ads: list[Json]) -> tuple[set[str], NotAnnounced | None]:
    scene = Scene(
        pools=POOLS["pools"], peers=[router(ONE), router(OTHER, "peer2"), router(TWO, "peer3")], ads=ads
    )
    metadata = {"name": "web", "namespace": "default"}
    wanted = decode_service(service("10.20.30.1") | {"metadata": metadata | {"labels": {"app": "nginx"}}})
    decision = decide(wanted, [Endpoint("2.3.4.5", NODE, healthy=True)], scene.situation)
    return {ad.name for ad in decision.advertisements}, decision.reason


@pytest.mark.parametrize(("ads", "names"), MATCHES.values(), ids=MATCHES)
def test_which_advertisements_count(ads: list[Json], names: set[str]) -> None:
    assert decided(ads)[0] == names


BOTH_NODES = [selector(name=NODE), *ELSEWHERE]


def pair(one: Json, other: Json, **both: Any) -> list[Json]:
    """Return two advertisements with different preferences, or what `one` and `other` say of them."""
    return [item("a", **{"localPref": 100} | both | one), item("b", **{"localPref": 200} | both | other)]


CONFLICTS: dict[str, tuple[list[Json], bool]] = {
    "the same preference": (pair({}, {"localPref": 100}), False),
    "different ones": (pair({}, {}), True),
    "on different nodes": (pair({}, {"nodeSelectors": ELSEWHERE}), False),
    "the first one's nodes are among the second one's": (
        pair({"nodeSelectors": BOTH_NODES[:1]}, {"nodeSelectors": BOTH_NODES}),
        True,
    ),
    "the second one's are among the first one's": (
        pair({"nodeSelectors": BOTH_NODES}, {"nodeSelectors": BOTH_NODES[:1]}),
        True,
    ),
    "the first one is for no node": (pair({"nodeSelectors": [selector(name="none")]}, {}), False),
    "the second one is for no node": (pair({}, {"nodeSelectors": [selector(name="none")]}), False),
    "for different peers": (pair({"peers": ["peer1"]}, {"peers": ["peer2"]}), False),
    "the first one's peers are among the second one's": (
        pair({"peers": ["peer1"]}, {"peers": ["peer1", "peer2"]}),
        True,
    ),
    "the second one's peers are among the first one's": (
        pair({"peers": ["peer1", "peer2"]}, {"peers": ["peer2"]}),
        True,
    ),
    "some peers in common": (pair({"peers": ["peer1", "peer2"]}, {"peers": ["peer2", "peer3"]}), True),
    "the first one is for all peers": (pair({}, {"peers": ["peer2"]}), True),
    "the second one is for all peers": (pair({"peers": ["peer1"]}, {}), True),
    "both are for all peers": (pair({"peers": []}, {"peers": []}), True),
    "another prefix": (pair({}, {"aggregationLength": 24}), False),
    "another Service's": (pair({}, {"serviceSelectors": [APACHE]}), False),
    "both select the Service": (pair({}, {}, serviceSelectors=[NGINX]), True),
}


@pytest.mark.parametrize(("ads", "conflict"), CONFLICTS.values(), ids=CONFLICTS)
def test_two_preferences_for_one_route_are_a_conflict(ads: list[Json], *, conflict: bool) -> None:
    assert (decided(ads)[1] is NotAnnounced.CONFLICTING_ADVERTISEMENTS) is conflict
