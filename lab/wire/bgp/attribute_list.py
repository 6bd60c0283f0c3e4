"""The list of path attributes in an UPDATE, read with the error handling of RFC 7606.

One table says for each attribute how its value is written and read, which flags it must have, and what a malformed one
costs: the attribute, the routes (treat-as-withdraw), or the session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from ipaddress import IPv4Address
from typing import Any

from lab.wire.bgp import attributes as codec
from lab.wire.bgp.attributes import (
    Aggregator,
    AsPath,
    Community,
    LargeCommunity,
    MpReach,
    MpUnreach,
    UnknownAttribute,
)
from lab.wire.bgp.constants import AttributeFlag, AttributeType, Origin, UpdateError
from lab.wire.bgp.notification import UpdateMessageError

_OPTIONAL = int(AttributeFlag.OPTIONAL)
_TRANSITIVE = int(AttributeFlag.TRANSITIVE)
_KIND = _OPTIONAL | _TRANSITIVE


class Approach(Enum):
    """What a malformed attribute costs (RFC 7606, section 2), least first."""

    ATTRIBUTE_DISCARD = auto()
    TREAT_AS_WITHDRAW = auto()
    SESSION_RESET = auto()


@dataclass(frozen=True, slots=True)
class Fault:
    """Something malformed that did not cost the session."""

    attribute: int
    approach: Approach
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PathAttributes:
    """The attributes of an UPDATE; None, False and empty sets mean absent."""

    origin: Origin | None = None
    as_path: AsPath | None = None
    next_hop: IPv4Address | None = None
    med: int | None = None
    local_pref: int | None = None
    atomic_aggregate: bool = False
    aggregator: Aggregator | None = None
    communities: frozenset[Community] = frozenset()
    large_communities: frozenset[LargeCommunity] = frozenset()
    mp_reach: MpReach | None = None
    mp_unreach: MpUnreach | None = None
    as4_path: AsPath | None = None
    as4_aggregator: Aggregator | None = None
    unknown: tuple[UnknownAttribute, ...] = ()

    def encode(self, *, four_octet: bool) -> bytes:
        """Write the list; multiprotocol attributes come first (RFC 7606, section 5.1)."""
        present = ((rule, getattr(self, rule.field)) for rule in _RULES)
        known = (
            _attribute(rule.flags, rule.type, rule.encode(value, four_octet))
            for rule, value in present
            if not _is_absent(value)
        )
        return b"".join((*known, *(_attribute(u.flags, u.type, u.value) for u in self.unknown)))

    @classmethod
    def decode(cls, data: bytes, *, four_octet: bool) -> tuple[PathAttributes, tuple[Fault, ...]]:
        """Read the list and report what was malformed. Raises UpdateMessageError when the session cannot go on."""
        reading = _Reading(four_octet)
        for flags, type_, value in _split(data, reading.faults):
            reading.take(flags, type_, value)
        return cls(**reading.values, unknown=tuple(reading.unknown)), tuple(reading.faults)


def _is_absent(value: object) -> bool:
    return value is None or value is False or value == frozenset()


NO_ATTRIBUTES = PathAttributes()


@dataclass(frozen=True, slots=True)
class _Rule:
    type: AttributeType
    field: str
    flags: int
    encode: Callable[[Any, bool], bytes]
    decode: Callable[[bytes, bool], Any]
    on_error: Approach = Approach.TREAT_AS_WITHDRAW


def _number(value: int, _: bool) -> bytes:  # noqa: FBT001  # the shape of the table's functions
    return value.to_bytes(4)


def _empty(data: bytes) -> bool:
    codec.exactly(data, 0)
    return True


_RULES = (
    _Rule(
        AttributeType.MP_UNREACH_NLRI,
        "mp_unreach",
        _OPTIONAL,
        lambda v, _: codec.encode_mp_unreach(v),
        lambda d, _: codec.decode_mp_unreach(d),
        Approach.SESSION_RESET,
    ),
    _Rule(
        AttributeType.MP_REACH_NLRI,
        "mp_reach",
        _OPTIONAL,
        lambda v, _: codec.encode_mp_reach(v),
        lambda d, _: codec.decode_mp_reach(d),
        Approach.SESSION_RESET,
    ),
    _Rule(
        AttributeType.ORIGIN,
        "origin",
        _TRANSITIVE,
        lambda v, _: bytes((v,)),
        lambda d, _: codec.decode_origin(d),
    ),
    _Rule(
        AttributeType.AS_PATH,
        "as_path",
        _TRANSITIVE,
        lambda v, wide: codec.encode_as_path(v, four_octet=wide),
        lambda d, wide: codec.decode_as_path(d, four_octet=wide),
    ),
    _Rule(
        AttributeType.NEXT_HOP,
        "next_hop",
        _TRANSITIVE,
        lambda v, _: v.packed,
        lambda d, _: codec.decode_next_hop(d),
    ),
    _Rule(AttributeType.MULTI_EXIT_DISC, "med", _OPTIONAL, _number, lambda d, _: codec.decode_number(d)),
    _Rule(AttributeType.LOCAL_PREF, "local_pref", _TRANSITIVE, _number, lambda d, _: codec.decode_number(d)),
    _Rule(
        AttributeType.ATOMIC_AGGREGATE,
        "atomic_aggregate",
        _TRANSITIVE,
        lambda _value, _: b"",
        lambda d, _: _empty(d),
        Approach.ATTRIBUTE_DISCARD,
    ),
    _Rule(
        AttributeType.AGGREGATOR,
        "aggregator",
        _KIND,
        lambda v, wide: codec.encode_aggregator(v, four_octet=wide),
        lambda d, wide: codec.decode_aggregator(d, four_octet=wide),
        Approach.ATTRIBUTE_DISCARD,
    ),
    _Rule(
        AttributeType.COMMUNITIES,
        "communities",
        _KIND,
        lambda v, _: codec.encode_communities(v),
        lambda d, _: codec.decode_communities(d),
    ),
    _Rule(
        AttributeType.AS4_PATH,
        "as4_path",
        _KIND,
        lambda v, _: codec.encode_as_path(v, four_octet=True),
        lambda d, _: codec.decode_as_path(d, four_octet=True),
        Approach.ATTRIBUTE_DISCARD,
    ),
    _Rule(
        AttributeType.AS4_AGGREGATOR,
        "as4_aggregator",
        _KIND,
        lambda v, _: codec.encode_aggregator(v, four_octet=True),
        lambda d, _: codec.decode_aggregator(d, four_octet=True),
        Approach.ATTRIBUTE_DISCARD,
    ),
    _Rule(
        AttributeType.LARGE_COMMUNITY,
        "large_communities",
        _KIND,
        lambda v, _: codec.encode_large_communities(v),
        lambda d, _: codec.decode_large_communities(d),
    ),
)
"""In the order in which they are written."""

_BY_TYPE = {int(rule.type): rule for rule in _RULES}


@dataclass(slots=True)
class _Reading:
    """A list of attributes while it is being read."""

    four_octet: bool
    values: dict[str, Any] = field(default_factory=dict)
    unknown: list[UnknownAttribute] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)

    def take(self, flags: int, type_: int, value: bytes) -> None:
        rule = _BY_TYPE.get(type_)
        if type_ in self.seen:
            self._duplicate(rule, type_)
            return
        self.seen.add(type_)
        if rule is None:
            self._unknown(flags, type_, value)
        elif flags & _KIND != rule.flags:
            self._fault(rule, UpdateError.ATTRIBUTE_FLAGS, f"flags {flags:#04x}", value)
        else:
            try:
                decoded = rule.decode(value, self.four_octet)
            except ValueError as error:
                self._fault(rule, UpdateError.OPTIONAL_ATTRIBUTE, str(error), value)
            else:
                self.values[rule.field] = decoded

    def _fault(self, rule: _Rule, subcode: UpdateError, reason: str, value: bytes) -> None:
        if rule.on_error is Approach.SESSION_RESET:
            raise UpdateMessageError(
                subcode, f"{rule.type.name}: {reason}", data=_attribute(rule.flags, rule.type, value)
            )
        self.faults.append(Fault(rule.type, rule.on_error, reason))

    def _duplicate(self, rule: _Rule | None, type_: int) -> None:
        """Keep the first (RFC 7606, section 3g); twice a multiprotocol attribute ends the session."""
        if rule is not None and rule.on_error is Approach.SESSION_RESET:
            raise UpdateMessageError(UpdateError.MALFORMED_ATTRIBUTE_LIST, f"{rule.type.name} twice")
        self.faults.append(Fault(type_, Approach.ATTRIBUTE_DISCARD, "the attribute came twice"))

    def _unknown(self, flags: int, type_: int, value: bytes) -> None:
        if not flags & _OPTIONAL:
            raise UpdateMessageError(
                UpdateError.UNRECOGNIZED_WELL_KNOWN_ATTRIBUTE,
                f"attribute {type_}",
                data=_attribute(flags, type_, value),
            )
        self.unknown.append(UnknownAttribute(flags & ~AttributeFlag.EXTENDED_LENGTH, type_, value))


def _attribute(flags: int, type_: int, value: bytes) -> bytes:
    if len(value) > 0xFF:
        flags |= AttributeFlag.EXTENDED_LENGTH
        return bytes((flags, type_)) + len(value).to_bytes(2) + value
    return bytes((flags & ~AttributeFlag.EXTENDED_LENGTH, type_, len(value))) + value


def _split(data: bytes, faults: list[Fault]) -> Iterator[tuple[int, int, bytes]]:
    """Yield flags, type and value; a list that overruns its length costs the routes (RFC 7606, section 4)."""
    while data:
        width = 2 if data[0] & AttributeFlag.EXTENDED_LENGTH else 1
        start = 2 + width
        end = start + int.from_bytes(data[2:start])
        if len(data) < start or len(data) < end:
            type_ = data[1] if len(data) > 1 else 0
            faults.append(Fault(type_, Approach.TREAT_AS_WITHDRAW, "the attribute is cut short"))
            return
        yield data[0], data[1], data[start:end]
        data = data[end:]
