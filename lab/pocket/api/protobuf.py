r"""Request bodies in Kubernetes' protobuf, decoded to the JSON that the same client would have sent.

kubectl from 1.32 on and client-go's typed clients send them and do not fall back to JSON. Only decoding is needed:
answers may be JSON. The body is the four bytes `k8s\0` and a runtime.Unknown that names the kind and holds the object.
Zero values are decoded as they come: `lab.pocket.api.schema.process` drops them, as it does from JSON.
Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding; the table of messages is
written by scripts/kubernetes_types.py.
"""

from __future__ import annotations

import datetime as dt
import struct
from base64 import b64encode
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import orjson

from lab.pocket.api.errors import ProtobufError
from lab.pocket.api.schema.data import load

__all__ = ["CONTENT_TYPE", "decode"]

CONTENT_TYPE = "application/vnd.kubernetes.protobuf"
MAGIC = b"k8s\0"
MAX_DEPTH = 64
META = "io.k8s.apimachinery.pkg.apis.meta.v1."
EXTENSIONS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."
Object = dict[str, Any]
Value = int | bytes


@cache
def _tables() -> Any:
    return load("protobuf")


def decode(body: bytes) -> Object:
    """Return the object in a protobuf request body.

    Raises ProtobufError for anything else: a wrong frame, an unknown kind, a broken message.
    """
    if not body.startswith(MAGIC):
        raise ProtobufError(
            "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
        )
    try:
        return _unknown(body[len(MAGIC) :])
    except (UnicodeDecodeError, orjson.JSONDecodeError, struct.error, OverflowError, ValueError) as error:
        raise ProtobufError(f"broken protobuf message: {error}") from error


def _unknown(body: bytes) -> Object:
    fields = dict(_fields(body))
    meta = dict(_fields(_bytes(fields.get(1, b""))))
    version, kind = (_bytes(meta.get(number, b"")).decode() for number in (1, 2))
    message = META + kind if kind == "DeleteOptions" else _tables()["kinds"].get(f"{version}/{kind}")
    if message is None:
        raise ProtobufError(f'no kind "{kind}" is registered for version "{version}"')
    return {"apiVersion": version, "kind": kind, **_message(_bytes(fields.get(2, b"")), message, 0)}


def _fields(data: bytes) -> Iterator[tuple[int, Value]]:
    """Yield (number, value) of a message: int for varints, bytes for all else."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        kind = key & 7
        if kind == 0:
            number, position = _varint(data, position)
            yield key >> 3, number
            continue
        if kind == 2:
            size, position = _varint(data, position)
        else:
            size = {1: 8, 5: 4}.get(kind, -1)
        if size < 0 or position + size > len(data):
            raise ProtobufError("broken protobuf message: unexpected EOF")
        yield key >> 3, data[position : position + size]
        position += size


def _varint(data: bytes, position: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            break
        byte = data[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number & (2**64 - 1), position
    raise ProtobufError("broken protobuf message: unexpected EOF")


def _bytes(value: Value) -> bytes:
    if isinstance(value, bytes):
        return value
    raise ProtobufError("broken protobuf message: wrong wireType")


def _message(data: bytes, name: str, depth: int) -> Any:
    special = _SPECIAL.get(name)
    if special is not None:
        return special(data, depth)
    if depth > MAX_DEPTH:
        raise ProtobufError("broken protobuf message: nested too deeply")
    table = _tables()["messages"][name]
    result: Object = {}
    for number, value in _fields(data):
        entry = table.get(str(number))
        if entry is not None:
            _put(result, entry, value, depth + 1)
    return result


def _put(result: Object, entry: list[str], value: Value, depth: int) -> None:
    name, kind, shape = entry
    if not name:
        result.update(_value(value, kind, depth))
    elif shape == "list":
        result.setdefault(name, []).extend(_repeated(value, kind, depth))
    elif shape.startswith("map"):
        pair = dict(_fields(_bytes(value)))
        key = _bytes(pair.get(1, b"")).decode()
        result.setdefault(name, {})[key] = _map_value(pair.get(2), kind, shape, depth)
    else:
        result[name] = _value(value, kind, depth)


def _map_value(value: Value | None, kind: str, shape: str, depth: int) -> Any:
    if shape == "maplist":  # a message of its own, with the items as its only field
        return [_value(item, kind, depth) for _, item in _fields(_bytes(value or b""))]
    return _value(b"" if value is None else value, kind, depth)


def _repeated(value: Value, kind: str, depth: int) -> list[Any]:
    if kind not in {"int32", "int64", "bool"} or isinstance(value, int):
        return [_value(value, kind, depth)]
    packed, position = [], 0
    while position < len(value):
        number, position = _varint(value, position)
        packed.append(_value(number, kind, depth))
    return packed


def _value(value: Value, kind: str, depth: int) -> Any:
    if isinstance(value, int):
        if kind == "bool":
            return bool(value)
        if kind not in {"int32", "int64"}:
            raise ProtobufError("broken protobuf message: wrong wireType")
        return value - 2**64 if value >= 2**63 else value
    if kind == "string":
        return value.decode()
    if kind == "bytes":
        return b64encode(value).decode()
    if kind == "float64":
        return _number(struct.unpack("<d", value)[0])
    if "." not in kind:
        raise ProtobufError("broken protobuf message: wrong wireType")
    return _message(value, kind, depth)


def _number(value: float) -> float:
    return int(value) if value.is_integer() else value


def _time(data: bytes, _depth: int) -> str | None:
    return _moment(data, "%Y-%m-%dT%H:%M:%SZ")


def _micro_time(data: bytes, _depth: int) -> str | None:
    return _moment(data, "%Y-%m-%dT%H:%M:%S.%fZ")


def _moment(data: bytes, form: str) -> str | None:
    fields = dict(_fields(data))
    seconds, nanoseconds = (_value(fields.get(number, 0), "int64", 0) for number in (1, 2))
    if not seconds and not nanoseconds:
        return None
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return (epoch + dt.timedelta(seconds=seconds, microseconds=nanoseconds // 1000)).strftime(form)


def _quantity(data: bytes, _depth: int) -> str:
    return _bytes(dict(_fields(data)).get(1, b"")).decode() or "0"


def _int_or_string(data: bytes, _depth: int) -> int | str:
    fields = dict(_fields(data))
    if fields.get(1):
        return _bytes(fields.get(3, b"")).decode()
    return int(_value(fields.get(2, 0), "int32", 0))


def _raw_json(data: bytes, _depth: int) -> Any:
    raw = _bytes(dict(_fields(data)).get(1, b""))
    return orjson.loads(raw) if raw else None


def _schema_or_many(data: bytes, depth: int) -> Any:
    """Decode the three unions in a CRD's schema: one schema, or a boolean, or a list."""
    pairs = list(_fields(data))
    single = next((value for number, value in pairs if number == 1), b"")
    if isinstance(single, bytes) and single:
        return _message(single, EXTENSIONS + "JSONSchemaProps", depth + 1)
    return [
        _message(_bytes(value), EXTENSIONS + "JSONSchemaProps", depth + 1)
        for number, value in pairs
        if number == 2
    ]


def _schema_or_bool(data: bytes, depth: int) -> Any:
    fields = dict(_fields(data))
    if 2 in fields:
        return _message(_bytes(fields[2]), EXTENSIONS + "JSONSchemaProps", depth + 1)
    return bool(fields.get(1))


def _schema_or_strings(data: bytes, depth: int) -> Any:
    pairs = list(_fields(data))
    if any(number == 1 for number, _ in pairs):
        return _schema_or_many(data, depth)
    return [_bytes(value).decode() for number, value in pairs if number == 2]


_SPECIAL: dict[str, Callable[[bytes, int], Any]] = {
    EXTENSIONS + "JSON": _raw_json,
    EXTENSIONS + "JSONSchemaPropsOrArray": _schema_or_many,
    EXTENSIONS + "JSONSchemaPropsOrBool": _schema_or_bool,
    EXTENSIONS + "JSONSchemaPropsOrStringArray": _schema_or_strings,
    META + "FieldsV1": _raw_json,
    META + "MicroTime": _micro_time,
    META + "Time": _time,
    "io.k8s.apimachinery.pkg.api.resource.Quantity": _quantity,
    "io.k8s.apimachinery.pkg.runtime.RawExtension": _raw_json,
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": _int_or_string,
}
