"""Built-in kinds, decoded as Go decodes JSON into its structs and written back as Go writes them.

That is more than validation: zero values vanish unless the field is a pointer, structs appear even when they are
empty, quantities and times are rewritten. Whether values make sense is for `lab.pocket.api.validation` to say.
"""

from __future__ import annotations

import binascii
import datetime as dt
import re
from collections.abc import Callable
from typing import Any

from lab.errors import ApiError
from lab.pocket.api import quantity, values
from lab.pocket.api.errors import QuantityError
from lab.pocket.api.schema.model import Node

__all__ = ["MalformedError", "decode"]


class MalformedError(ApiError):
    """The JSON does not fit the Go type; the sentence is that of Go's decoder."""


def decode(
    value: Any, node: Node, unknown: list[str], path: str = "", *, known: dict[str, Any] | None = None
) -> Any:
    """Return `value` as the kind's Go struct would hold and write it; paths that it lacks go to `unknown`.

    `known` was decoded before: what has not changed since is taken from it, and shared with it. Raises MalformedError.
    """
    place = _Place(unknown, path, "", "")
    if known is not None and "properties" in node:
        return _struct(value, node, place, known)
    return _decode(value, node, place)


class _Place:
    """Where the decoder is: the path with indexes, Go's path without them, and the struct that holds the field."""

    __slots__ = ("go_path", "path", "struct", "unknown")

    def __init__(self, unknown: list[str], path: str, go_path: str, struct: str) -> None:
        self.unknown = unknown
        self.path = path
        self.go_path = go_path
        self.struct = struct

    def child(self, name: str, struct: str) -> _Place:
        return _Place(self.unknown, _join(self.path, name), _join(self.go_path, name), struct)

    def entry(self, key: str) -> _Place:
        return _Place(self.unknown, _join(self.path, key), self.go_path, self.struct)

    def item(self, index: int) -> _Place:
        return _Place(self.unknown, f"{self.path}[{index}]", self.go_path, self.struct)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _decode(value: Any, node: Node, place: _Place) -> Any:
    if "properties" in node:
        return _struct(value, node, place)
    if "x-either" in node:
        return _either(value, node["x-either"], place)
    if node.get("x-kubernetes-preserve-unknown-fields"):
        return values.copy(value)
    if "additionalProperties" in node:
        return _map(value, node, place)
    if "items" in node:
        return _list(value, node, place)
    return _scalar(value, node, place)


def _struct(value: Any, node: Node, place: _Place, known: dict[str, Any] | None = None) -> dict[str, Any]:
    if value is None:
        value = {}
    if not isinstance(value, dict):
        raise _mismatch(value, node, place)
    properties: dict[str, Node] = node["properties"]
    struct = node["x-name"].rsplit(".", 1)[1] if "x-name" in node else ""
    result = {}
    for name, inner in value.items():
        child = properties.get(name)
        if child is None:
            place.unknown.append(_join(place.path, name))
            continue
        before = known.get(name) if known else None
        if before is not None and before == inner:
            result[name] = before
        elif inner is not None:
            decoded = _member(inner, child, place.child(name, struct), before)
            if "x-pointer" in child or "x-always" in child or decoded not in _ZEROS:
                result[name] = decoded
    for name in _always(node):
        if name not in result:
            result[name] = zero(properties[name])
    return result


def _member(value: Any, node: Node, place: _Place, known: Any) -> Any:
    """Decode a member of a struct, None for an empty list or map that Go writes as null."""
    if "properties" in node:
        return _struct(value, node, place, known if isinstance(known, dict) else None)
    decoded = _decode(value, node, place)
    return None if decoded in _EMPTY and "x-always" in node else decoded


def _either(value: Any, node: Node, place: _Place) -> Any:
    """Decode a union of a struct, several of them, and plain values (in the schemas of CRDs)."""
    if isinstance(value, dict):
        return _struct(value, node, place)
    if isinstance(value, list):
        return [_either(item, node, place.item(index)) for index, item in enumerate(value)]
    return value


_ZEROS: tuple[Any, ...] = (None, "", 0, False, [], {})
_EMPTY: tuple[Any, ...] = ([], {})


def _always(node: Node) -> list[str]:
    """Return the names of fields that Go writes even when nobody set them; kept in the node."""
    names: list[str] | None = node.get("x-always-names")
    if names is None:
        names = [name for name, child in node["properties"].items() if "x-always" in child]
        node["x-always-names"] = names
    return names


def zero(node: Node) -> Any:
    """Return what Go writes for a field of this type that nobody set."""
    if "x-pointer" in node:
        return None
    if "properties" in node:
        return _struct({}, node, _Place([], "", "", ""))
    if node.get("x-kubernetes-int-or-string"):
        return 0
    if node.get("format") == "quantity":
        return "0"
    if node.get("format") in {"date-time", "micro-time", "byte"}:
        return None
    return {"integer": 0, "boolean": False, "string": ""}.get(node.get("type", ""))


def _map(value: Any, node: Node, place: _Place) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _mismatch(value, node, place)
    inner = node["additionalProperties"]
    return {
        name: zero(inner) if item is None else _decode(item, inner, place.entry(name))
        for name, item in value.items()
    }


def _list(value: Any, node: Node, place: _Place) -> list[Any]:
    if not isinstance(value, list):
        raise _mismatch(value, node, place)
    inner = node["items"]
    return [
        zero(inner) if item is None else _decode(item, inner, place.item(index))
        for index, item in enumerate(value)
    ]


def _scalar(value: Any, node: Node, place: _Place) -> Any:
    if node.get("x-kubernetes-int-or-string"):
        return _int_or_string(value, node, place)
    rule = _SCALARS.get(node.get("format", "")) or _SCALARS[node.get("type", "object")]
    return rule(value, node, place)


def _int_or_string(value: Any, node: Node, place: _Place) -> Any:
    return (
        _text(value, node, place) if isinstance(value, str) else _integer(value, {"format": "int32"}, place)
    )


def _text(value: Any, node: Node, place: _Place) -> str:
    if isinstance(value, str):
        return value
    raise _mismatch(value, node, place)


def _boolean(value: Any, node: Node, place: _Place) -> bool:
    if isinstance(value, bool):
        return value
    raise _mismatch(value, node, place)


def _integer(value: Any, node: Node, place: _Place) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _mismatch(value, node, place)
    limit = 2**31 if node.get("format") == "int32" else 2**63
    if isinstance(value, float) or not -limit <= value < limit:
        raise _mismatch(value, node, place, literal=True)
    return value


def _number(value: Any, node: Node, place: _Place) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _mismatch(value, node, place)
    return value


def _quantity(value: Any, node: Node, place: _Place) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _mismatch(value, node, place)
    try:
        return quantity.canonical(str(value).strip())
    except QuantityError as error:
        raise MalformedError(error.message) from error


def _bytes(value: Any, node: Node, place: _Place) -> str:
    text = _text(value, node, place)
    try:
        binascii.a2b_base64(text.replace("\n", "").replace("\r", ""), strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedError(f"illegal base64 data at input byte {_first_illegal(text)}") from error
    return text


def _first_illegal(text: str) -> int:
    alphabet = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    return next((index for index, letter in enumerate(text) if letter not in alphabet), len(text) // 4 * 4)


def _time(value: Any, node: Node, place: _Place) -> str:
    moment = _moment(_text(value, node, place), "2006-01-02T15:04:05Z07:00")
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _micro_time(value: Any, node: Node, place: _Place) -> str:
    layout = "2006-01-02T15:04:05.000000Z07:00"
    text = _text(value, node, place)
    if not _MICROSECONDS.fullmatch(text[19:]) and len(text) >= 20:
        raise MalformedError(f'parsing time "{text}" as "{layout}": cannot parse "{text[19:]}" as ".000000"')
    moment = _moment(text, layout)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


_MICROSECONDS = re.compile(r"\.[0-9]{6}(Z|[+-][0-9]{2}:[0-9]{2})")


def _moment(text: str, layout: str) -> dt.datetime:
    try:
        moment = dt.datetime.fromisoformat(text) if len(text) >= 20 else None
        if moment is not None and moment.tzinfo is not None and text[10] in "Tt":
            return moment.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        pass
    raise MalformedError(f'parsing time "{text}" as "{layout}": cannot parse "{text}" as "2006"')


_SCALARS: dict[str, Callable[[Any, Node, _Place], Any]] = {
    "string": _text,
    "boolean": _boolean,
    "integer": _integer,
    "number": _number,
    "double": _number,
    "quantity": _quantity,
    "byte": _bytes,
    "date-time": _time,
    "micro-time": _micro_time,
    "object": lambda value, node, place: _map(value, {**node, "additionalProperties": {}}, place),
}


def _mismatch(value: Any, node: Node, place: _Place, *, literal: bool = False) -> MalformedError:
    found = _json_type(value)
    if literal:
        found = f"number {value}"
    field = f"Go struct field {place.struct}.{place.go_path}" if place.struct else "Go value"
    return MalformedError(f"json: cannot unmarshal {found} into {field} of type {go_type(node)}")


def _json_type(value: Any) -> str:
    return {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}[
        type(value)
    ]


def go_type(node: Node) -> str:
    """Return the name of the Go type as its decoder's errors say it, as `[]v1.ServicePort`."""
    if "x-name" in node:
        return ".".join(node["x-name"].rsplit(".", 2)[1:])
    if "items" in node:
        return f"[]{go_type(node['items'])}"
    if "additionalProperties" in node:
        return f"map[string]{go_type(node['additionalProperties'])}"
    if "x-go" in node:
        return str(node["x-go"])
    if node.get("type") == "boolean":
        return "bool"
    return str(node.get("format") or node.get("type", "object"))
