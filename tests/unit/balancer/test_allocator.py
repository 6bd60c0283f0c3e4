"""MetalLB's allocator tables: what is assigned, shared, refused, kept over changes of the pools."""

from __future__ import annotations

from typing import Any

import pytest

from lab.balancer.allocator import AllocationError, Allocator
from lab.balancer.model import Family, Pool, PoolName
from lab.balancer.reasons import PoolReason
from lab.balancer.service import Service
from lab.kube.resources import ObjectKey
from tests.unit.balancer.allocator_objects import DUAL, V4, V6, addresses, pool, service, words


def allocator(*pools: Pool) -> Allocator:
    made = Allocator()
    made.set_pools(pools)
    return made


ASSIGNMENT_POOLS = [
    pool("test", "1.2.3.4/31", "1000::4/127"),
    pool("test2", "1.2.4.0/24", "1000::4:0/120", buggy=True),
    pool("test3", "1.2.5.0/24", namespaces=["test-ns1"]),
    pool("test4", "1.2.6.0/24", labels={"team": "metallb"}),
    pool("test5", "1.2.7.0/24", namespaces=["test-ns1"], labels={"team": "metallb"}, priority=20),
    pool("test6", "1.2.8.0/24", namespaces=["test-ns2"], labels={"foo": "bar"}, priority=20),
]
TEAM = {"team": "metallb"}

# Operations on one allocator, in order: a Service, the addresses it wants (none: it is released), and what is said.
Step = tuple[Service, str, str | None]
SEQUENCE_V4: list[Step] = [
    (service("s1"), "1.2.3.4", None),
    (service("s1"), "1.2.3.4", None),
    (service("s2"), "1.2.3.4", "existing service does not allow sharing"),
    (service("s2"), "1.2.3.5", None),
    (service("s1"), "1.2.3.5", "existing service does not allow sharing"),
    (service("s1"), "", None),
    (service("s2"), "1.2.3.4", None),
    (service("s1"), "1.2.3.5", None),
    (service("s3"), "1.2.4.0", '"1.2.4.0" is not allowed in config'),
    (service("s3"), "1.2.4.255", '"1.2.4.255" is not allowed in config'),
    (service("s3"), "1.2.4.254", None),
    (service("s4", "TCP/80", key="sharing", backend="backend"), "1.2.4.3", None),
    (service("s4", "TCP/80", key="share", backend="backend"), "1.2.4.3", None),
    (
        service("s3", "TCP/80", key="share", backend="backend"),
        "1.2.4.3",
        'port TCP/80 is already in use on "1.2.4.3"',
    ),
    (
        service("s3", "TCP/443", key="othershare", backend="backend"),
        "1.2.4.3",
        'sharing key "othershare" does not match existing sharing key "share"',
    ),
    (
        service("s3", "TCP/443", key="share", backend="otherbackend"),
        "1.2.4.3",
        'backend key "app=otherbackend" does not match existing sharing key "app=backend"',
    ),
    (service("s3", "TCP/443"), "1.2.4.3", "new service does not allow sharing"),
    (service("s3", "TCP/443", key="share", backend="backend"), "1.2.4.3", None),
    (service("s3", "UDP/53", key="share", backend="backend"), "1.2.4.3", None),
    (
        service("s3", "UDP/53", key="othershare", backend="backend"),
        "1.2.4.3",
        'can\'t change sharing key for "default/s3", address also in use by default/s4',
    ),
    (service("s3", "UDP/53", key="share", backend="otherbackend"), "1.2.4.3", "backend key"),
    (service("s4", "TCP/80", key="share", backend="backend"), "1.2.4.254", None),
]


def to_v6(text: str) -> str:
    table = {
        "1.2.3.4": "1000::4",
        "1.2.3.5": "1000::5",
        "1.2.4.3": "1000::4:3",
        "1.2.4.254": "1000::4:fe",
        "1.2.4.0": "1000::5:0",
        "1.2.4.255": "1000::5:ff",
    }
    for old, new in table.items():
        text = text.replace(f'"{old}"', f'"{new}"') if '"' in text else (new if text == old else text)
    return text


SEQUENCE_V6: list[Step] = [(s, to_v6(a), said and to_v6(said)) for s, a, said in SEQUENCE_V4]
OTHERS: list[Step] = [
    (service("s1"), "1.2.3.4,1000::4", None),
    (service("s1"), "1.2.4.5,1000::4", "is not allowed in config"),
    (service("s1"), "1.2.3.4,1.2.3.5", "has the same family"),
    (service("s1"), "1.2.3.4,1000::4,1000::5", "more than two addresses"),
    (service("a", ns="test-ns1"), "1.2.5.10", None),
    (service("a", ns="testns-not-exist"), "1.2.5.10", 'pool "test3" not compatible for ip assignment'),
    (service("b", labels=TEAM), "1.2.6.10", None),
    (service("b", labels={"team": "red"}), "1.2.6.10", 'pool "test4" not compatible for ip assignment'),
    (service("c", ns="test-ns1", labels=TEAM), "1.2.7.10", None),
    (service("d", ns="test-ns2", labels=TEAM), "1.2.8.10", "not compatible"),
    (service("e", ns="other", labels={"foo": "bar"}), "1.2.8.10", "not compatible"),
]


@pytest.mark.parametrize("steps", [SEQUENCE_V4, SEQUENCE_V6, OTHERS], ids=["IPv4", "IPv6", "others"])
def test_assignment(steps: list[Step]) -> None:
    made = allocator(*ASSIGNMENT_POOLS)
    for number, (wanting, text, said) in enumerate(steps):
        before = made.assignment(wanting.key)
        if not text:
            assert made.release(wanting.key)
        elif said is None:
            assert words(made.assign(wanting, addresses(text)).addresses) == text, number
        else:
            with pytest.raises(AllocationError) as caught:
                made.assign(wanting, addresses(text))
            assert said in caught.value.message, number
            assert made.assignment(wanting.key) == before, number
    assert [p.name for p in made.pools.values()] == sorted(p.name for p in ASSIGNMENT_POOLS)


ROOMY = ["1.2.3.4/31", "1.2.3.10/31", "1000::/127", "2000::/127"]


@pytest.mark.parametrize("families", [V4, V6, DUAL], ids=["IPv4", "IPv6", "dual"])
@pytest.mark.parametrize("name", ["test", ""], ids=["from a pool", "from any pool"])
def test_a_pool_is_used_up_freed_and_shared(families: tuple[Family, ...], name: str) -> None:
    made = allocator(pool("test", *ROOMY))

    def give(wanting: Service) -> str:
        if name:
            return words(made.allocate_from_pool(wanting, PoolName(name), [families]).addresses)
        return words(made.allocate(wanting, [families]).addresses)

    given = [give(service(f"s{n}")) for n in range(4)]
    assert len({part for text in given for part in text.split(",")}) == 4 * len(families)
    for n in (5, 6):
        with pytest.raises(AllocationError, match="no available IPs"):
            give(service(f"s{n}"))
    made.release(service("s1").key)
    assert give(service("s5")) == given[1]
    with pytest.raises(AllocationError, match="no available IPs"):
        give(service("s6"))
    assert give(service("s5", "TCP/80", key="k")) == given[1]
    assert give(service("s6", "TCP/443", key="k")) == given[1]
    with pytest.raises(AllocationError, match="no available IPs"):
        give(service("s7", "TCP/443", key="k"))


def test_what_has_one_family_cannot_ask_for_the_other() -> None:
    made = allocator(pool("test", *ROOMY))
    made.allocate(service("s1"), [V4])
    with pytest.raises(AllocationError, match="IP for wrong family assigned alloc ipv4 service family ipv6"):
        made.allocate(service("s1"), [V6])


def test_prefer_dual_takes_what_the_pool_has() -> None:
    made = allocator(pool("test", *ROOMY), pool("test-v4", "10.0.0.0/31"), pool("test-v6", "fd00::/127"))
    prefer = [DUAL, V4, V6]
    given = [
        words(made.allocate_from_pool(service(f"s{number}"), PoolName(name), prefer).addresses)
        for number, name in enumerate(["test", "test-v4", "test-v6"])
    ]
    assert given == ["1.2.3.4,1000::", "10.0.0.0", "fd00::"]


def test_an_unknown_pool() -> None:
    with pytest.raises(AllocationError, match='unknown pool "x"'):
        allocator(pool("test", "1.2.3.0/24")).allocate_from_pool(service("s"), PoolName("x"), [V4])


def test_buggy_addresses_are_avoided() -> None:
    made = allocator(
        pool("test", "1.2.3.0/31"),
        pool("test2", "1.2.3.254/31"),
        pool("test3", "1.2.4.0/31", buggy=True),
        pool("test4", "1.2.4.254/31", buggy=True),
    )
    given = {words(made.allocate(service(f"s{n}"), [V4]).addresses) for n in range(6)}
    assert given == {"1.2.3.0", "1.2.3.1", "1.2.3.254", "1.2.3.255", "1.2.4.1", "1.2.4.254"}
    with pytest.raises(AllocationError):
        made.allocate(service("s7"), [V4])


RELOADS: list[tuple[str, list[Pool], tuple[str, str]]] = [
    ("same", [pool("test", "1.2.3.0/30", "1000::/126")], ("test", "test")),
    ("expand", [pool("test", "1.2.3.0/24", "1000::/120")], ("test", "test")),
    ("shrink", [pool("test", "1.2.3.0/31", "1000::/127")], ("test", "test")),
    ("shrink, IPv4 is out", [pool("test", "1.2.3.2/31", "1000::/126")], ("", "test")),
    ("shrink, IPv6 is out", [pool("test", "1.2.3.0/30", "1000::2/127")], ("test", "")),
    ("rename", [pool("test2", "1.2.3.0/30", "1000::/126")], ("test2", "test2")),
    ("split", [pool("test", "1.2.3.0/31", "1.2.3.2/31"), pool("test2", "1000::/126")], ("test", "test2")),
    ("avoid buggy", [pool("test2", "1.2.3.0/30", "1000::/126", buggy=True)], ("", "test2")),
    ("none", [], ("", "")),
]


@pytest.mark.parametrize(("pools", "expected"), [row[1:] for row in RELOADS], ids=[row[0] for row in RELOADS])
def test_new_pools(pools: list[Pool], expected: tuple[str, str]) -> None:
    made = allocator(pool("test", "1.2.3.0/30", "1000::/126"))
    made.assign(service("s1"), addresses("1.2.3.0"))
    made.assign(service("s2"), addresses("1000::"))
    lost = made.set_pools(pools)
    kept = [made.assignment(service(name).key) for name in ("s1", "s2")]
    assert tuple(a.pool if a else "" for a in kept) == expected
    assert [key.name for key in lost] == [
        name for name, p in zip(("s1", "s2"), expected, strict=True) if not p
    ]
    in_use = sum(made.counts(p.name, family).in_use for p in pools for family in Family)
    assert in_use == len([name for name in expected if name])


def test_pools_that_do_not_assign_by_themselves() -> None:
    made = allocator(
        pool("test1", "1.2.3.4/31", "1000::4/127", auto=False), pool("test2", "1.2.3.10/31", "1000::10/127")
    )
    given = [words(made.allocate(service(f"s{n}"), [DUAL]).addresses) for n in range(2)]
    assert given == ["1.2.3.10,1000::10", "1.2.3.11,1000::11"]
    for n in (3, 4, 5):
        with pytest.raises(AllocationError):
            made.allocate(service(f"s{n}"), [DUAL])
    assert words(made.allocate_from_pool(service("s3"), PoolName("test1"), [V4]).addresses) == "1.2.3.4"


KEPT = {
    "by priority": ([pool("a", "1.0.0.0/30", priority=2), pool("b", "2.0.0.0/30", priority=1)], "2.0.0.0"),
    "no priority is last": (
        [pool("a", "1.0.0.0/30", priority=0), pool("b", "2.0.0.0/30", priority=9)],
        "2.0.0.0",
    ),
    "ties go by name": (
        [pool("b", "2.0.0.0/30", priority=1), pool("a", "1.0.0.0/30", priority=1)],
        "1.0.0.0",
    ),
    "before those for all": (
        [pool("a", "1.0.0.0/30"), pool("b", "2.0.0.0/30", namespaces=["default"])],
        "2.0.0.0",
    ),
    "but not of others": ([pool("a", "1.0.0.0/30", namespaces=["x"]), pool("b", "2.0.0.0/30")], "2.0.0.0"),
    "when it assigns at all": (
        [pool("a", "1.0.0.0/30", namespaces=["default"], auto=False), pool("b", "2.0.0.0/30")],
        "2.0.0.0",
    ),
    "dual stack before the better pool": (
        [pool("a", "1.0.0.0/30"), pool("b", "2.0.0.0/30", "fd00::/126")],
        "2.0.0.0,fd00::",
    ),
    "single stack of the better group": (
        [pool("a", "1.0.0.0/30", namespaces=["default"]), pool("b", "2.0.0.0/30", "fd00::/126")],
        "1.0.0.0",
    ),
}


@pytest.mark.parametrize(("pools", "expected"), KEPT.values(), ids=KEPT)
def test_the_order_of_pools(pools: list[Pool], expected: str) -> None:
    assert words(allocator(*pools).allocate(service("s"), [DUAL, V4, V6]).addresses) == expected


COUNTS: list[tuple[Pool, int, int]] = [
    (pool("p", "1.2.3.0/24"), 256, 0),
    (pool("p", "1.2.3.0/24", "2.3.4.128/25"), 384, 0),
    (pool("p", "1.2.3.0/24", "2.3.4.128/25", buggy=True), 381, 0),
    (pool("p", "1.2.3.0/24", "2.3.4.128/25", "1000::/64", buggy=True), 381, 1 << 64),
    (pool("p", "1000::/64", "1.2.3.0/24", "2.3.4.128/25", buggy=True), 381, 1 << 64),
    (pool("p", "1.2.3.0/31", "1000::/127", buggy=True), 1, 2),
    (pool("p", "10.0.0.0/8", buggy=True), (1 << 24) - 2 * (1 << 16), 0),
    (pool("p", "1.2.3.7/32", buggy=True), 1, 0),
    (pool("p", "1.2.3.0-1.2.5.9", buggy=True), 522 - 5, 0),
]


@pytest.mark.parametrize(("counted", "v4", "v6"), COUNTS)
def test_capacity_is_exact(counted: Pool, v4: int, v6: int) -> None:
    made = allocator(counted)
    counts = [made.counts(counted.name, family) for family in Family]
    assert [c.capacity for c in counts] == [c.available for c in counts] == [v4, v6]


def test_counts_follow_use_and_a_shared_address_counts_once() -> None:
    made = allocator(pool("p", "1.2.3.4/30", "1000::4/126"))

    def counted() -> tuple[int, int, int]:
        return (
            made.counts(PoolName("p"), Family.IPV4).in_use,
            made.counts(PoolName("p"), Family.IPV6).in_use,
            made.services(PoolName("p")),
        )

    steps: list[tuple[Any, tuple[int, int, int]]] = [
        (lambda: made.allocate(service("a", "TCP/1", key="k"), [V4]), (1, 0, 1)),
        (lambda: made.allocate(service("b", "TCP/2", key="k"), [V4]), (1, 0, 2)),
        (lambda: made.allocate(service("c", "TCP/3", key="k"), [DUAL]), (1, 1, 3)),
        (lambda: made.allocate(service("d"), [V4]), (2, 1, 4)),
        (lambda: made.release(ObjectKey("default", "a")), (2, 1, 3)),
        (lambda: made.release(ObjectKey("default", "b")), (2, 1, 2)),
        (lambda: made.release(ObjectKey("default", "c")), (1, 0, 1)),
        (lambda: made.release(ObjectKey("default", "c")), (1, 0, 1)),
        (lambda: made.release(ObjectKey("default", "d")), (0, 0, 0)),
    ]
    for number, (step, expected) in enumerate(steps):
        step()
        assert counted() == expected, number


def test_sharers_meet_only_when_no_earlier_address_is_free() -> None:
    made = allocator(pool("p", "1.0.0.0/30"))
    made.assign(service("a", "TCP/1", key="k"), addresses("1.0.0.1"))
    assert words(made.allocate(service("b", "TCP/2", key="k"), [V4]).addresses) == "1.0.0.0"
    assert words(made.allocate(service("c", "TCP/1", key="k"), [V4]).addresses) == "1.0.0.0"
    assert words(made.allocate(service("d", "TCP/1", key="k"), [V4]).addresses) == "1.0.0.2"
    assert made.sharers(addresses("1.0.0.0")[0]) == (ObjectKey("default", "b"), ObjectKey("default", "c"))


def test_an_address_of_the_other_family_comes_from_the_same_pool() -> None:
    made = allocator(pool("p", "1.0.0.0/32", "fd00::/128"), pool("q", "2.0.0.0/32"))
    made.allocate(service("a"), [V6])
    assert words(made.extend(service("a"), Family.IPV4).addresses) == "1.0.0.0,fd00::"
    made.allocate(service("b"), [V4])
    with pytest.raises(AllocationError, match="no suitable pool for ipv6 IPFamily"):
        made.extend(service("b"), Family.IPV6)


REFUSALS: dict[str, tuple[Pool, PoolReason]] = {
    "auto": (pool("p", "1.0.0.0/32", auto=False), PoolReason.AUTO_ASSIGN_OFF),
    "namespace": (pool("p", "1.0.0.0/32", namespaces=["x"]), PoolReason.NAMESPACE_MISMATCH),
    "no namespace matches": (pool("p", "1.0.0.0/32", namespaces=[]), PoolReason.NAMESPACE_MISMATCH),
    "labels": (pool("p", "1.0.0.0/32", labels={"a": "b"}), PoolReason.SERVICE_SELECTOR_MISMATCH),
    "family": (pool("p", "fd00::/64"), PoolReason.WRONG_FAMILY),
    "exhausted": (pool("p", "1.0.0.0/31", buggy=True), PoolReason.EXHAUSTED),
}


@pytest.mark.parametrize(("refusing", "reason"), REFUSALS.values(), ids=REFUSALS)
def test_every_pool_says_why_it_gave_nothing(refusing: Pool, reason: PoolReason) -> None:
    made = allocator(refusing, pool("other", "fd01::/64"))
    made.assign(service("x"), addresses("1.0.0.1" if reason is PoolReason.EXHAUSTED else "fd01::"))
    with pytest.raises(AllocationError) as caught:
        made.allocate(service("s"), [V4])
    assert [(r.pool, r.reason) for r in caught.value.refusals] == [
        ("other", PoolReason.WRONG_FAMILY),
        ("p", reason),
    ]


def test_every_pool_says_why_it_did_not_give_the_address_or_was_not_asked() -> None:
    made = allocator(
        pool("p", "1.0.0.0/31"), pool("q", "2.0.0.0/31"), pool("r", "3.0.0.0/31", namespaces=["x"])
    )
    made.assign(service("x"), addresses("1.0.0.0"))
    with pytest.raises(AllocationError) as caught:
        made.assign(service("s"), addresses("1.0.0.0"))
    reasons = {str(r.pool): r.reason for r in caught.value.refusals}
    assert reasons["p"] is PoolReason.ADDRESS_IN_USE
    assert reasons["q"] is reasons["r"] is PoolReason.ADDRESS_NOT_IN_POOL
    with pytest.raises(AllocationError) as caught:
        made.assign(service("s"), addresses("3.0.0.0"))
    reasons = {str(r.pool): r.reason for r in caught.value.refusals}
    assert reasons["r"] is PoolReason.NAMESPACE_MISMATCH
    with pytest.raises(AllocationError) as caught:
        made.allocate_from_pool(service("s"), PoolName("r"), [V4])
    reasons = {str(r.pool): r.reason for r in caught.value.refusals}
    assert reasons["p"] is PoolReason.OTHER_POOL_REQUESTED
    assert str(caught.value.refusals[0]).startswith("pool r is kept for other namespaces")
