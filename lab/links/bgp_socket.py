"""TCP sockets as BGP wants them: signed (RFC 2385), guarded by TTL (RFC 5082), bound to an address or a device."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from typing import Final

from lab.wire.bgp import Address

PORT: Final = 179
_TCP_MD5SIG: Final = 14
_IP_MINTTL: Final = 21
_IPV6_MINHOPCOUNT: Final = 73
_INTERNETWORK_CONTROL: Final = 0xC0
"""DSCP CS6: routing traffic goes first (RFC 4271, appendix E; RFC 4594, section 3.2)."""
_LONGEST_KEY: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a peer is and how to reach it. Raises ValueError on values outside their bounds."""

    address: Address
    port: int = PORT
    source: Address | None = None
    interface: str = ""
    """Device to bind to: a VRF, or the link of a link-local address."""
    password: str = field(default="", repr=False)
    """TCP MD5 signature key, at most 80 octets."""
    ttl: int = 64
    """1 keeps the session on the link."""
    security_hops: int = 0
    """Accept only packets from at most so many hops away (RFC 5082); 0: from anywhere."""

    def __post_init__(self) -> None:
        if len(self.password.encode()) > _LONGEST_KEY:
            raise ValueError(f"a TCP MD5 key has at most {_LONGEST_KEY} octets")
        if not 1 <= self.ttl <= 0xFF or not 0 <= self.security_hops < 0xFF:
            raise ValueError("TTL is 1 to 255, security hops 0 to 254")

    @property
    def family(self) -> socket.AddressFamily:
        return socket.AF_INET if self.address.version == 4 else socket.AF_INET6

    @property
    def target(self) -> tuple[str, int] | tuple[str, int, int, int]:
        """Return the address as `connect` takes it."""
        if isinstance(self.address, IPv6Address):
            index = (
                socket.if_nametoindex(self.interface) if self.address.is_link_local and self.interface else 0
            )
            return (str(self.address), self.port, 0, index)
        return (str(self.address), self.port)


def outgoing(endpoint: Endpoint) -> socket.socket:
    """Make a socket that is ready to connect to the peer. Raises OSError."""
    made = socket.socket(endpoint.family, socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        guard(made, endpoint)
        if endpoint.password:
            sign(made, endpoint.address, endpoint.password)
        if endpoint.interface:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, endpoint.interface.encode())
        if endpoint.source is not None:
            made.bind((str(endpoint.source), 0))
    except OSError:
        made.close()
        raise
    return made


def listening(address: Address, port: int) -> socket.socket:
    """Make a socket that listens on `address` for peers of its family. Raises OSError.

    It answers with the highest TTL, because a peer with TTL security drops anything less (RFC 5082, section 3);
    each connection gets its own TTL when it is known whose it is.
    """
    made = socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if address.version == 6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 0xFF)
        else:
            made.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 0xFF)
        made.bind((str(address), port))
        made.listen()
    except OSError:
        made.close()
        raise
    return made


def guard(sock: socket.socket, endpoint: Endpoint) -> None:
    """Set how far packets go, how far they may have come, and their priority."""
    hops = endpoint.security_hops
    ttl = 0xFF if hops else endpoint.ttl
    if endpoint.family is socket.AF_INET:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _INTERNETWORK_CONTROL)
        if hops:
            sock.setsockopt(socket.IPPROTO_IP, _IP_MINTTL, 0x100 - hops)
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _INTERNETWORK_CONTROL)
        if hops:
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_MINHOPCOUNT, 0x100 - hops)


def sign(sock: socket.socket, peer: Address, password: str) -> None:
    """Sign what goes to `peer` and demand that what comes is signed; an empty password ends that (RFC 2385)."""
    key = password.encode()
    if peer.version == 4:
        address = struct.pack("=HH4s", socket.AF_INET, 0, peer.packed)
    else:
        address = struct.pack("=HHL16sL", socket.AF_INET6, 0, 0, peer.packed, 0)
    option = struct.pack("=128sBBHi80s", address, 0, 0, len(key), 0, key)
    sock.setsockopt(socket.IPPROTO_TCP, _TCP_MD5SIG, option)
