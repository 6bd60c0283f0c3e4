"""OPEN as bytes: captures of other speakers, and what RFC 4271 section 6.2 wants said about bad ones."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from lab.wire.bgp.capabilities import (
    FourOctetAsn,
    GracefulRestart,
    MultiProtocol,
    RestartFamily,
    RouteRefreshCapability,
    UnknownCapability,
)
from lab.wire.bgp.constants import Asn, Family
from lab.wire.bgp.messages import Dialect, Reader, decode_message
from lab.wire.bgp.notification import OpenMessageError
from lab.wire.bgp.open import Open

FF = "ff" * 16
V4, V6 = MultiProtocol(1, 1), MultiProtocol(2, 1)
REFRESH = RouteRefreshCapability()

CAPTURES = {
    "graceful restart and add-path": (
        FF
        + "00410104000100b40a01010124022201040001000101040001000402004002012c41040000000145080001010100010401",
        Open(
            Asn(1),
            180,
            IPv4Address("10.1.1.1"),
            (
                V4,
                MultiProtocol(1, 4),
                REFRESH,
                GracefulRestart(restarted=False, restart_time=300),
                FourOctetAsn(Asn(1)),
                UnknownCapability(69, bytes.fromhex("0001010100010401")),
            ),
        ),
    ),
    "four-octet ASN alone": (
        FF + "00250104fc1f0028c0a8124108020641040000fc1f",
        Open(Asn(64543), 40, IPv4Address("192.168.18.65"), (FourOctetAsn(Asn(64543)),)),
    ),
    "enhanced refresh": (
        FF + "00330104fc1f0028c0a8104516021401040001000102004002000041040000fc1f4600",
        Open(
            Asn(64543),
            40,
            IPv4Address("192.168.16.69"),
            (
                V4,
                REFRESH,
                GracefulRestart(restarted=False, restart_time=0),
                FourOctetAsn(Asn(64543)),
                UnknownCapability(70, b""),
            ),
        ),
    ),
    "one parameter a capability": (
        FF + "00350104fc1f00b4c0a810011802060104000100010202800002020200020641040000fc1f",
        Open(
            Asn(64543),
            180,
            IPv4Address("192.168.16.1"),
            (V4, UnknownCapability(128, b""), REFRESH, FourOctetAsn(Asn(64543))),
        ),
    ),
    "MetalLB": (
        FF + "00310104fdea005ab9ecf0271402120104000100010104000200014104" + "0000fdea",
        Open(Asn(65002), 90, IPv4Address("185.236.240.39"), (V4, V6, FourOctetAsn(Asn(65002)))),
    ),
    "Arista EOS 4.13": (
        FF + "002b0104fde900b4b9ecf0400e020c01040001000102004002" + "00b4",
        Open(
            Asn(65001),
            180,
            IPv4Address("185.236.240.64"),
            (V4, REFRESH, GracefulRestart(restarted=False, restart_time=180)),
        ),
    ),
}


def read(octets: str):
    ((kind, body),) = Reader().bodies(bytes.fromhex(octets))
    return decode_message(kind, body, Dialect())


@pytest.mark.parametrize("name", CAPTURES)
def test_captures_are_read(name: str) -> None:
    octets, expected = CAPTURES[name]
    assert read(octets) == expected


OURS = {
    "RFC 4271 4.2": (Open(Asn(64512), 90, IPv4Address("10.0.0.51")), FF + "001d0104fc00005a0a00003300"),
    "RFC 6793 4.2.1: AS_TRANS": (
        Open(Asn(4200000000), 3, IPv4Address("10.0.0.51"), (FourOctetAsn(Asn(4200000000)),)),
        FF + "002501045ba000030a0000330802064104fa56ea00",
    ),
    "RFC 4724 3: R and F": (
        Open(
            Asn(22000),
            90,
            IPv4Address("10.0.0.51"),
            (
                GracefulRestart(
                    restarted=True,
                    restart_time=120,
                    families=(
                        RestartFamily(1, 1, forwarding_preserved=True),
                        RestartFamily(2, 1, forwarding_preserved=False),
                    ),
                ),
            ),
        ),
        FF + "002b010455f0005a0a0000330e020c400a8078000101800002" + "0100",
    ),
}


@pytest.mark.parametrize("name", OURS)
def test_ours_are_written(name: str) -> None:
    message, octets = OURS[name]
    assert message.encode().hex() == octets
    assert read(octets) == message


BAD = {
    "version 3": ("0355f0005a0a00003300", (2, 1, b"\0\4")),
    "AS 0": ("040000005a0a00003300", (2, 2, b"")),
    "identifier 0": ("0455f0005a0000000000", (2, 3, bytes(4))),
    "hold time 1": ("0455f000010a00003300", (2, 6, b"")),
    "hold time 2": ("0455f000020a00003300", (2, 6, b"")),
    "authentication parameter": ("0455f0005a0a000033020100", (2, 4, b"")),
    "parameters too long": ("0455f0005a0a000033050200", (2, 0, b"")),
    "parameter cut short": ("0455f0005a0a00003303020401", (2, 0, b"")),
    "capability cut short": ("0455f0005a0a0000330402020104", (2, 0, b"")),
    "capability without length": ("0455f0005a0a00003303020101", (2, 0, b"")),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_ones_name_the_notification(name: str) -> None:
    octets, (code, subcode, data) = BAD[name]
    with pytest.raises(OpenMessageError) as caught:
        Open.decode(bytes.fromhex(octets))
    answer = caught.value.notification
    assert (answer.code, answer.subcode, answer.data) == (code, subcode, data)


def test_without_capabilities_a_peer_carries_ipv4() -> None:
    assert Open(Asn(1), 90, IPv4Address("1.1.1.1")).families == {Family.IPV4}
    assert Open(Asn(1), 90, IPv4Address("1.1.1.1"), (V6,)).families == {Family.IPV6}


@pytest.mark.parametrize("capability", ["0103000100", "020100", "410300fde9", "400300b400"])
def test_a_capability_of_the_wrong_shape_is_one_that_the_peer_lacks(capability: str) -> None:
    value = bytes.fromhex(capability)
    parameters = bytes((2, len(value))) + value
    message = Open.decode(bytes.fromhex("0455f0005a0a000033") + bytes((len(parameters),)) + parameters)
    assert message.capabilities == (UnknownCapability(value[0], value[2:]),)
    assert (message.asn, message.four_octet_asn) == (22000, False)
