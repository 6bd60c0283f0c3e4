"""Protobuf bodies, encoded by Kubernetes' own Go code, become what the JSON body would have become."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.pocket.api import protobuf, schema
from lab.pocket.api.errors import ProtobufError
from tests.unit.pocket.api.answers import Case, cases, load

OPTIONS = schema.definition("io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions")
WIRES = [b64decode(case["wire"]) for case in load("protobuf")["cases"]]


def processed(obj: dict[str, Any]) -> dict[str, Any]:
    group, _, version = obj["apiVersion"].rpartition("/")
    kind = schema.builtin(group, version, obj["kind"]) or schema.Schema(OPTIONS, native=True)
    result = schema.process(obj, kind)
    assert not result.malformed
    return result.object


@pytest.mark.parametrize("case", cases("protobuf"))
def test_means_the_same_as_json(case: Case) -> None:
    assert processed(protobuf.decode(b64decode(case["wire"]))) == processed(case["body"])


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "expected prefix"),
        (b"{}", "expected prefix"),
        (b"k8s\0", 'no kind "" is registered'),
        (b"k8s\0\x0a\x09\x0a\x02v1\x12\x03Job", 'no kind "Job" is registered for version "v1"'),
        (b"k8s\0\x0a\xff", "unexpected EOF"),
        (b"k8s\0\x0b", "unexpected EOF"),
        (b"k8s\0\x08\x01", "wrong wireType"),
        (b"k8s\0" + b"\x0a\x09\x0a\x02v1\x12\x03Pod" + b"\x12\x04\x0a\x02\x0a\x00", ""),
        (
            b"k8s\0" + b"\x0a\x09\x0a\x02v1\x12\x03Pod" + b"\x12\x05\x0a\x03\x0a\x01\xff",
            "broken protobuf message",
        ),
    ],
)
def test_refuses_what_is_broken(body: bytes, sentence: str) -> None:
    if not sentence:
        assert protobuf.decode(body)["metadata"] == {"name": ""}
        return
    with pytest.raises(ProtobufError, match=sentence):
        protobuf.decode(body)


@given(
    st.sampled_from(WIRES),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=4)), max_size=3),
)
def test_damage_never_does_more_than_that(wire: bytes, damage: list[tuple[float, bytes]]) -> None:
    for where, what in damage:
        position = int(where * len(wire))
        wire = wire[:position] + what + wire[position + 2 :]
    try:
        obj = protobuf.decode(wire)
    except ProtobufError as error:
        assert error.message  # noqa: PT017  # either outcome is fine, any other exception is not
    else:
        assert isinstance(obj, dict)
