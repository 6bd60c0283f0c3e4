from __future__ import annotations

import contextlib
import struct
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.errors import ProtocolError
from lab.wire.dns import (
    Code,
    Query,
    Type,
    address,
    alias,
    authority,
    decode_query,
    encode_name,
    encode_response,
    refuse,
    service,
)

QUESTION = bytes.fromhex("03777777076578616d706c6503636f6d00")
"""www.example.com"""


def query(tail: bytes = b"", *, flags: int = 0x0100, additional: int = 0) -> bytes:
    return struct.pack("!HHHHHH", 7, flags, 1, 0, 0, additional) + QUESTION + struct.pack("!HH", 1, 1) + tail


OPT = b"\0" + struct.pack("!HHIH", 41, 4096, 0, 0)


def test_a_query():
    assert decode_query(query()) == Query(7, "www.example.com", Type.A, recursion=True)
    assert decode_query(query(OPT, additional=1)).limit == 1232


@pytest.mark.parametrize(
    "message",
    [
        b"",
        query()[:20],
        query(flags=0x8000),
        query(flags=0x2800),
        struct.pack("!HHHHHH", 7, 0, 2, 0, 0, 0) + QUESTION,
        struct.pack("!HHHHHH", 7, 0, 1, 0, 0, 0) + b"\xc0\x0c\0\1\0\1",
    ],
    ids=["empty", "cut", "an answer", "an update", "two questions", "a pointer to itself"],
)
def test_what_is_no_query(message):
    with pytest.raises(ProtocolError):
        decode_query(message)


@given(st.binary(max_size=80))
def test_any_bytes_are_a_query_or_a_violation(data):
    with contextlib.suppress(ProtocolError):
        decode_query(data)


def test_an_answer_points_back_to_the_question():
    asked = decode_query(query())
    answer = encode_response(asked, [address(asked.name, ip_address("192.0.2.1"), 5)])
    assert answer == (
        struct.pack("!HHHHHH", 7, 0x8580, 1, 1, 0, 0) + QUESTION + b"\0\1\0\1"
        + b"\xc0\x0c\0\1\0\1\0\0\0\5\0\4\xc0\0\2\1"
    )  # fmt: skip


def test_absence_is_told_with_the_authority():
    answer = encode_response(
        decode_query(query()), code=Code.NXDOMAIN, authorities=[authority("example.com", 5)]
    )
    assert struct.unpack_from("!HHHHHH", answer) == (7, 0x8583, 1, 0, 1, 0)


def test_what_does_not_fit_is_marked():
    asked = decode_query(query())
    many = [address(asked.name, ip_address(f"192.0.2.{n}"), 5) for n in range(100)]
    assert len(encode_response(asked, many)) > 1000
    cut = encode_response(asked, many, limit=512)
    assert struct.unpack_from("!HHHHHH", cut) == (7, 0x8780, 1, 0, 0, 0)


def test_additional_records_are_the_first_to_go():
    asked = decode_query(query())
    extra = [address(f"n{n}.example.com", ip_address("192.0.2.1"), 5) for n in range(50)]
    answer = encode_response(
        asked, [service(asked.name, "n.example.com", 80, weight=1, ttl=5)], additional=extra, limit=512
    )
    assert struct.unpack_from("!HHHHHH", answer) == (7, 0x8580, 1, 1, 0, 0)


def test_edns_is_answered_with_edns():
    answer = encode_response(
        decode_query(query(OPT, additional=1)), [alias("www.example.com", "example.com", 5)]
    )
    assert answer.endswith(b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0))


@pytest.mark.parametrize("name", ["a..b", "x" * 64, ".".join(["abcdefg"] * 40)])
def test_names_that_cannot_be(name):
    with pytest.raises(ProtocolError):
        encode_name(name)


@pytest.mark.parametrize(
    ("message", "expected"), [(b"\0", b""), (query(), struct.pack("!HHHHHH", 7, 0x8105, 0, 0, 0, 0))]
)
def test_refusals(message, expected):
    assert refuse(message, Code.REFUSED) == expected
