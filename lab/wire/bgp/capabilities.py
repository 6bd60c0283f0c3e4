"""Capabilities in an OPEN (RFC 5492).

    +------------------------------+
    | Capability Code (1 octet)    |
    | Capability Length (1 octet)  |
    | Capability Value (variable)  |
    +------------------------------+

A known capability whose value has the wrong shape is kept as an `UnknownCapability`: the peer then simply does not
have it, and no session is lost over it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lab.wire.bgp.constants import Asn, CapabilityCode, Family, OpenError
from lab.wire.bgp.notification import OpenMessageError

_RESTARTED = 0x8000
_MAX_RESTART_TIME = 0x0FFF
_FORWARDING_PRESERVED = 0x80


@dataclass(frozen=True, slots=True)
class MultiProtocol:
    """RFC 4760, section 8."""

    code: ClassVar[CapabilityCode] = CapabilityCode.MULTIPROTOCOL
    afi: int
    safi: int

    def value(self) -> bytes:
        return self.afi.to_bytes(2) + bytes((0, self.safi))

    @classmethod
    def decode(cls, value: bytes) -> MultiProtocol | None:
        return cls(int.from_bytes(value[:2]), value[3]) if len(value) == 4 else None


@dataclass(frozen=True, slots=True)
class RouteRefreshCapability:
    """RFC 2918, section 2."""

    code: ClassVar[CapabilityCode] = CapabilityCode.ROUTE_REFRESH

    def value(self) -> bytes:
        return b""

    @classmethod
    def decode(cls, value: bytes) -> RouteRefreshCapability | None:
        return None if value else cls()


@dataclass(frozen=True, slots=True)
class FourOctetAsn:
    """RFC 6793, section 3."""

    code: ClassVar[CapabilityCode] = CapabilityCode.FOUR_OCTET_ASN
    asn: Asn

    def value(self) -> bytes:
        return self.asn.to_bytes(4)

    @classmethod
    def decode(cls, value: bytes) -> FourOctetAsn | None:
        return cls(Asn(int.from_bytes(value))) if len(value) == 4 else None


@dataclass(frozen=True, slots=True)
class RestartFamily:
    """One family of a graceful restart: F says that forwarding went on while the speaker restarted."""

    afi: int
    safi: int
    forwarding_preserved: bool


@dataclass(frozen=True, slots=True)
class GracefulRestart:
    """RFC 4724, section 3. `restarted` is the R bit, `restart_time` seconds (0 to 4095)."""

    code: ClassVar[CapabilityCode] = CapabilityCode.GRACEFUL_RESTART
    restarted: bool
    restart_time: int
    families: tuple[RestartFamily, ...] = ()

    def value(self) -> bytes:
        head = (_RESTARTED if self.restarted else 0) | self.restart_time
        return head.to_bytes(2) + b"".join(
            f.afi.to_bytes(2) + bytes((f.safi, _FORWARDING_PRESERVED if f.forwarding_preserved else 0))
            for f in self.families
        )

    @classmethod
    def decode(cls, value: bytes) -> GracefulRestart | None:
        if len(value) < 2 or len(value) % 4 != 2:
            return None
        head = int.from_bytes(value[:2])
        families = tuple(
            RestartFamily(
                int.from_bytes(value[i : i + 2]), value[i + 2], bool(value[i + 3] & _FORWARDING_PRESERVED)
            )
            for i in range(2, len(value), 4)
        )
        return cls(bool(head & _RESTARTED), head & _MAX_RESTART_TIME, families)


@dataclass(frozen=True, slots=True)
class UnknownCapability:
    code: int
    octets: bytes

    def value(self) -> bytes:
        return self.octets


Capability = MultiProtocol | RouteRefreshCapability | FourOctetAsn | GracefulRestart | UnknownCapability
_KNOWN: dict[int, type[MultiProtocol | RouteRefreshCapability | FourOctetAsn | GracefulRestart]] = {
    kind.code: kind for kind in (MultiProtocol, RouteRefreshCapability, FourOctetAsn, GracefulRestart)
}


def multi_protocol(family: Family) -> MultiProtocol:
    return MultiProtocol(family.afi, family.safi)


def encode_capability(capability: Capability) -> bytes:
    value = capability.value()
    return bytes((capability.code, len(value))) + value


def decode_capabilities(data: bytes) -> tuple[Capability, ...]:
    """Read the value of one optional parameter of type 2. Raises OpenMessageError when it is cut short."""
    capabilities: list[Capability] = []
    position = 0
    while position < len(data):
        value = data[position + 2 : position + 2 + data[position + 1]] if position + 1 < len(data) else None
        if value is None or len(value) < data[position + 1]:
            raise OpenMessageError(OpenError.UNSPECIFIC, "a capability is cut short")
        code = data[position]
        known = _KNOWN.get(code)
        capabilities.append((known and known.decode(value)) or UnknownCapability(code, value))
        position += 2 + len(value)
    return tuple(capabilities)
