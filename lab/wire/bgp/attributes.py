"""Path attributes as values (RFC 4271, sections 4.3 and 5), and how each one's value is written and read.

    +-------------+-------------+--------------------+------------------+
    | Flags (1)   | Type (1)    | Length (1 or 2)    | Value (variable) |
    +-------------+-------------+--------------------+------------------+

The value codecs raise ValueError on a malformed value; `attribute_list` decides what that costs (RFC 7606).
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from lab.wire.bgp.constants import (
    AS_TRANS,
    MAX_TWO_OCTET_ASN,
    Address,
    Asn,
    Family,
    Origin,
    Prefix,
    SegmentType,
)
from lab.wire.bgp.nlri import decode_prefixes, encode_prefixes

_LARGE_COMMUNITY_LENGTH = 12


@dataclass(frozen=True, slots=True)
class AsSegment:
    kind: SegmentType
    asns: tuple[Asn, ...]


AsPath = tuple[AsSegment, ...]


@dataclass(frozen=True, slots=True)
class Aggregator:
    asn: Asn
    router_id: IPv4Address


@dataclass(frozen=True, slots=True, order=True)
class Community:
    """RFC 1997: `asn:value`, two octets each."""

    asn: int
    value: int

    def __str__(self) -> str:
        return f"{self.asn}:{self.value}"


GRACEFUL_SHUTDOWN = Community(0xFFFF, 0)
"""RFC 8326, section 3: the path is about to go away."""


@dataclass(frozen=True, slots=True, order=True)
class LargeCommunity:
    """RFC 8092: three numbers of four octets each."""

    global_administrator: int
    data1: int
    data2: int

    def __str__(self) -> str:
        return f"large:{self.global_administrator}:{self.data1}:{self.data2}"


@dataclass(frozen=True, slots=True)
class MpReach:
    """Announced prefixes of a family with their next hop (RFC 4760, section 3; link-local: RFC 2545)."""

    family: Family
    next_hop: Address
    prefixes: tuple[Prefix, ...]
    link_local: IPv6Address | None = None


@dataclass(frozen=True, slots=True)
class MpUnreach:
    """Withdrawn prefixes of a family (RFC 4760, section 4)."""

    family: Family
    prefixes: tuple[Prefix, ...]


@dataclass(frozen=True, slots=True)
class UnknownAttribute:
    """An optional attribute that this codec passes through, with the flags it came with."""

    flags: int
    type: int
    value: bytes


def encode_as_path(path: AsPath, *, four_octet: bool) -> bytes:
    """Write `path`; an ASN that does not fit two octets becomes AS_TRANS (RFC 6793, section 4.2.2)."""
    width = 4 if four_octet else 2
    parts = []
    for segment in path:
        parts.append(bytes((segment.kind, len(segment.asns))))
        for asn in segment.asns:
            fits = four_octet or asn <= MAX_TWO_OCTET_ASN
            parts.append((asn if fits else AS_TRANS).to_bytes(width))
    return b"".join(parts)


def decode_as_path(data: bytes, *, four_octet: bool) -> AsPath:
    """Read segments to the end of `data`. Raises ValueError as RFC 7606, section 7.2, counts malformed."""
    width = 4 if four_octet else 2
    segments = []
    while data:
        if len(data) < 2 or data[1] == 0 or len(data) < 2 + width * data[1]:
            raise ValueError("a segment is empty or cut short")
        end = 2 + width * data[1]
        asns = tuple(Asn(int.from_bytes(data[i : i + width])) for i in range(2, end, width))
        segments.append(AsSegment(SegmentType(data[0]), asns))
        data = data[end:]
    return tuple(segments)


def encode_aggregator(aggregator: Aggregator, *, four_octet: bool) -> bytes:
    fits = four_octet or aggregator.asn <= MAX_TWO_OCTET_ASN
    asn = aggregator.asn if fits else AS_TRANS
    return asn.to_bytes(4 if four_octet else 2) + aggregator.router_id.packed


def decode_aggregator(data: bytes, *, four_octet: bool) -> Aggregator:
    width = 4 if four_octet else 2
    exactly(data, width + 4)
    return Aggregator(Asn(int.from_bytes(data[:width])), IPv4Address(data[width:]))


def encode_communities(communities: frozenset[Community]) -> bytes:
    return b"".join(c.asn.to_bytes(2) + c.value.to_bytes(2) for c in sorted(communities))


def decode_communities(data: bytes) -> frozenset[Community]:
    groups_of(data, 4)
    return frozenset(
        Community(int.from_bytes(data[i : i + 2]), int.from_bytes(data[i + 2 : i + 4]))
        for i in range(0, len(data), 4)
    )


def encode_large_communities(communities: frozenset[LargeCommunity]) -> bytes:
    return b"".join(
        c.global_administrator.to_bytes(4) + c.data1.to_bytes(4) + c.data2.to_bytes(4)
        for c in sorted(communities)
    )


def decode_large_communities(data: bytes) -> frozenset[LargeCommunity]:
    """Read them; duplicates are dropped silently (RFC 8092, section 5)."""
    groups_of(data, _LARGE_COMMUNITY_LENGTH)
    words = [int.from_bytes(data[i : i + 4]) for i in range(0, len(data), 4)]
    return frozenset(LargeCommunity(*words[i : i + 3]) for i in range(0, len(words), 3))


def decode_origin(data: bytes) -> Origin:
    exactly(data, 1)
    return Origin(data[0])


def decode_next_hop(data: bytes) -> IPv4Address:
    exactly(data, 4)
    return IPv4Address(data)


def decode_number(data: bytes) -> int:
    exactly(data, 4)
    return int.from_bytes(data)


def encode_mp_reach(reach: MpReach) -> bytes:
    next_hop = reach.next_hop.packed + (reach.link_local.packed if reach.link_local else b"")
    head = reach.family.afi.to_bytes(2) + bytes((reach.family.safi, len(next_hop)))
    return head + next_hop + b"\0" + encode_prefixes(reach.prefixes)


def decode_mp_reach(data: bytes) -> MpReach | None:
    """Read it; None is a family that this codec does not carry. Raises ValueError when it cannot be parsed."""
    if len(data) < 5 or len(data) < 5 + data[3]:
        raise ValueError("MP_REACH_NLRI is cut short")
    family = _family(data)
    if family is None:
        return None
    next_hop, rest = data[4 : 4 + data[3]], data[5 + data[3] :]
    if family is Family.IPV4:
        exactly(next_hop, 4)
        return MpReach(family, IPv4Address(next_hop), decode_prefixes(rest, family))
    if len(next_hop) not in {16, 32}:
        raise ValueError(f"an IPv6 next hop of {len(next_hop)} octets")
    link_local = IPv6Address(next_hop[16:]) if len(next_hop) == 32 else None
    return MpReach(family, IPv6Address(next_hop[:16]), decode_prefixes(rest, family), link_local)


def encode_mp_unreach(unreach: MpUnreach) -> bytes:
    head = unreach.family.afi.to_bytes(2) + bytes((unreach.family.safi,))
    return head + encode_prefixes(unreach.prefixes)


def decode_mp_unreach(data: bytes) -> MpUnreach | None:
    """Read it; None is a family that this codec does not carry. Raises ValueError when it cannot be parsed."""
    if len(data) < 3:
        raise ValueError("MP_UNREACH_NLRI is cut short")
    family = _family(data)
    return None if family is None else MpUnreach(family, decode_prefixes(data[3:], family))


def _family(data: bytes) -> Family | None:
    try:
        return Family((int.from_bytes(data[:2]), data[2]))
    except ValueError:
        return None


def exactly(data: bytes, length: int) -> None:
    if len(data) != length:
        raise ValueError(f"{len(data)} octets instead of {length}")


def groups_of(data: bytes, length: int) -> None:
    if not data or len(data) % length:
        raise ValueError(f"{len(data)} octets are not a multiple of {length}")
