"""Whatever happens in whatever order: no address has two owners that do not share it, and none is lost."""

from __future__ import annotations

from itertools import combinations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from lab.balancer.allocator import AllocationError, Allocator
from lab.balancer.model import Address, Family, Pool
from lab.balancer.service import Service
from tests.unit.balancer.allocator_objects import DUAL, V4, V6, pool, service

POOLS = [
    pool("a", "10.0.0.254-10.0.1.2", "fd00::/126", buggy=True),
    pool("b", "10.0.2.0/30", priority=1),
    pool("c", "10.0.3.0/31", "10.0.3.8/31", "fd01::/127", namespaces=["x"]),
    pool("a2", "10.0.0.254-10.0.1.2", "fd00::/126"),
    pool("d", "10.0.2.0/31", "10.0.3.8/31", auto=False),
]
LAYOUTS = [POOLS[:3], POOLS[:2], [POOLS[1], POOLS[2], POOLS[3]], [POOLS[0], POOLS[4]], []]
EVERY_ADDRESS: list[Address] = [a for p in POOLS for prefix in p.prefixes for a in prefix]


class AllocatorMachine(RuleBasedStateMachine):
    services = Bundle("services")

    def __init__(self) -> None:
        super().__init__()
        self.allocator = Allocator()
        self.pools: list[Pool] = []
        self.known: dict[str, Service] = {}

    @rule(
        target=services,
        name=st.sampled_from([f"s{n}" for n in range(12)]),
        ns=st.sampled_from(["default", "x"]),
        key=st.sampled_from(["", "k", "l"]),
        backend=st.sampled_from(["", "", "web"]),
        port=st.sampled_from(["TCP/1", "TCP/2", "UDP/1"]),
    )
    def a_service(self, name: str, ns: str, key: str, backend: str, port: str) -> Service:
        return service(f"{ns}-{name}", port, ns=ns, key=key, backend=backend)

    @rule(layout=st.sampled_from(LAYOUTS))
    def new_pools(self, layout: list[Pool]) -> None:
        self.pools = layout
        lost = self.allocator.set_pools(layout)
        for key in lost:
            assert self.allocator.assignment(key) is None

    @rule(wanting=services, choices=st.sampled_from([[V4], [V6], [DUAL], [DUAL, V4, V6]]))
    def allocate(self, wanting: Service, choices: list[tuple[Family, ...]]) -> None:
        before = self.allocator.assignment(wanting.key)
        try:
            made = self.allocator.allocate(wanting, choices)
        except AllocationError:
            assert self.allocator.assignment(wanting.key) == before
        else:
            assert {a.version for a in made.addresses} in [{f.value for f in choice} for choice in choices]
            assert before is None or made.addresses == before.addresses

    @rule(wanting=services, address=st.sampled_from(EVERY_ADDRESS))
    def assign(self, wanting: Service, address: Address) -> None:
        before = self.allocator.assignment(wanting.key)
        try:
            made = self.allocator.assign(wanting, [address])
        except AllocationError:
            assert self.allocator.assignment(wanting.key) == before
        else:
            assert made.addresses == (address,)

    @rule(wanting=services)
    def release(self, wanting: Service) -> None:
        had = self.allocator.assignment(wanting.key) is not None
        assert self.allocator.release(wanting.key) is had

    @invariant()
    def nobody_shares_unwillingly(self) -> None:
        for one, other in combinations(self.allocator._assignments.values(), 2):
            if set(one.addresses) & set(other.addresses):
                assert one.service.sharing_key == other.service.sharing_key != ""
                assert one.service.backend_key == other.service.backend_key
                assert not one.service.ports & other.service.ports

    @invariant()
    def every_address_is_of_its_pool(self) -> None:
        for assignment in self.allocator._assignments.values():
            pool_of_it = self.allocator.pools[assignment.pool]
            assert all(address in pool_of_it for address in assignment.addresses)

    @invariant()
    def the_first_free_address_is_the_first_that_nobody_uses(self) -> None:
        used = {a for assignment in self.allocator._assignments.values() for a in assignment.addresses}
        for one in self.pools:
            space = self.allocator._spaces[one.name]
            for family in Family:
                mine = [a for p in one.prefixes for a in p if a in one and a.version == family.value]
                free = [a for a in mine if a not in used]
                assert space.lowest_free(family, self.allocator._uses.__contains__) == (
                    free[0] if free else None
                )
                counts = self.allocator.counts(one.name, family)
                assert (counts.capacity, counts.available) == (len(mine), len(free))


TestAllocatorMachine = AllocatorMachine.TestCase
TestAllocatorMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
