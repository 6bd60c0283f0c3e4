"""OPEN (RFC 4271, section 4.2).

0                   1                   2                   3
0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
+-+-+-+-+-+-+-+-+
|    Version    |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|     My Autonomous System      |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|           Hold Time           |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|                         BGP Identifier                        |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
| Opt Parm Len  |  Optional Parameters (type, length, value)     |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

from lab.wire.bgp.capabilities import (
    Capability,
    FourOctetAsn,
    GracefulRestart,
    MultiProtocol,
    RouteRefreshCapability,
    decode_capabilities,
    encode_capability,
)
from lab.wire.bgp.constants import AS_TRANS, MAX_TWO_OCTET_ASN, VERSION, Asn, Family, MessageType, OpenError
from lab.wire.bgp.framing import frame
from lab.wire.bgp.notification import OpenMessageError

_FIXED_LENGTH = 10
_CAPABILITIES_PARAMETER = 2
_SHORTEST_HOLD_TIME = 3


@dataclass(frozen=True, slots=True)
class Open:
    asn: Asn
    """The real ASN: from the four-octet capability where there is one."""
    hold_time: int
    """Seconds: 0, or 3 to 65535."""
    router_id: IPv4Address
    capabilities: tuple[Capability, ...] = ()

    @property
    def four_octet_asn(self) -> bool:
        return any(isinstance(c, FourOctetAsn) for c in self.capabilities)

    @property
    def route_refresh(self) -> bool:
        return any(isinstance(c, RouteRefreshCapability) for c in self.capabilities)

    @property
    def graceful_restart(self) -> GracefulRestart | None:
        """The last one counts (RFC 4724, section 3)."""
        found = [c for c in self.capabilities if isinstance(c, GracefulRestart)]
        return found[-1] if found else None

    @property
    def families(self) -> frozenset[Family]:
        """The families that the sender carries; without any capability for one, IPv4 unicast."""
        offered = {(c.afi, c.safi) for c in self.capabilities if isinstance(c, MultiProtocol)}
        return frozenset(f for f in Family if f.value in offered or (not offered and f is Family.IPV4))

    def encode(self) -> bytes:
        """Return the whole message. Raises ValueError when the capabilities exceed 253 octets."""
        value = b"".join(map(encode_capability, self.capabilities))
        parameters = bytes((_CAPABILITIES_PARAMETER, len(value))) + value if value else b""
        asn = self.asn if self.asn <= MAX_TWO_OCTET_ASN else AS_TRANS
        return frame(
            MessageType.OPEN,
            bytes((VERSION,))
            + asn.to_bytes(2)
            + self.hold_time.to_bytes(2)
            + self.router_id.packed
            + bytes((len(parameters),))
            + parameters,
        )

    @classmethod
    def decode(cls, body: bytes) -> Open:
        """Read the body and check what can be checked without knowing the peer. Raises OpenMessageError."""
        if body[0] != VERSION:
            raise OpenMessageError(
                OpenError.UNSUPPORTED_VERSION, f"version {body[0]}", data=VERSION.to_bytes(2)
            )
        hold_time = int.from_bytes(body[3:5])
        if 0 < hold_time < _SHORTEST_HOLD_TIME:
            raise OpenMessageError(OpenError.UNACCEPTABLE_HOLD_TIME, f"hold time {hold_time}")
        router_id = IPv4Address(body[5:9])
        if int(router_id) == 0:
            raise OpenMessageError(OpenError.BAD_BGP_IDENTIFIER, "the identifier is zero", data=body[5:9])
        if len(body) != _FIXED_LENGTH + body[9]:
            raise OpenMessageError(OpenError.UNSPECIFIC, "optional parameters do not fill the message")
        capabilities = _parameters(body[_FIXED_LENGTH:])
        asns = [c.asn for c in capabilities if isinstance(c, FourOctetAsn)]
        asn = asns[-1] if asns else Asn(int.from_bytes(body[1:3]))
        if asn == 0:
            raise OpenMessageError(OpenError.BAD_PEER_AS, "AS 0 is reserved (RFC 7607)")
        return cls(asn, hold_time, router_id, capabilities)


def _parameters(data: bytes) -> tuple[Capability, ...]:
    capabilities: tuple[Capability, ...] = ()
    while data:
        if len(data) < 2 or len(data) < 2 + data[1]:
            raise OpenMessageError(OpenError.UNSPECIFIC, "an optional parameter is cut short")
        if data[0] != _CAPABILITIES_PARAMETER:
            raise OpenMessageError(OpenError.UNSUPPORTED_OPTIONAL_PARAMETER, f"parameter {data[0]}")
        capabilities += decode_capabilities(data[2 : 2 + data[1]])
        data = data[2 + data[1] :]
    return capabilities
