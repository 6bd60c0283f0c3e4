from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.errors import ProtocolError
from lab.wire.spdy import DICTIONARY, Data, Opened, Pinged, Reset, Session


class Peer:
    """kubectl's side."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    def open(self, stream: int, flags: int = 0, **headers: str) -> bytes:
        raw = struct.pack("!I", len(headers))
        for name, value in headers.items():
            raw += (
                struct.pack("!I", len(name)) + name.encode() + struct.pack("!I", len(value)) + value.encode()
            )
        block = self._deflate.compress(raw) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        payload = struct.pack("!IIH", stream, 0, 0) + block
        return struct.pack("!HHI", 0x8003, 1, flags << 24 | len(payload)) + payload


def test_the_dictionary_is_that_of_the_draft():
    assert (len(DICTIONARY), zlib.adler32(DICTIONARY)) == (1423, 0xE3C6A7C2)


def test_streams_open_and_carry_data():
    peer, session = Peer(), Session()
    wire = peer.open(1, streamtype="error", port="80") + peer.open(3, streamtype="data", port="80")
    wire += Session.data(3, b"GET /") + Session.data(1, b"", last=True)
    assert session.feed(wire) == [
        Opened(1, {"streamtype": "error", "port": "80"}),
        Opened(3, {"streamtype": "data", "port": "80"}),
        Data(3, b"GET /", last=False),
        Data(1, b"", last=True),
    ]


def test_a_stream_may_open_finished():
    assert Session().feed(Peer().open(1, flags=1))[1:] == [Data(1, b"", last=True)]


@given(st.integers(1, 40))
def test_pieces_do_not_matter(size):
    wire = Peer().open(5, port="8080") + Session.data(5, b"x" * 100)
    session = Session()
    found = [
        event for start in range(0, len(wire), size) for event in session.feed(wire[start : start + size])
    ]
    assert found == [Opened(5, {"port": "8080"}), Data(5, b"x" * 100, last=False)]


def test_replies_can_be_read_by_a_peer():
    reply = Session().reply(7)
    assert reply[:8] == struct.pack("!HHI", 0x8003, 2, len(reply) - 8)
    assert zlib.decompressobj(zdict=DICTIONARY).decompress(reply[12:]) == b"\0\0\0\0"


def test_pings_resets_and_what_is_of_no_interest():
    ping = struct.pack("!HHII", 0x8003, 6, 4, 99)
    reset = struct.pack("!HHIII", 0x8003, 3, 8, 3, 5)
    settings = struct.pack("!HHII", 0x8003, 4, 4, 0)
    assert Session().feed(ping + reset + settings) == [Pinged(ping), Reset(3)]


@pytest.mark.parametrize(
    "wire", [struct.pack("!HHI", 0x8003, 1, 12) + b"\0" * 12, struct.pack("!HHI", 0x8003, 3, 0)]
)
def test_violations(wire):
    with pytest.raises(ProtocolError):
        Session().feed(wire)
