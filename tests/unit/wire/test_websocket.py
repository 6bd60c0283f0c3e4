from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.errors import ProtocolError
from lab.wire.websocket import LIMIT, Message, Opcode, Receiver, accept, close, frame

MASK = b"\x37\xfa\x21\x3d"


def masked(opcode: int, data: bytes, *, final: bool = True) -> bytes:
    """A client's frame."""
    first = (0x80 if final else 0) | opcode
    if len(data) < 126:
        head = struct.pack("!BB", first, 0x80 | len(data))
    elif len(data) < 1 << 16:
        head = struct.pack("!BBH", first, 0x80 | 126, len(data))
    else:
        head = struct.pack("!BBQ", first, 0x80 | 127, len(data))
    return head + MASK + bytes(byte ^ MASK[index % 4] for index, byte in enumerate(data))


def test_examples_of_the_rfc():
    assert accept("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert frame(Opcode.TEXT, b"Hello") == bytes.fromhex("810548656c6c6f")
    hello = bytes.fromhex("818537fa213d7f9f4d5158")
    assert Receiver().feed(hello) == [Message(Opcode.TEXT, b"Hello")]


@pytest.mark.parametrize("length", [0, 125, 126, 65535, 65536])
def test_lengths(length):
    data = b"x" * length
    assert Receiver().feed(masked(2, data)) == [Message(Opcode.BINARY, data)]
    assert frame(Opcode.BINARY, data).endswith(data)


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=5), st.integers(1, 50))
def test_pieces_and_fragments(parts, size):
    wire = b""
    for index, part in enumerate(parts):
        wire += masked(2 if index == 0 else 0, part, final=index == len(parts) - 1) + masked(9, b"ping")
    receiver = Receiver()
    found = [
        message
        for start in range(0, len(wire), size)
        for message in receiver.feed(wire[start : start + size])
    ]
    assert [each.data for each in found if each.opcode is Opcode.BINARY] == [b"".join(parts)]
    assert sum(each.opcode is Opcode.PING for each in found) == len(parts)


@pytest.mark.parametrize(
    "wire",
    [
        frame(Opcode.TEXT, b"unmasked"),
        masked(0, b"continues nothing"),
        masked(1, b"a", final=False) + masked(1, b"b"),
        masked(5, b"reserved"),
        struct.pack("!BBQ", 0x82, 0xFF, LIMIT + 1),
    ],
)
def test_violations(wire):
    with pytest.raises(ProtocolError):
        Receiver().feed(wire)


@given(st.binary(max_size=100))
def test_any_input_is_a_message_or_a_violation(data):
    with contextlib.suppress(ProtocolError):
        Receiver().feed(data)


def test_close_carries_code_and_reason():
    assert close(1011, "gone") == b"\x88\x06\x03\xf3gone"
