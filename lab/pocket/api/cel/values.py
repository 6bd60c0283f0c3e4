"""CEL's values in Python: their types, equality and order.

null, bool, int, double, string, bytes, list, map, timestamp and duration are None, bool, int, float, str, bytes, list,
dict, datetime and timedelta; what Kubernetes adds (`kubernetes`) are classes with a `cel_type`. An int of JSON in a
field of type number must have become a float before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Protocol

from lab.pocket.api.cel.errors import CelError, no_overload

__all__ = [
    "MAX_INT", "MAX_UINT", "MIN_INT", "NONE", "CelType", "MapList", "Opaque", "Optional", "SetList", "Uint", "equal", "is_number",
    "less", "type_of",
]  # fmt: skip

MAX_INT, MIN_INT, MAX_UINT = 2**63 - 1, -(2**63), 2**64 - 1


class Uint(int):
    """An unsigned number."""


@dataclass(frozen=True, slots=True)
class CelType:
    """A type as a value: what `type(x)` returns."""

    name: str


class Opaque(Protocol):
    """A value of a type that an extension adds; `==` says whether two are equal."""

    cel_type: ClassVar[str]


@dataclass(frozen=True, slots=True, eq=False)
class Optional:
    """An optional value; `present` is False for none."""

    cel_type: ClassVar[str] = "optional_type"
    value: Any = None
    present: bool = True

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Optional) or self.present is not other.present:
            return False
        return not self.present or equal(self.value, other.value)

    def __hash__(self) -> int:
        return hash(self.present)


NONE = Optional(present=False)


class SetList(list[Any]):
    """A list of type set: equal whatever the order; `+` adds only what is new."""

    def __add__(self, other: list[Any]) -> SetList:
        return SetList([*self, *(item for item in other if not any(equal(item, each) for each in self))])


class MapList(list[Any]):
    """A list of type map: entries are known by their keys; `+` replaces those that are there and appends the others."""

    def __init__(self, items: list[Any], keys: tuple[str, ...]) -> None:
        super().__init__(items)
        self.keys = keys

    def __add__(self, other: list[Any]) -> MapList:
        merged, rest = list(self), []
        for item in other:
            places = [index for index, each in enumerate(merged) if self._name(each) == self._name(item)]
            if places:
                merged[places[0]] = item
            else:
                rest.append(item)
        return MapList([*merged, *rest], self.keys)

    def _name(self, item: dict[str, Any]) -> list[Any]:
        return [item.get(key) for key in self.keys]


_TYPES: tuple[tuple[type, str], ...] = (  # bool before int, Uint before int
    (bool, "bool"),
    (Uint, "uint"),
    (int, "int"),
    (float, "double"),
    (str, "string"),
    (bytes, "bytes"),
    (list, "list"),
    (dict, "map"),
    (datetime, "google.protobuf.Timestamp"),
    (timedelta, "google.protobuf.Duration"),
    (CelType, "type"),
)


def type_of(value: Any) -> str:
    """Return the name of a value's type."""
    if value is None:
        return "null_type"
    for kind, name in _TYPES:
        if isinstance(value, kind):
            return name
    return str(value.cel_type)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def equal(left: Any, right: Any) -> bool:
    """Say whether two values are equal: numbers of all types by value, other types never across."""
    if is_number(left) and is_number(right):
        return bool(left == right)
    if type_of(left) != type_of(right):
        return False
    if isinstance(left, list):
        return _equal_lists(left, right)
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(equal(value, right[key]) for key, value in left.items())
    return bool(left == right)


def _equal_lists(left: list[Any], right: list[Any]) -> bool:
    if len(left) != len(right):
        return False
    if isinstance(left, SetList | MapList) or isinstance(right, SetList | MapList):
        return all(any(equal(item, other) for other in right) for item in left)
    return all(map(equal, left, right))


_ORDERED: tuple[type, ...] = (str, bytes, bool, datetime, timedelta)


def less(left: Any, right: Any) -> bool:
    """Say whether a value comes before another; raises CelError where there is no order."""
    if is_number(left) and is_number(right):
        return bool(left < right)
    if any(isinstance(left, kind) and isinstance(right, kind) for kind in _ORDERED):
        return bool(left < right)
    raise no_overload()


def whole(value: Any, what: Callable[[], str]) -> int:
    """Return a number that counts or indexes as an int; raises CelError for any other value."""
    if is_number(value) and int(value) == value:
        return int(value)
    raise CelError(what())
