"""Decisions into routes, and peers into sessions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Any

import pytest

from lab.balancer.model import Asn, DynamicAsn, LargeCommunity, PeerName
from lab.balancer.service import Node
from lab.balancer.speaker.advertisements import announcements
from lab.balancer.speaker.peers import UnsupportedPeerError, Wishes, router_id, wishes
from lab.balancer.speaker.table import Table
from lab.kube.resources import ObjectKey
from lab.wire import bgp
from tests.unit.balancer.speaker.situations import advertisement, peer

A1, A5 = ip_address("10.20.30.1"), ip_address("10.20.30.5")
HOST = advertisement("host", local_pref=100, communities="0:1234,0:2345")
NET = advertisement("net", local_pref=1000, aggregation_length=24)


def told(*wanted: Any, peers: tuple[str, ...] = ("one",)) -> dict[str, dict[str, bgp.Path]]:
    table = Table()
    for number, (addresses, ads) in enumerate(wanted):
        table.want(ObjectKey("default", f"s{number}"), announcements(addresses, ads))
    found = table.routes([PeerName(name) for name in peers])
    return {name: {str(p): path for p, path in routes.items()} for name, routes in found.items()}


def test_two_advertisements_give_two_prefixes() -> None:
    table = told(([A1], [HOST, NET]))["one"]
    assert set(table) == {"10.20.30.1/32", "10.20.30.0/24"}
    assert table["10.20.30.1/32"].local_pref == 100
    assert table["10.20.30.1/32"].communities == {bgp.Community(0, 1234), bgp.Community(0, 2345)}
    assert table["10.20.30.0/24"] == bgp.Path(local_pref=1000)


def test_services_that_share_an_address_share_a_route() -> None:
    assert set(told(([A1], [HOST]), ([A1], [HOST]), ([A5], [HOST]))["one"]) == {
        "10.20.30.1/32",
        "10.20.30.5/32",
    }


def test_one_prefix_gets_the_communities_of_all_advertisements() -> None:
    one, other = advertisement("a", communities="1:1"), advertisement("b", communities="2:2")
    assert told(([A1], [one, other]))["one"]["10.20.30.1/32"].communities == {
        bgp.Community(1, 1),
        bgp.Community(2, 2),
    }


def test_peers_get_what_is_meant_for_them() -> None:
    only_two = advertisement("b", peers="two")
    table = told(([A1], [only_two]), ([A5], [HOST]), peers=("one", "two"))
    assert set(table["one"]) == {"10.20.30.5/32"}
    assert set(table["two"]) == {"10.20.30.1/32", "10.20.30.5/32"}


def test_ipv6_and_large_communities() -> None:
    large = replace(HOST, communities=frozenset({LargeCommunity(1, 2, 3)}), aggregation_length_v6=124)
    (found,) = announcements([ip_address("2001:db8::17")], [large])
    assert found.prefix == ip_network("2001:db8::10/124")
    assert found.path.large_communities == {bgp.LargeCommunity(1, 2, 3)}


# MetalLB's golden FRR configurations, as what each peer then has: Service addresses and advertisements → routes.
MARKED = advertisement("marked", local_pref=300, communities="1111:2222,3333:4444", aggregation_length=24)
MARKS = frozenset({bgp.Community(1111, 2222), bgp.Community(3333, 4444)})
SAME = [advertisement(f"ad{number}", communities="1111:2222") for number in range(4)]
TABLES: dict[str, tuple[list[Any], dict[str, dict[str, bgp.Path]]]] = {
    "single advertisement": (
        [([A1], [MARKED])],
        {peer: {"10.20.30.0/24": bgp.Path(local_pref=300, communities=MARKS)} for peer in ("one", "two")},
    ),
    "no advertisement": ([([A1], [])], {"one": {}, "two": {}}),
    "two advertisements, each for a peer": (
        [
            ([A1], [replace(MARKED, peers=frozenset({PeerName("one")}))]),
            ([A5], [advertisement("b", peers="two")]),
        ],
        {
            "one": {"10.20.30.0/24": bgp.Path(local_pref=300, communities=MARKS)},
            "two": {"10.20.30.5/32": bgp.Path()},
        },
    ),
    "one address, other marks for each peer": (
        [
            (
                [A1],
                [
                    advertisement("a", peers="one", communities="1:1"),
                    advertisement("b", peers="two", local_pref=7),
                ],
            )
        ],
        {
            "one": {"10.20.30.1/32": bgp.Path(communities=frozenset({bgp.Community(1, 1)}))},
            "two": {"10.20.30.1/32": bgp.Path(local_pref=7)},
        },
    ),
    "many advertisements with one community": (
        [([A1, A5], SAME)],
        {
            peer: {
                prefix: bgp.Path(communities=frozenset({bgp.Community(1111, 2222)}))
                for prefix in ("10.20.30.1/32", "10.20.30.5/32")
            }
            for peer in ("one", "two")
        },
    ),
    "both families": (
        [([A1, ip_address("fd00::1")], [MARKED])],
        {
            peer: {
                prefix: bgp.Path(local_pref=300, communities=MARKS)
                for prefix in ("10.20.30.0/24", "fd00::1/128")
            }
            for peer in ("one", "two")
        },
    ),
}


@pytest.mark.parametrize(("wanted", "expected"), TABLES.values(), ids=TABLES)
def test_what_each_peer_has(wanted: list[Any], expected: dict[str, dict[str, bgp.Path]]) -> None:
    assert told(*wanted, peers=("one", "two")) == expected


NODE = Node("n", {}, addresses=(ip_address("10.0.0.51"), ip_address("fd00::51")))
RESTART = bgp.Restart()


def test_a_plain_peer() -> None:
    found = wishes(peer(), NODE, RESTART)
    assert found.session.local_asn == 22000
    assert found.session.peer_asn == 11000
    assert found.session.families == {bgp.Family.IPV4}
    assert found.session.router_id == IPv4Address("10.0.0.51")
    assert found.session.graceful_restart is None
    assert (found.endpoint.address, found.endpoint.port, found.endpoint.ttl) == (
        ip_address("10.0.0.1"),
        179,
        1,
    )


DETAILS: dict[str, tuple[dict[str, Any], Callable[[Wishes], bool]]] = {
    "local ASN": ({"local_asn": Asn(7)}, lambda w: w.session.local_asn == 7),
    "dynamic": ({"peer_asn": DynamicAsn.EXTERNAL}, lambda w: w.session.peer_asn is bgp.DynamicAsn.EXTERNAL),
    "router id": ({"router_id": IPv4Address("9.9.9.9")}, lambda w: str(w.session.router_id) == "9.9.9.9"),
    "timers": (
        {"hold_time": 9, "keepalive_time": 2, "connect_time": 4},
        lambda w: (
            (w.session.hold_time, w.session.keepalive_time, w.session.connect_retry_time) == (9, 2, 4.0)
        ),
    ),
    "no timers": ({"hold_time": 0, "keepalive_time": 0}, lambda w: w.session.hold_time == 0),
    "graceful restart": ({"graceful_restart": True}, lambda w: w.session.graceful_restart is RESTART),
    "both families": (
        {"dual_stack_address_family": True},
        lambda w: len(w.session.families) == 2 and str(w.session.next_hops[bgp.Family.IPV6]) == "fd00::51",
    ),
    "IPv6": ({"address": ip_address("fd00::1")}, lambda w: w.session.families == {bgp.Family.IPV6}),
    "multi-hop": ({"ebgp_multi_hop": True}, lambda w: w.endpoint.ttl == 255),
    "internal": ({"peer_asn": Asn(22000)}, lambda w: w.endpoint.ttl == 255),
    "password": ({"password": "s3cret"}, lambda w: w.endpoint.password == "s3cret"),
    "source, port, vrf": (
        {"source_address": ip_address("10.0.0.52"), "port": 1179, "vrf": "red"},
        lambda w: (
            (str(w.endpoint.source), w.endpoint.port, w.endpoint.interface) == ("10.0.0.52", 1179, "red")
        ),
    ),
}


@pytest.mark.parametrize("name", DETAILS)
def test_details(name: str) -> None:
    changes, holds = DETAILS[name]
    assert holds(wishes(peer(**changes), NODE, RESTART))


def test_what_cannot_be_had_is_said() -> None:
    with pytest.raises(UnsupportedPeerError):
        wishes(peer(address=None, interface="eth0"), NODE, RESTART)


def test_a_node_without_ipv4_has_a_router_id_of_its_own() -> None:
    one, other = (router_id(Node(name, {}, addresses=NODE.addresses[1:])) for name in "ab")
    assert one != other
    assert router_id(Node("a", {})) == one
