"""The routes for one peer (RFC 4271, section 3.2, Adj-RIB-Out): what is wanted, what the peer has, and the difference.

The owner states the whole wanted set, or what of it changes; the difference to what the peer has is written when the
peer can take it, many prefixes to a message.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from itertools import islice

from lab.wire.bgp.attribute_list import PathAttributes
from lab.wire.bgp.attributes import (
    GRACEFUL_SHUTDOWN,
    AsPath,
    AsSegment,
    Community,
    LargeCommunity,
    MpReach,
    MpUnreach,
)
from lab.wire.bgp.constants import (
    MAX_MESSAGE_LENGTH,
    MAX_TWO_OCTET_ASN,
    Address,
    Asn,
    Family,
    Origin,
    Prefix,
    SegmentType,
)
from lab.wire.bgp.messages import Dialect
from lab.wire.bgp.update import Update

_DEFAULT_LOCAL_PREF = 100
_LONGEST_COMMUNITIES = 3072
"""Octets of communities in one route: leaves room for every other attribute and for prefixes."""
_EXTENDED = 1
"""An attribute that grows beyond 255 octets needs one more octet for its length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """Everything about a route except its prefix. Raises ValueError when it cannot fit a message."""

    next_hop: Address | None = None
    """Default: the session's own address."""
    local_pref: int | None = None
    """Sent to internal peers only; default 100."""
    med: int | None = None
    communities: frozenset[Community] = frozenset()
    large_communities: frozenset[LargeCommunity] = frozenset()

    def __post_init__(self) -> None:
        if 4 * len(self.communities) + 12 * len(self.large_communities) > _LONGEST_COMMUNITIES:
            raise ValueError("more communities than fit one message")


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """What every route of a session has in common."""

    asn: Asn
    next_hops: Mapping[Family, Address]
    dialect: Dialect


@dataclass(frozen=True, slots=True)
class Batch:
    """Some messages and what they say."""

    messages: tuple[bytes, ...]
    announced: tuple[Prefix, ...]
    withdrawn: tuple[Prefix, ...]


class AdjRibOut:
    def __init__(self) -> None:
        self._wanted: dict[Prefix, Path] = {}
        self._sent: dict[Prefix, Path] = {}
        self._dirty: dict[Prefix, None] = {}
        self._draining = False

    @property
    def pending(self) -> int:
        """How many prefixes wait to be written."""
        return len(self._dirty)

    @property
    def announced(self) -> int:
        """How many prefixes the peer has from us."""
        return len(self._sent)

    def replace(self, routes: Mapping[Prefix, Path]) -> None:
        """Want exactly `routes`."""
        old = self._wanted
        self._dirty.update((prefix, None) for prefix in old if prefix not in routes)
        self._dirty.update((prefix, None) for prefix, path in routes.items() if old.get(prefix) != path)
        self._wanted = dict(routes)

    def change(self, changes: Mapping[Prefix, Path | None]) -> None:
        """Want these prefixes with these paths, or no longer (None), and all others as before."""
        for prefix, path in changes.items():
            if path is None:
                if self._wanted.pop(prefix, None) is not None:
                    self._dirty[prefix] = None
            elif self._wanted.get(prefix) != path:
                self._wanted[prefix] = path
                self._dirty[prefix] = None

    def drain(self) -> None:
        """Mark every route as about to go away (RFC 8326)."""
        self._draining = True
        self._dirty.update(dict.fromkeys(self._wanted))

    def restart(self) -> None:
        """Forget what the peer has: a new session begins with nothing."""
        self._sent.clear()
        self._dirty = dict.fromkeys(self._wanted)

    def refresh(self, family: Family) -> None:
        """Write every route of `family` again (RFC 2918, section 4)."""
        again = [prefix for prefix in self._wanted if Family.of(prefix) is family]
        for prefix in again:
            self._sent.pop(prefix, None)
        self._dirty.update(dict.fromkeys(again))

    def take(self, speaker: Speaker, *, at_most: int) -> Batch:
        """Write up to `at_most` waiting prefixes of the families that have a next hop; withdrawals come first."""
        withdrawn: list[Prefix] = []
        announced: dict[tuple[Family, Path], list[Prefix]] = {}
        for prefix in list(islice(self._dirty, at_most)):
            del self._dirty[prefix]
            self._sort(prefix, withdrawn, announced, speaker.next_hops)
        messages = [*_withdrawals(withdrawn, speaker.dialect)]
        for (family, path), prefixes in announced.items():
            messages += _announcements(family, path, prefixes, speaker)
        flat = tuple(prefix for prefixes in announced.values() for prefix in prefixes)
        return Batch(tuple(messages), flat, tuple(withdrawn))

    def _sort(
        self,
        prefix: Prefix,
        withdrawn: list[Prefix],
        announced: dict[tuple[Family, Path], list[Prefix]],
        next_hops: Mapping[Family, Address],
    ) -> None:
        family = Family.of(prefix)
        path = self._wanted.get(prefix) if family in next_hops else None
        if path is None:
            if self._sent.pop(prefix, None) is not None:
                withdrawn.append(prefix)
            return
        if self._draining:
            path = replace(path, communities=path.communities | {GRACEFUL_SHUTDOWN})
        if self._sent.get(prefix) != path:
            self._sent[prefix] = path
            announced.setdefault((family, path), []).append(prefix)


def end_of_rib(family: Family) -> Update:
    """Say that the initial routes of `family` are complete (RFC 4724, section 2)."""
    if family is Family.IPV4:
        return Update()
    return Update(attributes=PathAttributes(mp_unreach=MpUnreach(family, ())))


def _withdrawals(prefixes: list[Prefix], dialect: Dialect) -> Iterator[bytes]:
    for family in Family:
        room = MAX_MESSAGE_LENGTH - len(end_of_rib(family).encode(four_octet=True)) - _EXTENDED
        for part in _parts([p for p in prefixes if Family.of(p) is family], room):
            if family is Family.IPV4:
                update = Update(withdrawn=part)
            else:
                update = Update(attributes=PathAttributes(mp_unreach=MpUnreach(family, part)))
            yield update.encode(four_octet=dialect.four_octet)


def _announcements(family: Family, path: Path, prefixes: list[Prefix], speaker: Speaker) -> Iterator[bytes]:
    own = path.next_hop is not None and Family.of(path.next_hop) is family
    next_hop = path.next_hop if own and path.next_hop else speaker.next_hops[family]
    attributes = _attributes(path, speaker)
    four_octet = speaker.dialect.four_octet

    def update(part: tuple[Prefix, ...]) -> bytes:
        if isinstance(next_hop, IPv4Address):
            return Update(attributes=replace(attributes, next_hop=next_hop), announced=part).encode(
                four_octet=four_octet
            )
        reach = MpReach(family, next_hop, part)
        return Update(attributes=replace(attributes, mp_reach=reach)).encode(four_octet=four_octet)

    for part in _parts(prefixes, MAX_MESSAGE_LENGTH - len(update(())) - _EXTENDED):
        yield update(part)


def _attributes(path: Path, speaker: Speaker) -> PathAttributes:
    external = speaker.dialect.external
    as_path: AsPath = (AsSegment(SegmentType.AS_SEQUENCE, (speaker.asn,)),) if external else ()
    truncated = external and not speaker.dialect.four_octet and speaker.asn > MAX_TWO_OCTET_ASN
    local_pref = _DEFAULT_LOCAL_PREF if path.local_pref is None else path.local_pref
    return PathAttributes(
        origin=Origin.IGP,
        as_path=as_path,
        med=path.med,
        local_pref=None if external else local_pref,
        communities=path.communities,
        large_communities=path.large_communities,
        as4_path=as_path if truncated else None,
    )


def _parts(prefixes: list[Prefix], room: int) -> Iterator[tuple[Prefix, ...]]:
    """Cut `prefixes` into runs that need at most `room` octets each."""
    start, used = 0, 0
    for index, prefix in enumerate(prefixes):
        size = 1 + (prefix.prefixlen + 7) // 8
        if used + size > room:
            yield tuple(prefixes[start:index])
            start, used = index, 0
        used += size
    if start < len(prefixes):
        yield tuple(prefixes[start:])
