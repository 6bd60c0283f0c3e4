"""Peers that lie, stall, flood or send garbage cost their own session; a good router beside them notices nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_network
from typing import Any

import pytest

from lab.balancer.model import PeerName
from lab.wire.bgp import Asn, SessionConfig
from lab.wire.bgp.attribute_list import PathAttributes
from lab.wire.bgp.attributes import AsSegment
from lab.wire.bgp.config import open_message
from lab.wire.bgp.constants import Cease, MessageType, Origin, SegmentType
from lab.wire.bgp.framing import frame
from lab.wire.bgp.messages import Keepalive, RouteRefresh
from lab.wire.bgp.notification import Notification
from lab.wire.bgp.update import Update
from tests.unit.balancer.speaker.speaker_run import Cluster, in_cluster

BAD = "127.0.0.2"
KEEPALIVE = Keepalive().encode()
MARKER = b"\xff" * 16
FLOOD = 2_000_000
"""Octets of a flood: more than a socket takes by itself."""


def opening(**lies: Any) -> bytes:
    """Return an OPEN that is right but for the lies."""
    known: dict[str, Any] = {
        "local_asn": Asn(11000),
        "peer_asn": Asn(22000),
        "router_id": IPv4Address("10.0.0.2"),
        "hold_time": 3,
    }
    return open_message(SessionConfig(**known | lies), first=True).encode()


HELLO = opening() + KEEPALIVE
ROUTES = Update(
    attributes=PathAttributes(
        origin=Origin.IGP,
        as_path=(AsSegment(SegmentType.AS_SEQUENCE, (Asn(11000),)),),
        next_hop=IPv4Address("10.0.0.2"),
    ),
    announced=tuple(ip_network(f"10.{a}.{b}.0/24") for a in range(4) for b in range(200)),
).encode(four_octet=True)
BROKEN_ORIGIN = ROUTES.replace(b"\x40\x01\x01\x00", b"\x40\x01\x01\x09")
Writer = asyncio.StreamWriter


@dataclass(frozen=True)
class Hostile:
    """What the peer sends and does, and what the speaker then says of the session: its state, or why it ended."""

    says: bytes = b""
    said: str = ""
    flood: bytes = b""
    slowly: bool = False
    """Octet by octet."""
    closes: bool = False
    deaf: bool = False
    """Never reads."""


def versioned(number: int) -> bytes:
    message = bytearray(opening())
    message[19] = number
    return bytes(message)


def held(seconds: int) -> bytes:
    message = bytearray(opening())
    message[22:24] = seconds.to_bytes(2)
    return bytes(message)


HOSTILE = {
    "hangs up": Hostile(closes=True, said="connectionFailed"),
    "says nothing": Hostile(said="OpenSent"),
    "speaks HTTP": Hostile(b"HTTP/1.1 400 Bad Request\r\n\r\n", "connection not synchronized"),
    "stops in the middle of a header": Hostile(MARKER + b"\x00", "OpenSent"),
    "is slow": Hostile(HELLO, "Established", slowly=True),
    "a message of 18 octets": Hostile(MARKER + b"\x00\x12\x04", "bad message length"),
    "a message of 65535 octets": Hostile(MARKER + b"\xff\xff\x02", "bad message length"),
    "a message of an unknown type": Hostile(MARKER + b"\x00\x13\x09", "bad message type"),
    "a KEEPALIVE first": Hostile(KEEPALIVE, "unexpected in open sent"),
    "a NOTIFICATION first": Hostile(Notification.cease(Cease.OUT_OF_RESOURCES).encode(), "out of resources"),
    "BGP-3": Hostile(versioned(3), "unsupported version: version 3"),
    "another AS": Hostile(opening(local_asn=Asn(666)), "bad peer as: the peer says AS 666"),
    "a hold time of one second": Hostile(held(1), "unacceptable hold time"),
    "an OPEN and then nothing": Hostile(opening(), "hold timer expired"),
    "a session and then nothing": Hostile(HELLO, "hold timer expired"),
    "a session and then HTTP": Hostile(HELLO + b"GET / HTTP/1.1\r\n\r\n\r\n", "connection not synchronized"),
    "a second OPEN": Hostile(HELLO + opening(), "unexpected in established"),
    "an UPDATE cut short": Hostile(HELLO + frame(MessageType.UPDATE, b"\x00\x09\x00\x00"), "update message"),
    "an UPDATE with a wrong ORIGIN": Hostile(HELLO + BROKEN_ORIGIN, "Established"),
    "a flood of KEEPALIVEs": Hostile(HELLO, "Established", flood=KEEPALIVE),
    "a flood of UPDATEs": Hostile(HELLO, "Established", flood=ROUTES),
    "a flood of wrong UPDATEs": Hostile(HELLO, "Established", flood=BROKEN_ORIGIN),
    "a flood of ROUTE-REFRESHes": Hostile(HELLO, "Established", flood=RouteRefresh(1, 1).encode()),
    "a flood of ROUTE-REFRESHes, never reading": Hostile(
        HELLO, "Established", flood=RouteRefresh(1, 1).encode(), deaf=True
    ),
    "a flood of garbage": Hostile(HELLO, "connection not synchronized", flood=b"\x00" * 4096),
}


@contextlib.asynccontextmanager
async def attacked(hostile: Hostile) -> AsyncIterator[int]:
    """Have a hostile peer that waits to be called; gives its port."""

    async def meet(reader: asyncio.StreamReader, writer: Writer) -> None:
        with contextlib.suppress(ConnectionError):
            await attack(hostile, reader, writer)
        writer.transport.abort()

    server = await asyncio.start_server(meet, BAD, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def attack(hostile: Hostile, reader: asyncio.StreamReader, writer: Writer) -> None:
    for octet in hostile.says if hostile.slowly else b"":
        writer.write(bytes((octet,)))
        await asyncio.sleep(0.001)
    if not hostile.slowly:
        writer.write(hostile.says)
    for _ in range(FLOOD // len(hostile.flood) if hostile.flood else 0):
        writer.write(hostile.flood)
        await writer.drain()
    if hostile.closes:
        return
    if hostile.deaf:
        await asyncio.Event().wait()
    while await reader.read(1 << 16):
        pass


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_peer_costs_its_own_session(hostile: Hostile) -> None:
    async def test(cluster: Cluster) -> None:
        await cluster.configure(holdTime="3s")
        for number in range(1, 33):
            await cluster.service(f"s{number}", f"10.20.30.{number}")
        async with attacked(hostile) as port, cluster.speaker() as speaker:
            await cluster.until(lambda: len(cluster.router.rib) == 32)
            await cluster.peer("bad", peerAddress=BAD, peerPort=port, holdTime="3s")

            def said() -> bool:
                bad = speaker._dialect.sessions.current[PeerName("bad")]
                return hostile.said == bad.state or hostile.said in bad.last_error

            await cluster.until(said)
            await cluster.service("late", "10.20.30.200")
            await cluster.until(lambda: len(cluster.router.rib) == 33)
            assert cluster.router.established == 1
            assert cluster.router.ended == []

    in_cluster(test)
