"""Functions of the language and of its extensions for lists, sets and optionals."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable
from typing import Any

from lab.pocket.api.cel.conversions import CONVERSIONS
from lab.pocket.api.cel.errors import CelError, no_overload
from lab.pocket.api.cel.times import TIME_METHODS
from lab.pocket.api.cel.values import NONE, CelType, Optional, equal, is_number, less, type_of, whole

__all__ = ["FUNCTIONS", "METHODS", "TYPES", "sorted_by"]

TYPES = {
    name: CelType(name)
    for name in (
        *("bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"),
        *("google.protobuf.Duration", "google.protobuf.Timestamp", "optional_type", "net.CIDR", "net.IP"),
        *("kubernetes.NamedFormat", "kubernetes.Quantity", "kubernetes.Semver", "kubernetes.URL"),
    )
}
MAX_RANGE = 1_000_000


def _size(value: Any) -> int:
    if isinstance(value, str | bytes | list | dict):
        return len(value)
    raise no_overload()


def _matches(text: str, pattern: str) -> bool:
    return expression(pattern).search(text) is not None


@functools.lru_cache(maxsize=1024)
def expression(pattern: str) -> re.Pattern[str]:
    """Return a regular expression, read as RE2 does where the two differ; raises CelError."""
    try:
        return re.compile(pattern.replace(r"\z", r"\Z").replace("[[:alnum:]]", "[0-9A-Za-z]"))
    except re.error as error:
        raise CelError(f"error parsing regexp: {error}") from error


def _items(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise no_overload()
    return value


def _sum(value: list[Any]) -> Any:
    items = _items(value)
    if not items:
        return 0
    total = items[0]
    for item in items[1:]:
        total += item
    return total


def _extreme(*, largest: bool) -> Callable[[list[Any]], Any]:
    def find(value: list[Any]) -> Any:
        items = _items(value)
        if not items:
            raise CelError(f"{'max' if largest else 'min'} called on empty list")
        found = items[0]
        for item in items[1:]:
            if less(found, item) if largest else less(item, found):
                found = item
        return found

    return find


def _is_sorted(value: list[Any]) -> bool:
    items = _items(value)
    return not any(less(after, before) for before, after in itertools.pairwise(items))


def _slice(value: list[Any], start: int, end: int) -> list[Any]:
    if end > len(_items(value)):
        raise CelError(f"cannot slice({start}, {end}), list is length {len(value)}")
    if not 0 <= start <= end:
        raise CelError(f"cannot slice({start}, {end}), start must be less than or equal to end")
    return value[start:end]


def _flatten(value: list[Any], depth: int = 1) -> list[Any]:
    if depth < 0:
        raise CelError("flatten: level must be non-negative")
    flat: list[Any] = []
    for item in _items(value):
        flat += _flatten(item, depth - 1) if isinstance(item, list) and depth else [item]
    return flat


def _distinct(value: list[Any]) -> list[Any]:
    found: list[Any] = []
    for item in _items(value):
        if not any(equal(item, each) for each in found):
            found.append(item)
    return found


def sorted_by(items: list[Any], keys: list[Any]) -> list[Any]:
    """Return a list in the order of its items' keys; raises CelError where these have none."""

    def compare(left: int, right: int) -> int:
        if less(keys[left], keys[right]):
            return -1
        return int(less(keys[right], keys[left]))

    return [items[index] for index in sorted(range(len(items)), key=functools.cmp_to_key(compare))]


def _range(count: int) -> list[int]:
    if not is_number(count) or count > MAX_RANGE:
        raise no_overload()
    return list(range(int(count)))


def index_of(whole_value: Any, part: Any, start: int = 0) -> int:
    """Return where a list has an item or a text a part, -1 when nowhere."""
    if isinstance(whole_value, str):
        if start < 0:
            raise CelError(f"index out of range: {start}")
        return whole_value.find(part, start)
    return next((place for place, each in enumerate(_items(whole_value)) if equal(each, part)), -1)


def last_index_of(whole_value: Any, part: Any, last: int | None = None) -> int:
    """Return where a list has an item or a text a part for the last time, beginning not after `last`."""
    if isinstance(whole_value, str):
        if last is None:
            return whole_value.rfind(part)
        if not 0 <= last <= len(whole_value):
            raise CelError(f"index out of range: {last}")
        return whole_value.rfind(part, 0, last + len(part))
    found = index_of(list(reversed(_items(whole_value))), part)
    return len(whole_value) - 1 - found if found >= 0 else -1


def reverse(value: list[Any]) -> list[Any]:
    return list(reversed(_items(value)))


def _end(position: int) -> Callable[[list[Any]], Optional]:
    return lambda value: Optional(value[position]) if _items(value) else NONE


def _set_contains(whole_set: list[Any], part: list[Any]) -> bool:
    return all(any(equal(item, each) for each in _items(whole_set)) for item in _items(part))


def _value_of(optional: Optional) -> Any:
    if not optional.present:
        raise CelError("optional.none() dereference")
    return optional.value


def _of_non_zero(value: Any) -> Optional:
    zero = value is None or (isinstance(value, bool | int | float | str | bytes | list | dict) and not value)
    return NONE if zero else Optional(value)


def _type(value: Any) -> CelType:
    return CelType(type_of(value))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    **CONVERSIONS,
    "dyn": lambda value: value,
    "lists.range": _range,
    "matches": _matches,
    "optional.none": lambda: NONE,
    "optional.of": Optional,
    "optional.ofNonZeroValue": _of_non_zero,
    "sets.contains": _set_contains,
    "sets.equivalent": lambda left, right: _set_contains(left, right) and _set_contains(right, left),
    "sets.intersects": lambda left, right: any(_set_contains(left, [item]) for item in _items(right)),
    "size": _size,
    "type": _type,
}
METHODS: dict[str, Callable[..., Any]] = {
    **TIME_METHODS,
    "distinct": _distinct,
    "first": _end(0),
    "flatten": _flatten,
    "hasValue": lambda optional: optional.present,
    "indexOf": index_of,
    "isSorted": _is_sorted,
    "last": _end(-1),
    "lastIndexOf": last_index_of,
    "matches": _matches,
    "max": _extreme(largest=True),
    "min": _extreme(largest=False),
    "or": lambda _optional: None,  # the compiler's own, with two operands
    "orValue": lambda _optional: None,
    "reverse": reverse,
    "size": _size,
    "slice": lambda value, start, end: _slice(
        value, whole(start, lambda: "no such overload"), whole(end, lambda: "no such overload")
    ),
    "sort": lambda value: sorted_by(_items(value), value),
    "sum": _sum,
    "value": _value_of,
}
