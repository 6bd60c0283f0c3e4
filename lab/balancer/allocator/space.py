"""The addresses of one pool in their order, and which of them is the first free one.

Nothing is stored for an address that was never used: each prefix has a cursor below which every address has been in use
at some time, and a heap of those below it that are free again. So a pool of any size costs nothing, and finding the
lowest free address is O(log n).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv6Address

from lab.balancer.model import Address, Family, Pool, Prefix, family_of

Position = tuple[int, int]
"""The place of an address in its pool: index of the prefix, then the address as a number."""


class PrefixSpace:
    """The addresses of one prefix that may be given out. All numbers are addresses."""

    def __init__(self, prefix: Prefix, *, avoid_buggy: bool) -> None:
        self.prefix = prefix
        self.family = family_of(prefix)
        self._avoid_buggy = avoid_buggy and self.family is Family.IPV4
        self._first = int(prefix.network_address)
        self._last = int(prefix.broadcast_address)
        self._cursor = self._first
        self._freed: list[int] = []
        self._in_heap: set[int] = set()

    def lowest_free(self, in_use: Callable[[Address], bool]) -> Address | None:
        """Return the lowest address that is not in use; it stays free."""
        while self._freed:
            address = self._address(self._freed[0])
            if not in_use(address):
                return address
            self._in_heap.discard(heapq.heappop(self._freed))
        while self._cursor <= self._last:
            if not self._is_avoided(self._cursor):
                address = self._address(self._cursor)
                if not in_use(address):
                    return address
            self._cursor += 1
        return None

    def freed(self, address: Address) -> None:
        """Note that an address is no longer in use."""
        number = int(address)
        if number < self._cursor and number not in self._in_heap:
            heapq.heappush(self._freed, number)
            self._in_heap.add(number)

    @property
    def capacity(self) -> int:
        """How many addresses may be given out at all."""
        total = self._last - self._first + 1
        return total - self._buggy() if self._avoid_buggy else total

    def _buggy(self) -> int:
        ending_in_0 = self._last // 256 - (self._first - 1) // 256
        ending_in_255 = (self._last + 1) // 256 - self._first // 256
        return ending_in_0 + ending_in_255

    def _is_avoided(self, number: int) -> bool:
        return self._avoid_buggy and number & 0xFF in {0, 0xFF}

    def _address(self, number: int) -> Address:
        return IPv4Address(number) if self.family is Family.IPV4 else IPv6Address(number)


class PoolSpace:
    """The addresses of one pool."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self._prefixes = [PrefixSpace(p, avoid_buggy=pool.avoid_buggy_ips) for p in pool.prefixes]
        self.in_use = dict.fromkeys(Family, 0)
        """How many of the pool's addresses are in use."""

    def lowest_free(self, family: Family, in_use: Callable[[Address], bool]) -> Address | None:
        for space in self._prefixes:
            if space.family is family and (address := space.lowest_free(in_use)) is not None:
                return address
        return None

    def taken(self, address: Address) -> None:
        self.in_use[family_of(address)] += 1

    def freed(self, address: Address) -> None:
        self.in_use[family_of(address)] -= 1
        self._prefixes[self.position(address)[0]].freed(address)

    def position(self, address: Address) -> Position:
        """Return the address's place in the order of the pool; raises ValueError when it is not in it."""
        for index, space in enumerate(self._prefixes):
            if address.version == space.prefix.version and address in space.prefix:
                return index, int(address)
        raise ValueError(address)

    def first(self, addresses: Iterable[Address]) -> Address | None:
        """Return the one of the addresses that comes first in the pool."""
        return min(addresses, key=self.position, default=None)

    def capacity(self, family: Family) -> int:
        return sum(space.capacity for space in self._prefixes if space.family is family)
