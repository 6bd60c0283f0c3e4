"""WebSocket messages (RFC 6455), the server's side: frames of a client in, messages out; messages in, frames out."""

from __future__ import annotations

import base64
import hashlib
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from lab.errors import ProtocolError

GUID: Final = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
LIMIT: Final = 16 << 20
"""Bytes of one message."""


class Opcode(IntEnum):
    """RFC 6455, section 11.8."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


@dataclass(frozen=True, slots=True)
class Message:
    """A whole message: TEXT or BINARY, or one of the control frames."""

    opcode: Opcode
    data: bytes


def accept(key: str) -> str:
    """Return the Sec-WebSocket-Accept for a client's Sec-WebSocket-Key (section 4.2.2)."""
    return base64.b64encode(hashlib.sha1((key + GUID).encode(), usedforsecurity=False).digest()).decode()


def frame(opcode: Opcode, data: bytes = b"") -> bytes:
    """Return a message as one unmasked frame (section 5.2)."""
    first = 0x80 | opcode
    if len(data) < 126:
        return struct.pack("!BB", first, len(data)) + data
    if len(data) < 1 << 16:
        return struct.pack("!BBH", first, 126, len(data)) + data
    return struct.pack("!BBQ", first, 127, len(data)) + data


def close(code: int = 1000, reason: str = "") -> bytes:
    """Return the frame that ends a connection (section 5.5.1)."""
    return frame(Opcode.CLOSE, struct.pack("!H", code) + reason.encode()[:123])


class Receiver:
    """Puts a client's frames together."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._opcode: Opcode | None = None
        self._parts = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """Take bytes in whatever pieces and return the messages that are complete; raises ProtocolError."""
        self._buffer += data
        found = []
        while (message := self._frame()) is not None:
            final, opcode, payload = message
            if opcode >= Opcode.CLOSE:
                found.append(Message(opcode, payload))
            elif whole := self._assemble(opcode, payload, final=final):
                found.append(whole)
        return found

    def _frame(self) -> tuple[bool, Opcode, bytes] | None:
        if len(self._buffer) < 2:
            return None
        first, second = self._buffer[0], self._buffer[1]
        if not second & 0x80:
            raise ProtocolError("a client's frame is not masked")
        length, offset = second & 0x7F, 2
        if length >= 126:
            size = 2 if length == 126 else 8
            if len(self._buffer) < offset + size:
                return None
            length, offset = int.from_bytes(self._buffer[offset : offset + size]), offset + size
        if length > LIMIT:
            raise ProtocolError(f"a frame of {length} bytes is too long")
        if len(self._buffer) < offset + 4 + length:
            return None
        mask = bytes(self._buffer[offset : offset + 4])
        payload = _unmask(bytes(self._buffer[offset + 4 : offset + 4 + length]), mask)
        del self._buffer[: offset + 4 + length]
        try:
            return bool(first & 0x80), Opcode(first & 0x0F), payload
        except ValueError as error:
            raise ProtocolError(f"opcode {first & 0x0F} is not defined") from error

    def _assemble(self, opcode: Opcode, payload: bytes, *, final: bool) -> Message | None:
        if (opcode is Opcode.CONTINUATION) != (self._opcode is not None):
            raise ProtocolError("a fragment without its message, or a message inside another")
        self._opcode = self._opcode or opcode
        self._parts += payload
        if len(self._parts) > LIMIT:
            raise ProtocolError("a message is too long")
        if not final:
            return None
        message = Message(self._opcode, bytes(self._parts))
        self._opcode = None
        self._parts.clear()
        return message


def _unmask(data: bytes, mask: bytes) -> bytes:
    """Exclusive-or with the repeated mask (section 5.3), as one operation on large numbers."""
    if not data:
        return data
    repeated = (mask * (len(data) // 4 + 1))[: len(data)]
    return (int.from_bytes(data) ^ int.from_bytes(repeated)).to_bytes(len(data))
