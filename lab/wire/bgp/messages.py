"""Messages out of a stream of bytes: the header is checked here, the bodies by their own modules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lab.wire.bgp.constants import HEADER_LENGTH, MARKER, MAX_MESSAGE_LENGTH, HeaderError, MessageType
from lab.wire.bgp.framing import frame
from lab.wire.bgp.notification import MessageHeaderError, Notification
from lab.wire.bgp.open import Open
from lab.wire.bgp.update import Update

_SHORTEST = {
    MessageType.OPEN: 29,
    MessageType.UPDATE: 23,
    MessageType.NOTIFICATION: 21,
    MessageType.KEEPALIVE: 19,
    MessageType.ROUTE_REFRESH: 23,
}
"""RFC 4271, section 6.1; RFC 2918, section 3."""
_FIXED = frozenset({MessageType.KEEPALIVE, MessageType.ROUTE_REFRESH})


@dataclass(frozen=True, slots=True)
class Keepalive:
    """RFC 4271, section 4.4: the header alone."""

    def encode(self) -> bytes:
        return frame(MessageType.KEEPALIVE, b"")


@dataclass(frozen=True, slots=True)
class RouteRefresh:
    """RFC 2918, section 3: please send all routes of a family again. `subtype` is RFC 7313's."""

    afi: int
    safi: int
    subtype: int = 0

    def encode(self) -> bytes:
        """Return the whole message."""
        return frame(MessageType.ROUTE_REFRESH, self.afi.to_bytes(2) + bytes((self.subtype, self.safi)))

    @classmethod
    def decode(cls, body: bytes) -> RouteRefresh:
        """Read the body; the framing has seen to its length."""
        return cls(int.from_bytes(body[:2]), body[3], body[2])


Message = Open | Update | Notification | Keepalive | RouteRefresh


@dataclass(frozen=True, slots=True)
class Dialect:
    """What was agreed upon and changes how bytes are read."""

    four_octet: bool = True
    external: bool = True


def decode_message(kind: MessageType, body: bytes, dialect: Dialect) -> Message:
    """Read one body. Raises MessageError."""
    match kind:
        case MessageType.OPEN:
            return Open.decode(body)
        case MessageType.UPDATE:
            return Update.decode(body, four_octet=dialect.four_octet, external=dialect.external)
        case MessageType.NOTIFICATION:
            return Notification.decode(body)
        case MessageType.ROUTE_REFRESH:
            return RouteRefresh.decode(body)
        case MessageType.KEEPALIVE:
            return Keepalive()


class Reader:
    """Cuts a stream into messages; holds at most one incomplete message between two calls."""

    def __init__(self) -> None:
        self._buffer = b""

    def bodies(self, data: bytes) -> Iterator[tuple[MessageType, bytes]]:
        """Yield type and body of every complete message. Raises MessageHeaderError at the first bad header."""
        buffer = self._buffer + data
        self._buffer = b""
        position = 0
        while len(buffer) - position >= HEADER_LENGTH:
            kind, length = _header(buffer[position : position + HEADER_LENGTH])
            if len(buffer) - position < length:
                break
            yield kind, buffer[position + HEADER_LENGTH : position + length]
            position += length
        self._buffer = buffer[position:]


def _header(header: bytes) -> tuple[MessageType, int]:
    if header[:16] != MARKER:
        raise MessageHeaderError(HeaderError.CONNECTION_NOT_SYNCHRONIZED, "the marker is not all ones")
    length, number = int.from_bytes(header[16:18]), header[18]
    if not HEADER_LENGTH <= length <= MAX_MESSAGE_LENGTH:
        raise MessageHeaderError(HeaderError.BAD_MESSAGE_LENGTH, f"length {length}", data=header[16:18])
    try:
        kind = MessageType(number)
    except ValueError as error:
        raise MessageHeaderError(HeaderError.BAD_MESSAGE_TYPE, f"type {number}", data=header[18:]) from error
    if length < _SHORTEST[kind] or (kind in _FIXED and length != _SHORTEST[kind]):
        raise MessageHeaderError(
            HeaderError.BAD_MESSAGE_LENGTH, f"{kind.name} of {length} octets", data=header[16:18]
        )
    return kind, length
