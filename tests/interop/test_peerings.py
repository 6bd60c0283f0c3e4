"""From objects of the API to a router's table: what a BGPPeer and a BGPAdvertisement ask for, a real daemon gets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from tests.interop.cluster import PASSWORD, Cluster, Json
from tests.interop.conftest import Bench
from tests.interop.daemons import Bird, Frr, Learned
from tests.interop.places import NODE, ROUTER, wait_until

pytestmark = [
    pytest.mark.root,
    pytest.mark.parametrize("bench", [Bird(), Frr()], ids=lambda daemon: daemon.name, indirect=True),
]
V4, V6 = "198.51.100.1", "2001:db8:1::1"
BOTH = {f"{V4}/32", f"{V6}/128"}


@dataclass(frozen=True)
class Peering:
    """How the router and the node are set up, and what the router then has."""

    router: Json = field(default_factory=dict)
    peer: Json = field(default_factory=dict)
    advertisement: Json = field(default_factory=dict)
    flags: Json = field(default_factory=dict)
    prefixes: set[str] = field(default_factory=lambda: BOTH)
    sees: Callable[[Learned], bool] = lambda _: True


MARKS = {"communities": ["1111:2222", "large:123:456:789"]}
PEERINGS = {
    "one family": Peering(peer={"dualStackAddressFamily": None}, prefixes={f"{V4}/32"}),
    "both families over IPv6": Peering(router={"transport": "6"}, peer={"peerAddress": ROUTER["6"]}),
    "a password": Peering(router={"password": PASSWORD}, peer={"password": PASSWORD}),
    "a password in a Secret": Peering(
        router={"password": PASSWORD}, peer={"passwordSecret": {"name": "router"}}
    ),
    "an AS number for this peer alone": Peering(peer={"myASN": 64999, "localASN": 22000}),
    "any other AS number": Peering(peer={"peerASN": None, "dynamicASN": "external"}),
    "the same AS number, whichever": Peering(
        router={"router_asn": 22000},
        peer={"peerASN": None, "dynamicASN": "internal"},
        sees=lambda route: route.local_pref == 100,
    ),
    "four octets of AS number": Peering(
        router={"router_asn": 4_200_000_001, "node_asn": 4_200_000_002},
        peer={"peerASN": 4_200_000_001, "myASN": 4_200_000_002},
    ),
    "a preference": Peering(
        router={"router_asn": 22000},
        peer={"peerASN": 22000},
        advertisement={"localPref": 300},
        sees=lambda route: route.local_pref == 300,
    ),
    "communities": Peering(
        advertisement=MARKS,
        sees=lambda route: {*route.communities, *route.large} == {"1111:2222", "123:456:789"},
    ),
    "aggregation": Peering(
        advertisement={"aggregationLength": 26, "aggregationLengthV6": 120},
        prefixes={"198.51.100.0/26", "2001:db8:1::/120"},
    ),
    "the router calls": Peering(router={"passive": False}, flags={"bgp_listen_port": 179}),
    "a source address, several hops": Peering(peer={"sourceAddress": NODE["4"], "ebgpMultiHop": True}),
}


@pytest.mark.parametrize("peering", PEERINGS.values(), ids=PEERINGS)
def test_what_is_asked_for_is_what_the_router_has(
    bench: Bench, clusters: Callable[[], Cluster], peering: Peering
) -> None:
    bench.router(**peering.router)
    node = clusters()
    node.install(advertisement=peering.advertisement, **peering.peer)
    node.serve("web", V4, V6)
    node.start_speaker(**peering.flags)
    wait_until(lambda: set(bench.routes()) == peering.prefixes, what=str(peering.prefixes), seconds=40)
    assert all(peering.sees(route) for route in bench.routes().values())


WRONG = {
    "another AS number": Peering(peer={"peerASN": 11001}),
    "ours, where it is another": Peering(peer={"peerASN": None, "dynamicASN": "internal"}),
    "another password": Peering(router={"password": PASSWORD}, peer={"password": "wrong"}),
}


@pytest.mark.parametrize("peering", WRONG.values(), ids=WRONG)
def test_a_session_that_cannot_be_says_why(
    bench: Bench, clusters: Callable[[], Cluster], peering: Peering
) -> None:
    bench.router(**peering.router)
    node = clusters()
    node.install(**peering.peer)
    node.serve("web", V4, V6)
    node.start_speaker()
    wait_until(node.last_error, what="the session's object says why")
    assert node.session() != "Established"
    assert bench.routes() == {}
