"""Good messages of every kind, to be damaged."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network

from lab.wire.bgp import Asn, Cease, Community, Family, LargeCommunity, Notification
from lab.wire.bgp.attribute_list import PathAttributes
from lab.wire.bgp.attributes import Aggregator, AsSegment, MpReach, MpUnreach, UnknownAttribute
from lab.wire.bgp.capabilities import (
    Capability,
    FourOctetAsn,
    GracefulRestart,
    RestartFamily,
    RouteRefreshCapability,
    UnknownCapability,
    multi_protocol,
)
from lab.wire.bgp.constants import MessageType, Origin, SegmentType
from lab.wire.bgp.messages import Keepalive, RouteRefresh
from lab.wire.bgp.open import Open
from lab.wire.bgp.update import Update

_PATH = (AsSegment(SegmentType.AS_SEQUENCE, (Asn(11000), Asn(4200000000))),)
_ROUTER = IPv4Address("10.0.0.1")
_FULL = PathAttributes(
    origin=Origin.IGP,
    as_path=_PATH,
    next_hop=_ROUTER,
    med=5,
    atomic_aggregate=True,
    aggregator=Aggregator(Asn(11000), _ROUTER),
    communities=frozenset(Community(1, n) for n in range(70)),
    large_communities=frozenset({LargeCommunity(1, 2, 3), LargeCommunity(4, 5, 6)}),
    as4_path=_PATH,
    as4_aggregator=Aggregator(Asn(4200000000), _ROUTER),
    unknown=(UnknownAttribute(0xC0, 16, bytes(8)),),
)
_V6 = tuple(ip_network(f"2001:db8:{n}::/48") for n in range(5))
_UPDATES = (
    Update(announced=(ip_network("0.0.0.0/0"), ip_network("172.16.0.0/12")), attributes=_FULL),
    Update(withdrawn=(ip_network("10.0.0.0/8"), ip_network("172.16.254.1/32"))),
    Update(
        attributes=PathAttributes(
            origin=Origin.IGP,
            as_path=_PATH,
            mp_reach=MpReach(Family.IPV6, IPv6Address("2001:db8::1"), _V6, IPv6Address("fe80::1")),
            mp_unreach=MpUnreach(Family.IPV6, _V6[:2]),
        )
    ),
    Update(),
)
_CAPABILITIES: tuple[Capability, ...] = (
    *(multi_protocol(family) for family in Family),
    RouteRefreshCapability(),
    FourOctetAsn(Asn(11000)),
    GracefulRestart(
        restarted=True, restart_time=120, families=(RestartFamily(1, 1, forwarding_preserved=True),)
    ),
    UnknownCapability(70, b""),
    UnknownCapability(73, b"\x06router\x00"),
)

SEEDS: dict[MessageType, tuple[bytes, ...]] = {
    MessageType.OPEN: (
        Open(Asn(11000), 90, _ROUTER, _CAPABILITIES).encode(),
        Open(Asn(11000), 0, _ROUTER).encode(),
    ),
    MessageType.UPDATE: tuple(update.encode(four_octet=True) for update in _UPDATES),
    MessageType.NOTIFICATION: (
        Notification.cease(Cease.ADMINISTRATIVE_SHUTDOWN, "going away").encode(),
        Notification(2, 2, b"\0\1").encode(),
    ),
    MessageType.KEEPALIVE: (Keepalive().encode(),),
    MessageType.ROUTE_REFRESH: (RouteRefresh(1, 1).encode(), RouteRefresh(2, 1, 1).encode()),
}
