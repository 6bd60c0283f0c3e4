"""UPDATE as bytes, and RFC 7606: what each malformed attribute costs."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Any

import pytest

from lab.wire.bgp.attribute_list import Approach, PathAttributes
from lab.wire.bgp.attributes import (
    Aggregator,
    AsSegment,
    Community,
    LargeCommunity,
    MpReach,
    MpUnreach,
    UnknownAttribute,
)
from lab.wire.bgp.constants import Asn, Family, Origin, SegmentType
from lab.wire.bgp.notification import UpdateMessageError
from lab.wire.bgp.update import Update

ORIGIN, AS_PATH, NEXT_HOP = "40010100", "4002060201000055f0", "4003040a000033"
BASE = ORIGIN + AS_PATH + NEXT_HOP
PATH = (AsSegment(SegmentType.AS_SEQUENCE, (Asn(22000),)),)
PREFIX = "20ac10fe01"
NET = ip_network("172.16.254.1/32")
NET6 = ip_network("2001:db8::1/128")


def body(*, withdrawn: str = "", attributes: str = "", nlri: str = "") -> bytes:
    parts = bytes.fromhex(withdrawn), bytes.fromhex(attributes), bytes.fromhex(nlri)
    return b"".join((len(parts[0]).to_bytes(2), parts[0], len(parts[1]).to_bytes(2), parts[1], parts[2]))


def attributes(**changes) -> PathAttributes:
    known: dict[str, Any] = {"origin": Origin.IGP, "as_path": PATH, "next_hop": IPv4Address("10.0.0.51")}
    return PathAttributes(**(known | changes))


GOOD = {
    "4271 4.3: one prefix": (
        body(attributes=BASE, nlri=PREFIX),
        Update(attributes=attributes(), announced=(NET,)),
    ),
    "4271 4.3: withdrawn": (body(withdrawn=PREFIX + "00"), Update(withdrawn=(NET, ip_network("0.0.0.0/0")))),
    "4271 5.1.4, 5.1.6, 5.1.7": (
        body(attributes=BASE + "80040400000000" + "400600" + "c00708000055f00a000033", nlri=PREFIX),
        Update(
            attributes=attributes(
                med=0,
                atomic_aggregate=True,
                aggregator=Aggregator(Asn(22000), IPv4Address("10.0.0.51")),
            ),
            announced=(NET,),
        ),
    ),
    "1997 and 8092": (
        body(attributes=BASE + "c00808045708aeffff0000" + "c0200c0000007b000001c800000315", nlri=PREFIX),
        Update(
            attributes=attributes(
                communities=frozenset({Community(1111, 2222), Community(65535, 0)}),
                large_communities=frozenset({LargeCommunity(123, 456, 789)}),
            ),
            announced=(NET,),
        ),
    ),
    "4760 3: IPv6 with a global and a link-local next hop": (
        body(
            attributes="800e36" + "000201" + "20" + "20010db8000000000000000000000033"
            "fe800000000000000000000000000033" + "00" + "8020010db8" + "00" * 11 + "01" + ORIGIN + AS_PATH
        ),
        Update(
            attributes=PathAttributes(
                origin=Origin.IGP,
                as_path=PATH,
                mp_reach=MpReach(Family.IPV6, IPv6Address("2001:db8::33"), (NET6,), IPv6Address("fe80::33")),
            )
        ),
    ),
    "4760 4: IPv6 withdrawn": (
        body(attributes="800f14" + "000201" + "8020010db8" + "00" * 11 + "01"),
        Update(attributes=PathAttributes(mp_unreach=MpUnreach(Family.IPV6, (NET6,)))),
    ),
    "4724 2: end of RIB, IPv4": (body(), Update()),
    "4724 2: end of RIB, IPv6": (
        body(attributes="800f03000201"),
        Update(attributes=PathAttributes(mp_unreach=MpUnreach(Family.IPV6, ()))),
    ),
    "4271 5: unknown optional attribute": (
        body(attributes=BASE + "e0630201ff", nlri=PREFIX),
        Update(attributes=attributes(unknown=(UnknownAttribute(0xE0, 99, b"\x01\xff"),)), announced=(NET,)),
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_good(name: str) -> None:
    octets, update = GOOD[name]
    assert Update.decode(octets, four_octet=True, external=True) == update
    assert update.encode(four_octet=True)[19:] == octets


def test_two_octet_asns() -> None:
    octets = body(attributes=ORIGIN + "40020402015ba0" + NEXT_HOP + "c011060201fa56ea00", nlri=PREFIX)
    wide = (AsSegment(SegmentType.AS_SEQUENCE, (Asn(4200000000),)),)
    update = Update(attributes=attributes(as_path=wide, as4_path=wide), announced=(NET,))
    assert update.encode(four_octet=False)[19:] == octets
    read = Update.decode(octets, four_octet=False, external=True)
    assert read.attributes.as_path == (AsSegment(SegmentType.AS_SEQUENCE, (Asn(23456),)),)
    assert read.attributes.as4_path == wide


WITHDRAW = {
    "3c: wrong flags": "80010100" + AS_PATH + NEXT_HOP,
    "3d: ORIGIN missing": AS_PATH + NEXT_HOP,
    "3d: AS_PATH missing": ORIGIN + NEXT_HOP,
    "3d: NEXT_HOP missing": ORIGIN + AS_PATH,
    "4: attribute overruns the list": BASE + "c00809ffff",
    "4: attribute without a length": BASE + "c0",
    "7.1: ORIGIN of two octets": "4001020000" + AS_PATH + NEXT_HOP,
    "7.1: ORIGIN undefined": "40010103" + AS_PATH + NEXT_HOP,
    "7.2: segment overruns": ORIGIN + "4002060202000055f0" + NEXT_HOP,
    "7.2: empty segment": ORIGIN + "4002020200" + NEXT_HOP,
    "7.2: unknown segment": ORIGIN + "4002060901000055f0" + NEXT_HOP,
    "7.2: single octet": ORIGIN + "40020102" + NEXT_HOP,
    "7.3: NEXT_HOP of three octets": ORIGIN + AS_PATH + "4003030a0000",
    "7.4: MED of three octets": BASE + "800403000000",
    "7.8: COMMUNITIES of three octets": BASE + "c00803000000",
    "7.8: COMMUNITIES empty": BASE + "c00800",
    "8092 6: LARGE_COMMUNITY of four octets": BASE + "c0200400000000",
}


@pytest.mark.parametrize("name", WITHDRAW)
def test_treat_as_withdraw(name: str) -> None:
    update = Update.decode(body(attributes=WITHDRAW[name], nlri=PREFIX), four_octet=True, external=True)
    assert (update.announced, update.withdrawn) == ((), (NET,))
    assert Approach.TREAT_AS_WITHDRAW in {fault.approach for fault in update.faults}


def test_treat_as_withdraw_takes_ipv6_with_it() -> None:
    reach = (
        "800e26" + "000201" + "10" + "20010db8" + "00" * 11 + "33" + "00" + "8020010db8" + "00" * 11 + "01"
    )
    update = Update.decode(body(attributes=reach + AS_PATH), four_octet=True, external=True)
    assert update.attributes == PathAttributes(mp_unreach=MpUnreach(Family.IPV6, (NET6,)))


DISCARD = {
    "3g: twice": (BASE + ORIGIN, "origin", Origin.IGP),
    "7.5: LOCAL_PREF from outside": (BASE + "40050400000064", "local_pref", None),
    "7.6: ATOMIC_AGGREGATE with a value": (BASE + "40060100", "atomic_aggregate", False),
    "7.7: AGGREGATOR of six octets": (BASE + "c0070655f00a000033", "aggregator", None),
    "6793 6: AS4_PATH malformed": (BASE + "c0110102", "as4_path", None),
    "6793 6: AS4_AGGREGATOR malformed": (BASE + "c0120102", "as4_aggregator", None),
}


@pytest.mark.parametrize("name", DISCARD)
def test_attribute_discard(name: str) -> None:
    octets, field, value = DISCARD[name]
    update = Update.decode(body(attributes=octets, nlri=PREFIX), four_octet=True, external=True)
    assert update.announced == (NET,)
    assert getattr(update.attributes, field) == value
    assert [fault.approach for fault in update.faults] == [Approach.ATTRIBUTE_DISCARD]


def test_internal_peers_must_say_local_pref() -> None:
    without = Update.decode(body(attributes=BASE, nlri=PREFIX), four_octet=True, external=False)
    assert without.withdrawn == (NET,)
    given = Update.decode(
        body(attributes=BASE + "40050400000064", nlri=PREFIX), four_octet=True, external=False
    )
    assert (given.announced, given.attributes.local_pref) == ((NET,), 100)


MP = "000201" + "10" + "20010db8" + "00" * 11 + "33" + "00"
RESET = {
    "4271 6.3: withdrawn length": (bytes.fromhex("00ff0000"), 1),
    "4271 6.3: attribute length": (bytes.fromhex("000000ff"), 1),
    "4271 6.3: unknown well-known": (body(attributes=BASE + "406300", nlri=PREFIX), 2),
    "5.3: prefix of 33 bits": (body(attributes=BASE, nlri="21ac10fe0100"), 10),
    "5.3: prefix cut short": (body(withdrawn="20ac10"), 10),
    "3g: MP_REACH twice": (body(attributes=("800e15" + MP) * 2), 1),
    "7.11: MP_REACH cut short": (body(attributes="800e0400020110"), 9),
    "7.11: next hop of four octets": (body(attributes="800e09" + "000201" + "04" + "0a000033" + "00"), 9),
    "5.3: IPv6 prefix of 129 bits": (body(attributes="800f04" + "000201" + "81"), 9),
    "7.12: MP_UNREACH cut short": (body(attributes="800f020002"), 9),
    "3c: MP_REACH with wrong flags": (body(attributes="400e15" + MP), 4),
}


@pytest.mark.parametrize("name", RESET)
def test_session_reset(name: str) -> None:
    octets, subcode = RESET[name]
    with pytest.raises(UpdateMessageError) as caught:
        Update.decode(octets, four_octet=True, external=True)
    assert (caught.value.notification.code, caught.value.notification.subcode) == (3, subcode)


def test_bits_beyond_the_prefix_mean_nothing() -> None:
    update = Update.decode(body(withdrawn="17ac10ff"), four_octet=True, external=True)
    assert update.withdrawn == (ip_network("172.16.254.0/23"),)


def test_other_families_are_passed_over() -> None:
    reach = "800e09" + "000180" + "04" + "0a000033" + "00"
    update = Update.decode(body(attributes=reach + BASE), four_octet=True, external=True)
    assert update.attributes == attributes()
