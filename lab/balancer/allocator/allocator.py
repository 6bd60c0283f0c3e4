"""Assignments of addresses to Services."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lab.balancer.allocator.sharing import SharingError, Uses
from lab.balancer.allocator.space import PoolSpace
from lab.balancer.model import Address, Family, Pool, PoolName, family_of
from lab.balancer.reasons import POOL_WORDS, PoolReason
from lab.balancer.service import Service
from lab.errors import LabError
from lab.kube.resources import ObjectKey


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why one pool gave nothing."""

    pool: PoolName
    reason: PoolReason
    detail: str = ""

    def __str__(self) -> str:
        detail = f" ({self.detail})" if self.detail else ""
        return f"pool {self.pool} {POOL_WORDS[self.reason]}{detail}"


class AllocationError(LabError):
    """No address can be assigned. `refusals` has the reason of every pool."""

    def __init__(self, message: str, refusals: Sequence[Refusal] = ()) -> None:
        super().__init__(message)
        self.refusals = tuple(refusals)


@dataclass(frozen=True, slots=True)
class Assignment:
    """The addresses of a Service: one, or one of each family, of one pool. The order is that of the request."""

    service: Service
    pool: PoolName
    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """Addresses of one pool and family."""

    capacity: int
    in_use: int

    @property
    def available(self) -> int:
        return self.capacity - self.in_use


class Allocator:
    """All assignments under the present pools. Every method leaves them consistent, also when it raises."""

    def __init__(self) -> None:
        self._spaces: dict[PoolName, PoolSpace] = {}
        self._uses = Uses()
        self._assignments: dict[ObjectKey, Assignment] = {}
        self._services: dict[PoolName, int] = {}

    @property
    def pools(self) -> Mapping[PoolName, Pool]:
        return {name: space.pool for name, space in self._spaces.items()}

    def assignment(self, key: ObjectKey) -> Assignment | None:
        return self._assignments.get(key)

    def holders(self) -> tuple[ObjectKey, ...]:
        """Return the Services that have addresses."""
        return tuple(self._assignments)

    def sharers(self, address: Address) -> tuple[ObjectKey, ...]:
        """Return the Services that use the address."""
        return self._uses.sharers(address)

    def counts(self, pool: PoolName, family: Family) -> Counts:
        """Return exact counts; IPv6 ones may be larger than 64 bits."""
        space = self._spaces[pool]
        return Counts(space.capacity(family), space.in_use[family])

    def services(self, pool: PoolName) -> int:
        """Return how many Services have addresses of the pool."""
        return self._services.get(pool, 0)

    def set_pools(self, pools: Iterable[Pool]) -> tuple[ObjectKey, ...]:
        """Take over new pools and return the Services whose addresses no single pool contains any more.

        Those lose their addresses; everybody else keeps theirs, even under another pool's name.
        """
        self._spaces = {pool.name: PoolSpace(pool) for pool in sorted(pools, key=lambda pool: pool.name)}
        before = list(self._assignments.values())
        self._uses, self._assignments, self._services = Uses(), {}, {}
        lost = []
        for assignment in before:
            pool = self._pool_for(assignment.addresses, preferred=assignment.pool)
            if pool is None:
                lost.append(assignment.service.key)
            else:
                self._add(Assignment(assignment.service, pool.name, assignment.addresses))
        return tuple(lost)

    def release(self, key: ObjectKey) -> bool:
        """Take a Service's addresses away; False when it had none."""
        assignment = self._assignments.pop(key, None)
        if assignment is None:
            return False
        space = self._spaces[assignment.pool]
        for address in assignment.addresses:
            if self._uses.remove(key, address):
                space.freed(address)
        self._services[assignment.pool] -= 1
        return True

    def assign(self, service: Service, addresses: Sequence[Address]) -> Assignment:
        """Assign exactly these addresses, or raise AllocationError and leave the Service what it had."""
        if len(addresses) > 2:
            raise AllocationError(f"{_list(addresses)}: more than two addresses")
        if len({family_of(address) for address in addresses}) != len(addresses):
            raise AllocationError(f"{_list(addresses)} has the same family")
        own = self._assignments.get(service.key)
        pool = self._pool_for(addresses, service=service, preferred=own.pool if own else None)
        if pool is None:
            raise AllocationError(*self._not_assignable(service, addresses))
        try:
            for address in addresses:
                self._uses.check(service, address)
        except SharingError as error:
            refusals = [
                Refusal(name, PoolReason.ADDRESS_IN_USE, error.message)
                if name == pool.name
                else Refusal(name, PoolReason.ADDRESS_NOT_IN_POOL)
                for name in self._spaces
            ]
            raise AllocationError(error.message, refusals) from error
        return self._replace(Assignment(service, pool.name, tuple(addresses)))

    def allocate(self, service: Service, choices: Sequence[Sequence[Family]]) -> Assignment:
        """Assign addresses of any pool that serves the Service; raises AllocationError.

        `choices` are the sets of families that would do, best first. Pools kept for the Service come before the
        others, by priority and name; within each of the two groups a better choice comes before a better pool.
        A Service that has addresses of the right families keeps them.
        """
        if (kept := self._keep(service, choices)) is not None:
            return kept
        for pools in (self._kept_for(service), self._open_to_all()):
            for families in choices:
                for pool in pools:
                    if (addresses := self._find(service, pool, families)) is not None:
                        return self._replace(Assignment(service, pool.name, addresses))
        raise AllocationError(
            "no available IPs", [self._refusal(service, p, choices) for p in self.pools.values()]
        )

    def allocate_from_pool(
        self, service: Service, name: PoolName, choices: Sequence[Sequence[Family]]
    ) -> Assignment:
        """Assign addresses of the pool that the Service asks for; raises AllocationError.

        A Service that has addresses of the right families keeps them.
        """
        if (kept := self._keep(service, choices)) is not None:
            return kept
        others = [
            Refusal(other, PoolReason.OTHER_POOL_REQUESTED, name) for other in self._spaces if other != name
        ]
        space = self._spaces.get(name)
        if space is None:
            raise AllocationError(f'unknown pool "{name}"', others)
        if not is_compatible(space.pool, service):
            refusal = self._refusal(service, space.pool, choices, requested=True)
            raise AllocationError(f'pool "{name}" not compatible for ip assignment', [refusal, *others])
        for families in choices:
            if (addresses := self._find(service, space.pool, families)) is not None:
                return self._replace(Assignment(service, name, addresses))
        refusal = self._refusal(service, space.pool, choices, requested=True)
        raise AllocationError(f"no available IPs in pool {name}", [refusal, *others])

    def extend(self, service: Service, family: Family) -> Assignment:
        """Add an address of the other family, of the same pool, to those of a Service; raises AllocationError."""
        own = self._assignments[service.key]
        extra = self._find_one(service, self._spaces[own.pool], family)
        if extra is None:
            raise AllocationError(
                f"no suitable pool for {family} IPFamily", [Refusal(own.pool, PoolReason.EXHAUSTED)]
            )
        return self.assign(service, sorted((*own.addresses, extra), key=lambda address: address.version))

    def _keep(self, service: Service, choices: Sequence[Sequence[Family]]) -> Assignment | None:
        own = self._assignments.get(service.key)
        if own is None:
            return None
        families = {family_of(address) for address in own.addresses}
        if families not in [set(choice) for choice in choices]:
            have, want = _families(families), _families(choices[0])
            raise AllocationError(f"IP for wrong family assigned alloc {have} service family {want}")
        return self.assign(service, own.addresses)

    def _find(self, service: Service, pool: Pool, families: Sequence[Family]) -> tuple[Address, ...] | None:
        found = [self._find_one(service, self._spaces[pool.name], family) for family in families]
        addresses = tuple(address for address in found if address is not None)
        return addresses if len(addresses) == len(families) else None

    def _find_one(self, service: Service, space: PoolSpace, family: Family) -> Address | None:
        """Return the first address of the pool that the Service may use: free, or shared with others."""
        candidates = [
            address
            for address in self._uses.shared_in(space.pool.name, service.sharing_key)
            if family_of(address) is family and self._may_share(service, address)
        ]
        free = space.lowest_free(family, self._uses.__contains__)
        return space.first([*candidates, free] if free is not None else candidates)

    def _may_share(self, service: Service, address: Address) -> bool:
        try:
            self._uses.check(service, address)
        except SharingError:
            return False
        return True

    def _pool_for(
        self,
        addresses: Sequence[Address],
        *,
        service: Service | None = None,
        preferred: PoolName | None = None,
    ) -> Pool | None:
        """Return the pool that contains all the addresses (and serves the Service)."""
        names = sorted(self._spaces, key=lambda name: name != preferred)
        for pool in (self._spaces[name].pool for name in names):
            if all(address in pool for address in addresses) and (
                service is None or is_compatible(pool, service)
            ):
                return pool
        return None

    def _replace(self, assignment: Assignment) -> Assignment:
        self.release(assignment.service.key)
        self._add(assignment)
        return assignment

    def _add(self, assignment: Assignment) -> None:
        for address in assignment.addresses:
            if self._uses.add(assignment.service, address, assignment.pool):
                self._spaces[assignment.pool].taken(address)
        self._assignments[assignment.service.key] = assignment
        self._services[assignment.pool] = self._services.get(assignment.pool, 0) + 1

    def _kept_for(self, service: Service) -> list[Pool]:
        pools = [
            (allocation.priority or float("inf"), space.pool.name, space.pool)
            for space in self._spaces.values()
            if (allocation := space.pool.allocation)
            and space.pool.auto_assign
            and is_compatible(space.pool, service)
        ]
        return [pool for _, _, pool in sorted(pools, key=lambda entry: entry[:2])]

    def _open_to_all(self) -> list[Pool]:
        pools = (space.pool for space in self._spaces.values())
        return [pool for pool in pools if pool.auto_assign and pool.allocation is None]

    def _not_assignable(self, service: Service, addresses: Sequence[Address]) -> tuple[str, list[Refusal]]:
        refusals = []
        for pool in self.pools.values():
            missing = [address for address in addresses if address not in pool]
            refusals.append(
                Refusal(pool.name, PoolReason.ADDRESS_NOT_IN_POOL, _list(missing))
                if missing
                else self._refusal(service, pool, (), requested=True)
            )
        pool_of_all = self._pool_for(addresses)
        if pool_of_all:
            return f'pool "{pool_of_all.name}" not compatible for ip assignment', refusals
        return f"{_list(addresses)} is not allowed in config", refusals

    def _refusal(
        self, service: Service, pool: Pool, choices: Sequence[Sequence[Family]], *, requested: bool = False
    ) -> Refusal:
        allocation = pool.allocation
        if allocation and allocation.namespaced and service.key.namespace not in allocation.namespaces:
            return Refusal(pool.name, PoolReason.NAMESPACE_MISMATCH)
        if not is_compatible(pool, service):
            return Refusal(pool.name, PoolReason.SERVICE_SELECTOR_MISMATCH)
        if not pool.auto_assign and not requested:
            return Refusal(pool.name, PoolReason.AUTO_ASSIGN_OFF)
        if not any(pool.families.issuperset(families) for families in choices):
            wanted = " or ".join(_families(families) for families in choices)
            return Refusal(pool.name, PoolReason.WRONG_FAMILY, f"it needs {wanted}" if wanted else "")
        return Refusal(pool.name, PoolReason.EXHAUSTED)


def is_compatible(pool: Pool, service: Service) -> bool:
    """Tell whether the pool's serviceAllocation admits the Service."""
    allocation = pool.allocation
    if allocation is None:
        return True
    if allocation.namespaced and service.key.namespace not in allocation.namespaces:
        return False
    selectors = allocation.service_selectors
    return not selectors or any(selector.matches(service.labels) for selector in selectors)


def _families(families: Iterable[Family]) -> str:
    return "+".join(sorted(map(str, families)))


def _list(addresses: Iterable[Address]) -> str:
    return ",".join(f'"{address}"' for address in addresses)
