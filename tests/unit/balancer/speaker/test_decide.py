"""When a node announces: the rules of MetalLB's speaker over BGP, and its unit tables."""

from __future__ import annotations

import pytest

from lab.balancer.reasons import NotAnnounced
from lab.balancer.service import EXCLUDE_LABEL, Node
from lab.balancer.speaker.decide import decide
from tests.unit.balancer.speaker.situations import (
    NODE,
    advertisement,
    endpoint,
    selectors,
    service,
    situation,
)

HERE, ELSEWHERE = endpoint(), endpoint("iris")
LOCAL = service(local=True)
ENDPOINTS = {
    "cluster, one here": (service(), [HERE], None),
    "cluster, one elsewhere": (service(), [ELSEWHERE], None),
    "cluster, none": (service(), [], NotAnnounced.NO_ENDPOINTS),
    "cluster, only unhealthy": (service(), [endpoint(healthy=False)], NotAnnounced.NO_ENDPOINTS),
    "cluster, some unhealthy": (service(), [endpoint(address="2.3.4.6", healthy=False), HERE], None),
    "local, one elsewhere": (LOCAL, [ELSEWHERE], NotAnnounced.NO_LOCAL_ENDPOINTS),
    "local, one here": (LOCAL, [HERE, ELSEWHERE], None),
    "local, one here unhealthy": (
        LOCAL,
        [endpoint(healthy=False), ELSEWHERE],
        NotAnnounced.NO_LOCAL_ENDPOINTS,
    ),
    "an address unhealthy in one slice and healthy in another": (
        LOCAL,
        [endpoint(healthy=False), HERE],
        None,
    ),
    "local, none": (LOCAL, [], NotAnnounced.NO_LOCAL_ENDPOINTS),
}


@pytest.mark.parametrize("name", ENDPOINTS)
def test_endpoints(name: str) -> None:
    wanted, endpoints, reason = ENDPOINTS[name]
    assert decide(wanted, endpoints, situation()).reason is reason


SERVICES = {
    "not a load balancer": (service(type="ClusterIP"), NotAnnounced.NOT_LOAD_BALANCER),
    "an address that is none": (service("web", "example.org"), NotAnnounced.INVALID_IP),
    "an address of no pool": (service("web", "10.20.31.1"), NotAnnounced.IP_NOT_ALLOWED),
    "two addresses, one of no pool": (
        service("web", "10.20.30.1", "10.20.31.1"),
        NotAnnounced.IP_NOT_ALLOWED,
    ),
}


@pytest.mark.parametrize("name", SERVICES)
def test_services(name: str) -> None:
    wanted, reason = SERVICES[name]
    assert decide(wanted, [HERE], situation()).reason is reason


def test_without_an_address() -> None:
    from dataclasses import replace

    waiting = replace(service(), ingress=())
    assert decide(waiting, [HERE], situation()).reason is NotAnnounced.NO_IP_ALLOCATED


EXCLUDED = Node(NODE, {EXCLUDE_LABEL: ""})
NODES = {
    "excluded": (EXCLUDED, False, NotAnnounced.NODE_EXCLUDED),
    "excluded, but that is ignored": (EXCLUDED, True, None),
    "network unavailable": (
        Node(NODE, {}, network_unavailable=True),
        False,
        NotAnnounced.NODE_NETWORK_UNAVAILABLE,
    ),
    "network unavailable comes before excluded": (
        Node(NODE, {EXCLUDE_LABEL: ""}, network_unavailable=True),
        False,
        NotAnnounced.NODE_NETWORK_UNAVAILABLE,
    ),
}


@pytest.mark.parametrize("name", NODES)
def test_nodes(name: str) -> None:
    node, ignore, reason = NODES[name]
    assert decide(service(), [HERE], situation(node=node, ignore=ignore)).reason is reason


def test_advertisements_for_other_nodes_do_not_count() -> None:
    iris = advertisement(node_selectors=selectors(name="iris"))
    assert decide(service(), [HERE], situation(iris)).reason is NotAnnounced.NOT_OWNER
    both = decide(service(), [HERE], situation(iris, advertisement("mine")))
    assert [ad.name for ad in both.advertisements] == ["mine"]


def test_advertisements_for_other_services_do_not_count() -> None:
    staged = advertisement(service_selectors=selectors(stage="prod"))
    assert decide(service(), [HERE], situation(staged)).reason is NotAnnounced.NO_MATCHING_ADVERTISEMENT
    assert decide(service(labels={"stage": "prod"}), [HERE], situation(staged)).reason is None


CONFLICT = NotAnnounced.CONFLICTING_ADVERTISEMENTS
CONFLICTS = {
    "same preference": (advertisement("a", local_pref=1), advertisement("b", local_pref=1), None),
    "different": (advertisement("a", local_pref=1), advertisement("b", local_pref=2), CONFLICT),
    "one has none": (advertisement("a", local_pref=1), advertisement("b"), CONFLICT),
    "other prefixes": (
        advertisement("a", local_pref=1),
        advertisement("b", local_pref=2, aggregation_length=24),
        None,
    ),
    "other peers": (
        advertisement("a", local_pref=1, peers="x"),
        advertisement("b", local_pref=2, peers="y"),
        None,
    ),
    "some peers in common": (
        advertisement("a", local_pref=1, peers="x,z"),
        advertisement("b", local_pref=2, peers="y,z"),
        CONFLICT,
    ),
    "all peers and one": (
        advertisement("a", local_pref=1),
        advertisement("b", local_pref=2, peers="y"),
        CONFLICT,
    ),
    "on another node": (
        advertisement("a", local_pref=1),
        advertisement("b", local_pref=2, node_selectors=selectors(name="iris")),
        None,
    ),
}


@pytest.mark.parametrize("name", CONFLICTS)
def test_conflicting_preferences(name: str) -> None:
    one, other, reason = CONFLICTS[name]
    assert decide(service(), [HERE], situation(one, other)).reason is reason
