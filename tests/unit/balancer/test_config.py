"""What is accepted and what is refused: the rows of MetalLB's TestParse, and ours."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from lab.balancer.config import Objects, Severity, load
from lab.balancer.config.problems import parse_duration
from lab.balancer.model import DynamicAsn, LargeCommunity, PeerName, PoolName, StandardCommunity
from tests.unit.balancer.config_objects import community, item, peer, pool, secret, selector
from tests.unit.balancer.config_tables import ACCEPTED, REFUSED, TRANSIENT, WARNED


def allocation(**spec: Any) -> dict[str, Any]:
    return pool(serviceAllocation=spec)


@pytest.mark.parametrize("objects", ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(objects: Objects) -> None:
    assert load(objects).problems == ()


@pytest.mark.parametrize(("objects", "said"), REFUSED.values(), ids=REFUSED)
def test_refused(objects: Objects, said: str) -> None:
    loaded = load(objects)
    assert not loaded.valid
    assert [str(problem) for problem in loaded.problems if said in str(problem)]
    assert {problem.severity for problem in loaded.problems} - {Severity.WARNING} == {Severity.ERROR}


@pytest.mark.parametrize(("objects", "said"), TRANSIENT.values(), ids=TRANSIENT)
def test_refused_until_what_is_missing_appears(objects: Objects, said: str) -> None:
    loaded = load(objects)
    assert not loaded.valid
    assert [problem.severity for problem in loaded.problems] == [Severity.TRANSIENT]
    assert said in str(loaded.problems[0])


@pytest.mark.parametrize(("objects", "said"), WARNED.values(), ids=WARNED)
def test_accepted_with_a_warning(objects: Objects, said: str) -> None:
    loaded = load(objects)
    assert loaded.valid
    assert [problem.severity for problem in loaded.problems] == [Severity.WARNING]
    assert said in str(loaded.problems[0])


def test_bad_peers_do_not_make_pools_invalid() -> None:
    loaded = load(Objects(pools=[pool()], peers=[peer(myASN=0)]))
    assert (loaded.valid, loaded.pools_valid) == (False, True)
    assert not load(Objects(pools=[item("p")])).pools_valid


def test_a_range_becomes_the_prefixes_that_make_it_up() -> None:
    loaded = load(Objects(pools=[pool("p", "40.0.0.150-40.0.0.200", "1000::1/127")]))
    prefixes = loaded.configuration.pools[PoolName("p")].prefixes
    assert [str(prefix) for prefix in prefixes] == [
        "40.0.0.150/31",
        "40.0.0.152/29",
        "40.0.0.160/27",
        "40.0.0.192/29",
        "40.0.0.200/32",
        "1000::/127",
    ]


def test_pools_are_chosen_by_name_and_by_labels_and_all_without_either() -> None:
    pools = [pool("p"), pool("q", "1.2.4.0/28", labels={"a": "1"}), pool("r", "1.2.5.0/28")]
    specs: list[tuple[dict[str, Any], set[str]]] = [
        ({}, {"p", "q", "r"}),
        ({"ipAddressPools": ["p"]}, {"p"}),
        ({"ipAddressPoolSelectors": [selector(a="1")]}, {"q"}),
        ({"ipAddressPools": ["p"], "ipAddressPoolSelectors": [selector(a="1")]}, {"p", "q"}),
        ({"ipAddressPoolSelectors": [selector(a="2")]}, set()),
    ]
    for spec, names in specs:
        loaded = load(
            Objects(
                pools=pools, bgp_advertisements=[item("a", **spec)], l2_advertisements=[item("b", **spec)]
            )
        )
        assert loaded.configuration.bgp_advertisements["a"].pools == names
        assert loaded.configuration.l2_advertisements["b"].pools == names


def test_namespaces_of_a_pool_are_those_named_and_those_selected() -> None:
    objects = Objects(
        pools=[allocation(namespaces=["a"], namespaceSelectors=[selector(team="x")], priority=3)],
        namespaces={"a": {}, "b": {"team": "x"}, "c": {"team": "y"}},
    )
    found = load(objects).configuration.pools[PoolName("p")].allocation
    assert found
    assert found.namespaces == {"a", "b"}
    assert (found.namespaced, found.priority) == (True, 3)


@pytest.mark.parametrize(
    ("spec", "timers"),
    [
        ({}, (90, 30)),
        ({"holdTime": "30s"}, (30, 10)),
        ({"keepaliveTime": "10s"}, (30, 10)),
        ({"holdTime": "1m30s", "keepaliveTime": "20s"}, (90, 20)),
        ({"holdTime": "0s", "keepaliveTime": "0s"}, (0, 0)),
    ],
)
def test_one_timer_follows_from_the_other(spec: dict[str, Any], timers: tuple[int, int]) -> None:
    found = load(Objects(peers=[peer(**spec)])).configuration.peers[PeerName("r")]
    assert (found.hold_time, found.keepalive_time) == timers


def test_every_field_of_a_peer() -> None:
    spec: dict[str, Any] = {
        "localASN": 65010,
        "sourceAddress": "10.0.0.9",
        "peerPort": 1179,
        "connectTime": "7s",
        "routerID": "10.0.0.51",
        "passwordSecret": {"name": "s"},
        "bfdProfile": "b",
        "enableGracefulRestart": True,
        "ebgpMultiHop": True,
        "vrf": "red",
        "dualStackAddressFamily": True,
    }
    objects = Objects(peers=[peer(**spec)], bfd_profiles=[item("b")], secrets={"s": secret("geheim")})
    found = load(objects).configuration.peers[PeerName("r")]
    assert (found.local_asn, found.port, found.connect_time, found.vrf) == (65010, 1179, 7, "red")
    assert (found.source_address, found.router_id) == (ip_address("10.0.0.9"), ip_address("10.0.0.51"))
    assert (found.password, found.bfd_profile) == ("geheim", "b")
    assert found.graceful_restart
    assert found.dual_stack_address_family
    assert "geheim" not in repr(found)


@pytest.mark.parametrize(
    ("spec", "internal"),
    [
        ({}, False),
        ({"peerASN": 64500}, True),
        ({"peerASN": 64500, "localASN": 65000}, False),
        ({"peerASN": None, "dynamicASN": "internal"}, True),
        ({"peerASN": None, "dynamicASN": "external"}, False),
    ],
)
def test_internal_or_external(spec: dict[str, Any], *, internal: bool) -> None:
    found = load(Objects(peers=[peer(**spec)])).configuration.peers[PeerName("r")]
    assert found.internal is internal
    assert isinstance(found.peer_asn, DynamicAsn) == ("dynamicASN" in spec)


def test_communities_are_resolved() -> None:
    objects = Objects(
        communities=[community("c", mine="64500:1", big="large:1:2:3")],
        bgp_advertisements=[item("a", communities=["1:2", "mine", "big"], localPref=0)],
    )
    found = load(objects).configuration.bgp_advertisements["a"]
    assert found.communities == {
        StandardCommunity(1, 2),
        StandardCommunity(64500, 1),
        LargeCommunity(1, 2, 3),
    }
    assert found.local_pref == 0


def test_communities_sort_by_their_numbers_and_print_without_marker() -> None:
    assert min(StandardCommunity(0, 2345), StandardCommunity(0, 1234)) == StandardCommunity(0, 1234)
    assert LargeCommunity(1234, 0, 0) < LargeCommunity(1234, 0, 1)
    assert str(LargeCommunity(1, 2, 3)) == "1:2:3"


def test_the_order_of_objects_does_not_matter() -> None:
    pools = [pool(f"p{n}", f"10.0.{n}.0/24") for n in range(9)]
    assert load(Objects(pools=pools)) == load(Objects(pools=pools[::-1]))


def test_buggy_addresses_are_not_in_a_pool_that_avoids_them() -> None:
    found = load(Objects(pools=[pool("p", "1.2.3.0/24", "fd00::/120", avoidBuggyIPs=True)])).configuration
    texts = ["1.2.3.0", "1.2.3.255", "1.2.3.1", "fd00::", "fd00::ff"]
    assert [found.pool_of(ip_address(text)) is not None for text in texts] == [False, False, True, True, True]
    assert found.pools[PoolName("p")].prefixes[0] == ip_network("1.2.3.0/24")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("1m30s", 90),
        ("1h", 3600),
        ("250ms", 0.25),
        ("1.5s", 1.5),
        ("0", 0),
        ("", None),
        ("9", None),
    ],
)
def test_durations(text: str, seconds: float | None) -> None:
    assert parse_duration(text) == seconds
