"""The message header (RFC 4271, section 4.1): from a stream of bytes to message bodies and back.

0                   1                   2                   3
0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|                      Marker (16 octets of ones)               |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
|          Length               |      Type     |
+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
"""

from __future__ import annotations

from lab.wire.bgp.constants import HEADER_LENGTH, MARKER, MAX_MESSAGE_LENGTH, MessageType


def frame(kind: MessageType, body: bytes) -> bytes:
    """Return the whole message. Raises ValueError when it would exceed 4096 octets."""
    length = HEADER_LENGTH + len(body)
    if length > MAX_MESSAGE_LENGTH:
        raise ValueError(f"a BGP message of {length} octets exceeds {MAX_MESSAGE_LENGTH}")
    return b"".join((MARKER, length.to_bytes(2), bytes((kind,)), body))
