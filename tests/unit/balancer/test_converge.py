"""MetalLB's controller tables: a Service and what it had → what it gets."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Any

import pytest

from lab.balancer.allocator import Allocator
from lab.balancer.controller.converge import Outcome, Verdict, converge, is_ours
from lab.balancer.model import Family, family_of
from lab.balancer.service import FamilyPolicy, Service
from lab.kube.events import EventType
from tests.unit.balancer.allocator_objects import addresses, pool, service

POOLS = [
    pool("pool1", "1.2.3.0/31"),
    pool("pool2", "3.4.5.6/32", auto=False),
    pool("pool3", "1000::/127"),
    pool("pool4", "2000::1/128", auto=False),
    pool("pool5", "1.2.3.0/31", "1000::/127"),
    pool("pool6", "7.8.9.0/31", namespaces=["ns1"], priority=10),
    pool("pool7", "10.11.12.0/31", namespaces=["ns1"], priority=11),
    pool("pool8", "13.14.15.0/31", labels={"team": "metallb"}, priority=9),
    pool("pool9", "16.17.18.0/31", namespaces=["ns2"]),
    pool("pool10", "19.20.21.0/31", labels={"team": "metallb"}, priority=8),
    pool("pool11", "22.23.24.0/31", namespaces=["ns1"], labels={"team": "metallb"}, priority=8),
    pool("pool12", "25.26.27.0/31", namespaces=["ns1"], labels={"team": "metallb"}, priority=5),
]
TEAM = {"team": "metallb"}
PREFER, REQUIRE = FamilyPolicy.PREFER_DUAL, FamilyPolicy.REQUIRE_DUAL
DUAL_IPS = "1.2.3.4,3000::1"


def balanced(
    had: str = "",
    *,
    ip: str = "",
    ips: str = "",
    pool: str = "",
    cluster: str = "1.2.3.4",
    ns: str = "default",
    **fields: Any,
) -> Service:
    """Return a Service; `ip` is spec.loadBalancerIP, `ips` and `pool` are annotations, `had` its ingress."""
    annotations = {"loadBalancerIPs": ips, "address-pool": pool}
    return replace(
        service("svc", ns=ns),
        load_balancer_ip=ip,
        cluster_ips=tuple(addresses(cluster)),
        families=tuple(family_of(a) for a in addresses(cluster)),
        ingress=tuple(had.split(",")) if had else (),
        annotations={f"metallb.io/{name}": value for name, value in annotations.items() if value},
        **fields,
    )


@dataclass(frozen=True)
class Row:
    name: str
    service: Service
    wanted: str
    warned: bool = False


ROWS = [
    Row("another type", balanced(type="ClusterIP"), ""),
    Row("simple", balanced(), "1.2.3.0"),
    Row("the field", balanced(ip="1.2.3.1"), "1.2.3.1"),
    Row("the annotation", balanced(ips="1.2.3.1"), "1.2.3.1"),
    Row("field and annotation", balanced(ip="1.2.3.1", ips="1.2.3.1"), "", warned=True),
    Row("garbage in the field", balanced(ip="please"), "", warned=True),
    Row("garbage in the annotation", balanced(ips="1.2.3.1,please"), "", warned=True),
    Row("two of a family", balanced(ips="1.2.3.1,1.2.3.2"), "", warned=True),
    Row("address and another pool", balanced(ip="1.2.3.1", pool="pool2"), "", warned=True),
    Row("address of no pool, had one", balanced("1.2.3.1", ip="1.2.3.4"), "", warned=True),
    Row("a pool", balanced(pool="pool1"), "1.2.3.0"),
    Row("another pool than it had", balanced("1.2.3.0", pool="pool2"), "3.4.5.6"),
    Row("no such pool", balanced(pool="does-not-exist"), "", warned=True),
    Row("had one of no pool", balanced("2.3.4.5"), "1.2.3.0"),
    Row("had a host name", balanced("foo,10.10.10.10"), "1.2.3.0"),
    Row("was balanced", balanced("1.2.3.0", type="NodePort"), ""),
    Row("manual pool by address", balanced(ip="3.4.5.6"), "3.4.5.6"),
    Row("manual pool by address, Local", balanced(ip="3.4.5.6", local=True), "3.4.5.6"),
    Row("no cluster IP", balanced(cluster=""), ""),
    Row("IPv4 by field on IPv6", balanced(ip="1.2.3.1", cluster="3000::1"), "", warned=True),
    Row("IPv4 by annotation on IPv6", balanced(ips="1.2.3.1", cluster="3000::1"), "", warned=True),
    Row("IPv6 by field on IPv4", balanced(ip="1000::"), "", warned=True),
    Row("IPv6 by annotation on IPv4", balanced(ips="1000::"), "", warned=True),
    Row("had IPv6 on IPv4", balanced("1000::"), "1.2.3.0"),
    Row("had IPv4 on IPv6", balanced("1.2.3.0", cluster="3000::1"), "1000::"),
    Row("require dual", balanced(cluster=DUAL_IPS, family_policy=REQUIRE), "1.2.3.0,1000::"),
    Row(
        "require dual of a pool",
        balanced(cluster=DUAL_IPS, family_policy=REQUIRE, pool="pool5"),
        "1.2.3.0,1000::",
    ),
    Row("prefer dual", balanced(cluster=DUAL_IPS, family_policy=PREFER), "1.2.3.0,1000::"),
    Row(
        "prefer dual of a pool",
        balanced(cluster=DUAL_IPS, family_policy=PREFER, pool="pool5"),
        "1.2.3.0,1000::",
    ),
    Row("prefer dual, one cluster IP, ns1", balanced(ns="ns1", family_policy=PREFER), "7.8.9.0"),
    Row(
        "prefer dual of an IPv4 pool",
        balanced(cluster=DUAL_IPS, family_policy=PREFER, pool="pool1"),
        "1.2.3.0",
    ),
    Row("prefer dual on IPv6", balanced(cluster="3000::1", family_policy=PREFER, pool="pool3"), "1000::"),
    Row("prefer dual on IPv4", balanced(family_policy=PREFER, pool="pool5"), "1.2.3.0"),
    Row("require dual on IPv4", balanced(family_policy=REQUIRE, pool="pool5"), "", warned=True),
    Row(
        "dual, one by field", balanced(cluster=DUAL_IPS, family_policy=PREFER, ip="1.2.3.0"), "", warned=True
    ),
    Row(
        "dual, one by annotation",
        balanced(cluster=DUAL_IPS, family_policy=PREFER, ips="1.2.3.0"),
        "",
        warned=True,
    ),
    Row(
        "require dual by annotation",
        balanced(cluster=DUAL_IPS, family_policy=REQUIRE, ips="1.2.3.0,1000::"),
        "1.2.3.0,1000::",
    ),
    Row(
        "require dual, had a host name",
        balanced("foo,1000::", cluster="3000::1,5.6.7.8", family_policy=REQUIRE),
        "1.2.3.0,1000::",
    ),
    Row("two by annotation on IPv4", balanced(ips="1.2.3.0,1000::"), "", warned=True),
    Row("ns1", balanced(ns="ns1"), "7.8.9.0"),
    Row("ns2", balanced(ns="ns2"), "16.17.18.0"),
    Row("team", balanced(labels=TEAM), "19.20.21.0"),
    Row("ns1 and team", balanced(ns="ns1", labels=TEAM), "25.26.27.0"),
    Row("had three", balanced("1.2.3.0,1.2.3.1,1000::"), "1.2.3.0", warned=True),
    Row("has what it may keep", balanced("1.2.3.1"), "1.2.3.1"),
]


def allocator_with(*pools: Any) -> Allocator:
    made = Allocator()
    made.set_pools(pools)
    return made


def warned(outcome: Outcome) -> bool:
    return any(notice.type is EventType.WARNING for notice in outcome.notices)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_service_and_what_it_gets(row: Row) -> None:
    outcome = converge(row.service, allocator_with(*POOLS))
    assert ",".join(outcome.ingress) == row.wanted
    assert warned(outcome) is row.warned
    assert bool(outcome.pool) is bool(row.wanted)
    assert (outcome.reason == "Assigned") is bool(row.wanted)


@pytest.mark.parametrize("seed", range(100))
def test_what_happened_to_others_before_does_not_matter_when_they_are_gone(seed: int) -> None:
    made = allocator_with(*POOLS)
    rows = random.Random(seed).sample(ROWS, len(ROWS))  # noqa: S311 -- a reproducible shuffle
    for row in rows:
        outcome = converge(row.service, made)
        assert ",".join(outcome.ingress) == row.wanted, row.name
        made.release(row.service.key)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_second_look_changes_nothing(row: Row) -> None:
    made = allocator_with(*POOLS)
    first = converge(row.service, made)
    settled = replace(row.service, ingress=first.ingress)
    second = converge(settled, made)
    assert (second.ingress, second.pool, second.verdict) == (first.ingress, first.pool, first.verdict)
    assert (second.reason, second.message) == (first.reason, first.message)
    if first.satisfied:
        assert second.notices == ()


@pytest.mark.parametrize(
    ("wanted", "ours", "expected"),
    [("", "", True), ("", "foo", False), ("foo", "", False), ("foo", "bar", False), ("foo", "foo", True)],
)
def test_load_balancer_class(wanted: str, ours: str, *, expected: bool) -> None:
    assert is_ours(balanced(load_balancer_class=wanted), ours) is expected


def test_a_service_of_another_class_is_not_touched_and_holds_nothing() -> None:
    made = allocator_with(*POOLS)
    converge(balanced(), made)
    outcome = converge(balanced("9.9.9.9", load_balancer_class="other"), made)
    assert (outcome.verdict, outcome.ingress) == (Verdict.NOT_OURS, ("9.9.9.9",))
    assert made.assignment(balanced().key) is None


def test_a_decision_that_is_not_in_the_status_yet_is_not_made_again() -> None:
    made = allocator_with(pool("p", "1.0.0.0/30"))
    other = service("other")
    made.assign(other, addresses("1.0.0.0"))
    assert converge(balanced(), made).ingress == ("1.0.0.1",)
    made.release(other.key)
    again = converge(balanced(), made)
    assert again.ingress == ("1.0.0.1",)
    assert [notice.reason for notice in again.notices] == ["IPAllocated"]


def test_an_invalid_wish_leaves_what_the_service_has() -> None:
    made = allocator_with(*POOLS)
    outcome = converge(balanced("1.2.3.1", ip="please"), made)
    assert (outcome.verdict, outcome.ingress, outcome.pool) == (Verdict.INVALID, ("1.2.3.1",), "pool1")
    assert made.sharers(addresses("1.2.3.1")[0])


def test_a_pending_service_says_why_of_every_pool() -> None:
    made = allocator_with(
        pool("full", "1.0.0.0/32"),
        pool("manual", "2.0.0.0/32", auto=False),
        pool("theirs", "3.0.0.0/32", namespaces=["x"]),
        pool("six", "fd00::/64"),
    )
    made.assign(service("other"), addresses("1.0.0.0"))
    outcome = converge(balanced(), made)
    assert outcome.verdict is Verdict.REFUSED
    assert outcome.message == (
        "no available IPs: pool full has no free address left; "
        "pool manual gives addresses only to Services that ask for it (autoAssign: false); "
        "pool six has no addresses of the IP family that the Service needs (it needs ipv4); "
        "pool theirs is kept for other namespaces (serviceAllocation)"
    )
    assert [n.reason for n in outcome.notices] == ["AllocationFailed"]
    assert outcome.notices[0].message.startswith('Failed to allocate IP for "default/svc": no available IPs')


def test_without_pools() -> None:
    assert converge(balanced(), Allocator()).message == "no available IPs: there is no IPAddressPool"


def test_a_deprecated_annotation_is_mentioned() -> None:
    wanting = replace(balanced(), annotations={"metallb.universe.tf/loadBalancerIPs": "1.2.3.1"})
    outcome = converge(wanting, allocator_with(*POOLS))
    assert outcome.ingress == ("1.2.3.1",)
    assert [n.reason for n in outcome.notices] == ["deprecatedAnnotation", "IPAllocated"]


PREFERRING = {"cluster": DUAL_IPS, "family_policy": PREFER}


def test_the_second_address_comes_when_the_pool_has_both_families() -> None:
    made = allocator_with(pool("p", "1.0.0.0/30"), pool("q", "2.0.0.0/30", "fd01::/126"))
    first = converge(balanced(**PREFERRING, pool="p"), made)
    assert first.ingress == ("1.0.0.0",)
    kept = converge(balanced("1.0.0.0", **PREFERRING), made)
    assert (kept.ingress, kept.verdict) == (("1.0.0.0",), Verdict.ASSIGNED)
    made.set_pools([pool("p", "1.0.0.0/30", "fd00::/128"), pool("q", "2.0.0.0/30", "fd01::/126")])
    both = converge(balanced("1.0.0.0", **PREFERRING), made)
    assert both.ingress == ("1.0.0.0", "fd00::")
    assert [n.message for n in both.notices] == ['Assigned additional IP ["1.0.0.0" "fd00::"]']
    made.release(balanced().key)
    made.assign(service("other"), addresses("fd00::"))
    partly = converge(balanced("1.0.0.0", **PREFERRING), made)
    assert (partly.verdict, partly.ingress) == (Verdict.PARTLY_ASSIGNED, ("1.0.0.0",))
    assert [n.reason for n in partly.notices] == ["AdditionalAssignFailed"]


def test_when_a_dual_pool_becomes_single_both_addresses_go() -> None:
    made = allocator_with(pool("p", "1.0.0.0/30"), pool("q", "2.0.0.0/30", "fd01::/126"))
    assert converge(balanced("1.0.0.0,fd00::", **PREFERRING), made).ingress == ("2.0.0.0", "fd01::")


def test_the_primary_family_is_the_first_of_the_service() -> None:
    made = allocator_with(pool("p", "1.0.0.0/30"), pool("q", "fd00::/126"))
    wanting = balanced(cluster="3000::1,1.2.3.4", family_policy=PREFER)
    assert wanting.families[0] is Family.IPV6
    assert converge(wanting, made).ingress == ("fd00::",)


def test_a_second_pool_moves_nobody_and_a_lost_one_does() -> None:
    made = allocator_with(pool("a", "1.2.3.0/31"))
    assert converge(balanced(), made).ingress == ("1.2.3.0",)
    made.set_pools([pool("a", "1.2.3.0/31"), pool("b", "4.5.6.0/31")])
    assert converge(balanced("1.2.3.0"), made).ingress == ("1.2.3.0",)
    made.set_pools([pool("b", "4.5.6.0/31")])
    moved = converge(balanced("1.2.3.0"), made)
    assert moved.ingress == ("4.5.6.0",)
    assert [n.reason for n in moved.notices] == ["ClearAssignment", "IPAllocated"]
    made.set_pools([])
    assert converge(balanced("4.5.6.0"), made).ingress == ()
