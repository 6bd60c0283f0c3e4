"""Prefixes as they stand on the wire: a length in bits, then as many octets as it needs (RFC 4271, section 4.3)."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network

from lab.wire.bgp.constants import Family, Prefix

_NETWORKS: dict[Family, Callable[[tuple[int, int]], Prefix]] = {
    Family.IPV4: IPv4Network,
    Family.IPV6: IPv6Network,
}


class MalformedPrefixError(ValueError):
    """The octets are not a sequence of prefixes of the family."""


def encode_prefix(prefix: Prefix) -> bytes:
    length = prefix.prefixlen
    return bytes((length,)) + prefix.network_address.packed[: (length + 7) // 8]


def encode_prefixes(prefixes: tuple[Prefix, ...]) -> bytes:
    return b"".join(map(encode_prefix, prefixes))


def decode_prefixes(data: bytes, family: Family) -> tuple[Prefix, ...]:
    """Read prefixes to the end of `data`; bits beyond a prefix's length have no meaning. Raises MalformedPrefixError."""
    network, bits = _NETWORKS[family], family.bits
    prefixes = []
    position, end = 0, len(data)
    while position < end:
        length = data[position]
        stop = position + 1 + (length + 7) // 8
        if length > bits or stop > end:
            raise MalformedPrefixError(f"prefix of {length} bits at octet {position} of {end}")
        value = int.from_bytes(data[position + 1 : stop]) << (bits - 8 * (stop - position - 1))
        host = bits - length
        prefixes.append(network((value >> host << host, length)))
        position = stop
    return tuple(prefixes)
