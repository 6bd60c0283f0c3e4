"""DNS messages (RFC 1035), as much as a server of a small zone needs: one question in, one answer out."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from lab.errors import ProtocolError

HEADER: Final = struct.Struct("!HHHHHH")
CLASS_IN: Final = 1
UDP_LIMIT: Final = 512
"""Bytes of an answer over UDP to a client that does not say it takes more (section 4.2.1)."""
EDNS_LIMIT: Final = 1232
"""What we send at most to one that does: what surely fits into one packet."""
NAME_LIMIT: Final = 255
POINTER: Final = 0xC0


class Type(IntEnum):
    """Record types that we know by name."""

    A = 1
    NS = 2
    CNAME = 5
    SOA = 6
    PTR = 12
    AAAA = 28
    SRV = 33
    OPT = 41


class Code(IntEnum):
    """Response codes."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5


@dataclass(frozen=True, slots=True)
class Query:
    """A question and what matters of the message around it."""

    id: int
    name: str
    """Without the dot at the end, as the client wrote it: case matters when it is repeated, not when it is looked up."""
    type: int
    recursion: bool = False
    limit: int = UDP_LIMIT
    """Bytes that the client takes over UDP."""
    edns: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """A resource record; `data` as it is on the wire."""

    name: str
    type: Type
    data: bytes
    ttl: int


def address(name: str, ip: IPv4Address | IPv6Address, ttl: int) -> Record:
    """Return an A or AAAA record."""
    return Record(name, Type.A if ip.version == 4 else Type.AAAA, ip.packed, ttl)


def alias(name: str, target: str, ttl: int) -> Record:
    return Record(name, Type.CNAME, encode_name(target), ttl)


def pointer(name: str, target: str, ttl: int) -> Record:
    return Record(name, Type.PTR, encode_name(target), ttl)


def service(name: str, target: str, port: int, *, weight: int, ttl: int) -> Record:
    """Return an SRV record of priority 0 (RFC 2782)."""
    return Record(name, Type.SRV, struct.pack("!HHH", 0, weight, port) + encode_name(target), ttl)


def authority(zone: str, ttl: int) -> Record:
    """Return the SOA record that tells how long the absence of a name may be remembered (RFC 2308)."""
    timers = struct.pack("!IIIII", 1, 7200, 1800, 86400, ttl)
    return Record(
        zone, Type.SOA, encode_name(f"ns.dns.{zone}") + encode_name(f"hostmaster.{zone}") + timers, ttl
    )


def encode_name(name: str) -> bytes:
    """Return a name as labels; raises ProtocolError for one that DNS cannot carry."""
    labels = [label.encode() for label in name.rstrip(".").split(".")] if name.rstrip(".") else []
    if (
        any(not 0 < len(label) < 64 for label in labels)
        or sum(len(label) + 1 for label in labels) >= NAME_LIMIT
    ):
        raise ProtocolError(f"{name!r} is not a domain name")
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def decode_query(message: bytes) -> Query:
    """Read a query; raises ProtocolError for what is none, or asks not exactly one question."""
    try:
        identity, flags, questions, answers, authorities, additional = HEADER.unpack_from(message)
        if flags & 0xF800 or questions != 1 or answers or authorities:
            raise ProtocolError("not a query with one question")
        name, offset = _name(message, HEADER.size)
        kind, _ = struct.unpack_from("!HH", message, offset)
        limit = _edns(message, offset + 4) if additional else 0
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise ProtocolError(f"a malformed query: {error}") from error
    return Query(
        identity, name, kind, recursion=bool(flags & 0x0100), limit=max(UDP_LIMIT, limit), edns=bool(limit)
    )


def _name(message: bytes, offset: int) -> tuple[str, int]:
    """Read a name without compression: in a question there is nothing to point to."""
    labels = []
    while length := message[offset]:
        if length >= POINTER:
            raise ProtocolError("a compressed name in a question")
        label = message[offset + 1 : offset + 1 + length]
        if len(label) < length:
            raise ProtocolError("a name that is cut off")
        labels.append(label.decode("latin-1"))
        offset += 1 + length
        if offset > HEADER.size + NAME_LIMIT:
            raise ProtocolError("a name that is too long")
    return ".".join(labels), offset + 1


def _edns(message: bytes, offset: int) -> int:
    """Return the size in an OPT record at the root (RFC 6891), or 0."""
    if len(message) < offset + 11 or message[offset] != 0:
        return 0
    kind, size = struct.unpack_from("!HH", message, offset + 1)
    return min(size, EDNS_LIMIT) if kind == Type.OPT else 0


def encode_response(
    query: Query,
    answers: Sequence[Record] = (),
    *,
    code: Code = Code.NOERROR,
    authorities: Sequence[Record] = (),
    additional: Sequence[Record] = (),
    limit: int | None = None,
) -> bytes:
    """Return the answer to a query. What does not fit into `limit` bytes is left out and the answer marked as cut."""
    flags = 0x8400 | (0x0100 if query.recursion else 0) | 0x0080 | code
    question = encode_name(query.name) + struct.pack("!HH", query.type, CLASS_IN)
    opt = b"\0" + struct.pack("!HHIH", Type.OPT, EDNS_LIMIT, 0, 0) if query.edns else b""
    for kept in ((answers, authorities, additional), (answers, authorities, ())):
        bodies = [[_record(each, query.name) for each in section] for section in kept]
        counts = [len(section) for section in bodies]
        message = HEADER.pack(query.id, flags, 1, counts[0], counts[1], counts[2] + bool(opt))
        message += question + b"".join(each for section in bodies for each in section) + opt
        if limit is None or len(message) <= limit:
            return message
    return HEADER.pack(query.id, flags | 0x0200, 1, 0, 0, bool(opt)) + question + opt


def _record(record: Record, asked: str) -> bytes:
    # The name that was asked for is at a known place: right behind the header.
    name = struct.pack("!H", POINTER << 8 | HEADER.size) if record.name == asked else encode_name(record.name)
    return name + struct.pack("!HHIH", record.type, CLASS_IN, record.ttl, len(record.data)) + record.data


def refuse(message: bytes, code: Code) -> bytes:
    """Return an answer without content to anything that at least has an id; empty if it has not even that."""
    if len(message) < HEADER.size:
        return b""
    identity, flags = struct.unpack_from("!HH", message)
    return HEADER.pack(identity, 0x8000 | (flags & 0x7900) | code, 0, 0, 0, 0)
