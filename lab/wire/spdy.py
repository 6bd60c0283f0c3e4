"""SPDY/3.1 as kubectl port-forward speaks it inside WebSocket messages: the server's side, without flow control.

Frames: draft-mbelshe-httpbis-spdy-00, section 2. Streams and their headers: kubernetes/apimachinery, httpstream.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from lab.errors import ProtocolError

VERSION: Final = 0x8003
SYN_STREAM, SYN_REPLY, RST_STREAM, PING, GOAWAY = 1, 2, 3, 6, 7
FIN: Final = 1
HEADER: Final = struct.Struct("!II")

_LOWER: Final = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow "
    "authorization cache-control connection content-base content-encoding content-language content-length "
    "content-location content-md5 content-range content-type date etag expect expires from host if-match "
    "if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma "
    "proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade "
    "user-agent vary via warning www-authenticate method get status"
)
_WORDS: Final = (
    *_LOWER.split(), "200 OK", "version", "HTTP/1.1", "url", "public", "set-cookie", "keep-alive", "origin",
)  # fmt: skip
_TAIL: Final = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 Non-Authoritative "
    "Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden404 Not Found500 Internal "
    "Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 "
    "Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,"
    "application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8"
    "charset=iso-8859-1,utf-,*,enq=0."
)
DICTIONARY: Final = b"".join(struct.pack("!I", len(word)) + word.encode() for word in _WORDS) + _TAIL.encode()
"""Section 2.6.10.1: what both sides' compressors start from."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The peer opened a stream and expects a reply."""

    stream: int
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Data:
    """The peer sent data on a stream; `last` when it will send no more."""

    stream: int
    data: bytes
    last: bool


@dataclass(frozen=True, slots=True)
class Reset:
    """The peer gave a stream up."""

    stream: int


@dataclass(frozen=True, slots=True)
class Pinged:
    """The peer wants its ping back: send `answer`."""

    answer: bytes


Event = Opened | Data | Reset | Pinged


class Session:
    """One connection. Header compression has a state, so frames must be sent in the order in which they were made."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes in whatever pieces and return what happened; raises ProtocolError."""
        self._buffer += data
        events: list[Event] = []
        while len(self._buffer) >= HEADER.size:
            first, second = HEADER.unpack_from(self._buffer)
            end = HEADER.size + (second & 0xFFFFFF)
            if len(self._buffer) < end:
                break
            payload = bytes(self._buffer[HEADER.size : end])
            del self._buffer[:end]
            events += self._frame(first, second >> 24, payload)
        return events

    def reply(self, stream: int) -> bytes:
        """Accept a stream that the peer opened."""
        headers = self._deflate.compress(struct.pack("!I", 0)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        return _control(SYN_REPLY, struct.pack("!I", stream) + headers)

    @staticmethod
    def data(stream: int, data: bytes, *, last: bool = False) -> bytes:
        """Return the frame for data on a stream."""
        return HEADER.pack(stream, (FIN if last else 0) << 24 | len(data)) + data

    def _frame(self, first: int, flags: int, payload: bytes) -> list[Event]:
        if not first >> 31:
            return [Data(first, payload, bool(flags & FIN))]
        try:
            return self._control_frame(first & 0xFFFF, flags, payload)
        except (struct.error, zlib.error, UnicodeDecodeError) as error:
            raise ProtocolError(f"a malformed SPDY frame: {error}") from error

    def _control_frame(self, kind: int, flags: int, payload: bytes) -> list[Event]:
        if kind == SYN_STREAM:
            (stream,) = struct.unpack_from("!I", payload)
            opened = Opened(stream & 0x7FFFFFFF, self._headers(payload[10:]))
            return [opened, Data(opened.stream, b"", last=True)] if flags & FIN else [opened]
        if kind == RST_STREAM:
            return [Reset(struct.unpack_from("!I", payload)[0])]
        if kind == PING:
            return [Pinged(_control(PING, payload))]
        return []  # settings, window updates, farewells: nothing that we act on

    def _headers(self, block: bytes) -> dict[str, str]:
        raw = self._inflate.decompress(block)
        (count,) = struct.unpack_from("!I", raw)
        texts, offset = [], 4
        for _ in range(count * 2):
            (length,) = struct.unpack_from("!I", raw, offset)
            texts.append(raw[offset + 4 : offset + 4 + length].decode())
            offset += 4 + length
        return dict(zip(texts[::2], texts[1::2], strict=True))


def _control(kind: int, payload: bytes) -> bytes:
    return struct.pack("!HHI", VERSION, kind, len(payload)) + payload
