"""The numbers of BGP, each with the document that assigns it."""

from __future__ import annotations

from enum import Enum, IntEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import NewType

Asn = NewType("Asn", int)
"""An autonomous system number of four octets (RFC 6793)."""
Address = IPv4Address | IPv6Address
Prefix = IPv4Network | IPv6Network

VERSION = 4
MARKER = b"\xff" * 16
HEADER_LENGTH = 19
MAX_MESSAGE_LENGTH = 4096
"""RFC 4271, section 4.1; extended messages (RFC 8654) are never negotiated."""
AS_TRANS = Asn(23456)
"""Stands for an ASN that does not fit two octets (RFC 6793, section 9)."""
MAX_TWO_OCTET_ASN = 0xFFFF
PORT = 179


class MessageType(IntEnum):
    """RFC 4271, section 4.1, and RFC 2918."""

    OPEN = 1
    UPDATE = 2
    NOTIFICATION = 3
    KEEPALIVE = 4
    ROUTE_REFRESH = 5


class Family(Enum):
    """An address family and subsequent family (RFC 4760, section 4), as they stand on the wire."""

    IPV4 = (1, 1)
    IPV6 = (2, 1)

    @property
    def afi(self) -> int:
        return self.value[0]

    @property
    def safi(self) -> int:
        return self.value[1]

    @property
    def bits(self) -> int:
        """The length of an address."""
        return 32 if self is Family.IPV4 else 128

    @classmethod
    def of(cls, value: Address | Prefix) -> Family:
        return cls.IPV4 if value.version == 4 else cls.IPV6


class CapabilityCode(IntEnum):
    MULTIPROTOCOL = 1  # RFC 4760, section 8
    ROUTE_REFRESH = 2  # RFC 2918
    GRACEFUL_RESTART = 64  # RFC 4724
    FOUR_OCTET_ASN = 65  # RFC 6793


class AttributeType(IntEnum):
    ORIGIN = 1  # RFC 4271, section 5.1.1
    AS_PATH = 2
    NEXT_HOP = 3
    MULTI_EXIT_DISC = 4
    LOCAL_PREF = 5
    ATOMIC_AGGREGATE = 6
    AGGREGATOR = 7
    COMMUNITIES = 8  # RFC 1997
    MP_REACH_NLRI = 14  # RFC 4760
    MP_UNREACH_NLRI = 15
    AS4_PATH = 17  # RFC 6793
    AS4_AGGREGATOR = 18
    LARGE_COMMUNITY = 32  # RFC 8092


class AttributeFlag(IntEnum):
    """RFC 4271, section 4.3."""

    OPTIONAL = 0x80
    TRANSITIVE = 0x40
    PARTIAL = 0x20
    EXTENDED_LENGTH = 0x10


class Origin(IntEnum):
    IGP = 0
    EGP = 1
    INCOMPLETE = 2


class SegmentType(IntEnum):
    AS_SET = 1  # RFC 4271, section 4.3
    AS_SEQUENCE = 2
    AS_CONFED_SEQUENCE = 3  # RFC 5065, section 3
    AS_CONFED_SET = 4


class ErrorCode(IntEnum):
    """RFC 4271, section 4.5; RFC 9687 for the last."""

    MESSAGE_HEADER = 1
    OPEN_MESSAGE = 2
    UPDATE_MESSAGE = 3
    HOLD_TIMER_EXPIRED = 4
    FINITE_STATE_MACHINE = 5
    CEASE = 6
    ROUTE_REFRESH = 7  # RFC 7313
    SEND_HOLD_TIMER_EXPIRED = 8


class HeaderError(IntEnum):
    CONNECTION_NOT_SYNCHRONIZED = 1
    BAD_MESSAGE_LENGTH = 2
    BAD_MESSAGE_TYPE = 3


class OpenError(IntEnum):
    UNSPECIFIC = 0
    UNSUPPORTED_VERSION = 1
    BAD_PEER_AS = 2
    BAD_BGP_IDENTIFIER = 3
    UNSUPPORTED_OPTIONAL_PARAMETER = 4
    UNACCEPTABLE_HOLD_TIME = 6
    UNSUPPORTED_CAPABILITY = 7  # RFC 5492


class UpdateError(IntEnum):
    MALFORMED_ATTRIBUTE_LIST = 1
    UNRECOGNIZED_WELL_KNOWN_ATTRIBUTE = 2
    MISSING_WELL_KNOWN_ATTRIBUTE = 3
    ATTRIBUTE_FLAGS = 4
    ATTRIBUTE_LENGTH = 5
    INVALID_ORIGIN = 6
    INVALID_NEXT_HOP = 8
    OPTIONAL_ATTRIBUTE = 9
    INVALID_NETWORK_FIELD = 10
    MALFORMED_AS_PATH = 11


class StateMachineError(IntEnum):
    """RFC 6608."""

    UNSPECIFIED = 0
    UNEXPECTED_IN_OPEN_SENT = 1
    UNEXPECTED_IN_OPEN_CONFIRM = 2
    UNEXPECTED_IN_ESTABLISHED = 3


class Cease(IntEnum):
    """RFC 4486."""

    MAXIMUM_PREFIXES_REACHED = 1
    ADMINISTRATIVE_SHUTDOWN = 2
    PEER_DE_CONFIGURED = 3
    ADMINISTRATIVE_RESET = 4
    CONNECTION_REJECTED = 5
    OTHER_CONFIGURATION_CHANGE = 6
    CONNECTION_COLLISION_RESOLUTION = 7
    OUT_OF_RESOURCES = 8
