"""Round trips of every message, and arbitrary bytes: a value or the NOTIFICATION to send, never another exception."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from lab.wire.bgp.attribute_list import PathAttributes
from lab.wire.bgp.attributes import (
    Aggregator,
    AsSegment,
    Community,
    LargeCommunity,
    MpReach,
    MpUnreach,
    UnknownAttribute,
)
from lab.wire.bgp.capabilities import (
    FourOctetAsn,
    GracefulRestart,
    MultiProtocol,
    RestartFamily,
    RouteRefreshCapability,
    UnknownCapability,
)
from lab.wire.bgp.constants import HEADER_LENGTH, Asn, Family, MessageType, Origin, SegmentType
from lab.wire.bgp.messages import Dialect, Reader, RouteRefresh, decode_message
from lab.wire.bgp.notification import MessageError, Notification
from lab.wire.bgp.open import Open
from lab.wire.bgp.update import Update

octet, word, quad = (st.integers(0, (1 << bits) - 1) for bits in (8, 16, 32))
asns = st.integers(1, 0xFFFFFFFF).map(Asn)
v4 = st.integers(1, 0xFFFFFFFF).map(IPv4Address)
v6 = st.integers(0, (1 << 128) - 1).map(IPv6Address)


def prefix(network: type, bits: int) -> Any:
    def build(value, length):
        host = bits - length
        return network((value >> host << host, length))

    return st.builds(build, st.integers(0, (1 << bits) - 1), st.integers(0, bits))


prefixes4 = st.lists(prefix(IPv4Network, 32), max_size=8).map(tuple)
prefixes6 = st.lists(prefix(IPv6Network, 128), max_size=8).map(tuple)
capabilities = st.one_of(
    st.builds(MultiProtocol, word, octet),
    st.just(RouteRefreshCapability()),
    st.builds(
        GracefulRestart,
        st.booleans(),
        st.integers(0, 4095),
        st.lists(st.builds(RestartFamily, word, octet, st.booleans()), max_size=3).map(tuple),
    ),
    st.builds(UnknownCapability, st.integers(66, 255), st.binary(max_size=8)),
)


@st.composite
def opens(draw):
    asn = draw(asns)
    many = draw(st.lists(capabilities, max_size=6))
    hold_time = draw(st.sampled_from([0, 3, 90, 0xFFFF]))
    return Open(asn, hold_time, draw(v4), (*many, FourOctetAsn(asn)))


paths = st.lists(
    st.builds(AsSegment, st.sampled_from(SegmentType), st.lists(asns, min_size=1, max_size=5).map(tuple)),
    max_size=3,
).map(tuple)
unknown = st.builds(
    UnknownAttribute, st.sampled_from([0x80, 0xC0, 0xE0]), st.just(99), st.binary(max_size=300)
)
attributes = st.builds(
    PathAttributes,
    origin=st.sampled_from(Origin),
    as_path=paths,
    next_hop=v4,
    med=st.none() | quad,
    atomic_aggregate=st.booleans(),
    aggregator=st.none() | st.builds(Aggregator, asns, v4),
    communities=st.frozensets(st.builds(Community, word, word), max_size=80),
    large_communities=st.frozensets(st.builds(LargeCommunity, quad, quad, quad), max_size=30),
    mp_reach=st.none()
    | st.builds(MpReach, st.just(Family.IPV6), v6, prefixes6, st.none() | v6)
    | st.builds(MpReach, st.just(Family.IPV4), v4, prefixes4),
    mp_unreach=st.none() | st.builds(MpUnreach, st.just(Family.IPV6), prefixes6),
    unknown=st.lists(unknown, max_size=1).map(tuple),
)


def read(octets: bytes, dialect: Dialect = Dialect()):  # noqa: B008  # frozen
    ((kind, body),) = Reader().bodies(octets)
    return decode_message(kind, body, dialect)


def refusal(work: Callable[[], object]) -> Notification | None:
    """Return the answer that the error carries; any other exception is a failure."""
    try:
        work()
    except MessageError as error:
        return error.notification
    return None


@given(opens())
def test_open(message) -> None:
    assert read(message.encode()) == message


@given(st.builds(Update, prefixes4, attributes, prefixes4))
def test_update(message) -> None:
    assert read(message.encode(four_octet=True)) == message


@given(st.builds(Notification, octet, octet, st.binary(max_size=64)))
def test_notification(message) -> None:
    assert read(message.encode()) == message
    assert str(message).isprintable()


@given(st.builds(RouteRefresh, word, octet, octet))
def test_route_refresh(message) -> None:
    assert read(message.encode()) == message


dialects = st.builds(Dialect, st.booleans(), st.booleans())


@given(st.sampled_from(MessageType), st.binary(max_size=200), dialects)
def test_any_body_gives_a_value_or_a_notification(kind, body, dialect) -> None:
    octets = b"\xff" * 16 + (HEADER_LENGTH + len(body)).to_bytes(2) + bytes((kind,)) + body
    answer = refusal(lambda: read(octets, dialect))
    assert answer is None or len(answer.encode()) <= 4096


@given(attributes.map(lambda a: a.encode(four_octet=True)), st.data())
@example(b"\x40\x01\x01\x00", None)
def test_damaged_attributes_give_a_value_or_a_notification(octets, data) -> None:
    damaged = bytearray(octets)
    if data is not None:
        for _ in range(data.draw(st.integers(1, 4))):
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(octet)
    answer = refusal(lambda: PathAttributes.decode(bytes(damaged), four_octet=True))
    assert answer is None or answer.code == 3


@given(st.lists(st.binary(max_size=64), max_size=8))
def test_any_stream_is_read_or_refused(chunks) -> None:
    reader = Reader()
    answer = refusal(lambda: [list(reader.bodies(chunk)) for chunk in chunks])
    assert answer is None or answer.code == 1
