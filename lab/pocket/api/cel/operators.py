"""CEL's operators on values: arithmetic that never wraps, and what may be added, indexed and searched."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from lab.pocket.api.cel.errors import CelError, no_overload
from lab.pocket.api.cel.values import (
    MAX_INT,
    MAX_UINT,
    MIN_INT,
    NONE,
    Optional,
    Uint,
    equal,
    is_number,
    less,
    type_of,
)

__all__ = ["BINARY", "has_field", "index", "negated", "select"]


def _whole(value: int, like: int) -> int:
    if isinstance(like, Uint):
        if not 0 <= value <= MAX_UINT:
            raise CelError("unsigned integer overflow")
        return Uint(value)
    if not MIN_INT <= value <= MAX_INT:
        raise CelError("integer overflow")
    return value


def _same_numbers(left: Any, right: Any) -> bool:
    """Whether both are numbers of one type: arithmetic does not mix them."""
    if not is_number(left) or not is_number(right):
        return False
    return type(left) is type(right)


_JOINED: tuple[type, ...] = (str, bytes, list)


def _add(left: Any, right: Any) -> Any:
    if _same_numbers(left, right):
        return left + right if isinstance(left, float) else _whole(int(left) + int(right), left)
    if any(isinstance(left, kind) and isinstance(right, kind) for kind in _JOINED):
        return left + right
    if isinstance(left, datetime | timedelta) and isinstance(right, datetime | timedelta):
        if isinstance(left, datetime) and isinstance(right, datetime):
            raise no_overload()
        return _in_range(lambda: left + right)  # type: ignore[operator]  # not two moments
    raise no_overload()


def _subtract(left: Any, right: Any) -> Any:
    if _same_numbers(left, right):
        return left - right if isinstance(left, float) else _whole(int(left) - int(right), left)
    if isinstance(left, datetime) and isinstance(right, datetime | timedelta):
        return _in_range(lambda: left - right)
    if isinstance(left, timedelta) and isinstance(right, timedelta):
        return left - right
    raise no_overload()


def _in_range(make: Callable[[], Any]) -> Any:
    try:
        return make()
    except OverflowError as error:
        raise CelError("timestamp overflow") from error


def _multiply(left: Any, right: Any) -> Any:
    if not _same_numbers(left, right):
        raise no_overload()
    return left * right if isinstance(left, float) else _whole(int(left) * int(right), left)


def _divide(left: Any, right: Any) -> Any:
    if not _same_numbers(left, right):
        raise no_overload()
    if isinstance(left, float):
        if right == 0:
            return (
                math.nan
                if left == 0 or math.isnan(left)
                else math.copysign(math.inf, left) * math.copysign(1, right)
            )
        return left / right
    if right == 0:
        raise CelError("division by zero")
    quotient = abs(int(left)) // abs(int(right))
    return _whole(quotient if (left < 0) == (right < 0) else -quotient, left)


def _remainder(left: Any, right: Any) -> Any:
    if not _same_numbers(left, right) or isinstance(left, float):
        raise no_overload()
    if right == 0:
        raise CelError("modulus by zero")
    rest = abs(int(left)) % abs(int(right))
    return _whole(-rest if left < 0 else rest, left)


def _contains(item: Any, container: Any) -> bool:
    if isinstance(container, list):
        return any(equal(item, each) for each in container)
    if isinstance(container, dict):
        return _key(container, item) is not None
    raise no_overload()


BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": _add,
    "-": _subtract,
    "*": _multiply,
    "/": _divide,
    "%": _remainder,
    "==": equal,
    "!=": lambda left, right: not equal(left, right),
    "<": less,
    "<=": lambda left, right: not less(right, left) and not _unordered(left, right),
    ">": lambda left, right: less(right, left),
    ">=": lambda left, right: not less(left, right) and not _unordered(left, right),
    "in": _contains,
}


def _unordered(left: Any, right: Any) -> bool:
    return any(isinstance(each, float) and math.isnan(each) for each in (left, right))


def negated(operator: str, value: Any) -> Any:
    """Apply `!` or `-`."""
    if operator == "!":
        if not isinstance(value, bool):
            raise no_overload()
        return not value
    if isinstance(value, float):
        return -value
    if is_number(value) and not isinstance(value, Uint):
        return _whole(-value, value)
    raise no_overload()


def _key(entries: dict[Any, Any], key: Any) -> tuple[Any] | None:
    """Return the key under which a map has what equals `key`: 1 and 1.0 are one key, 1 and true are not."""
    if isinstance(key, list | dict):
        raise no_overload()
    if isinstance(key, str):
        return (key,) if key in entries else None
    return next(((each,) for each in entries if equal(each, key)), None)


def select(operand: Any, field: str, *, optional: bool = False) -> Any:
    """Return a member of a map; an optional one when the operand or the selection is optional."""
    if isinstance(operand, Optional):
        return select(operand.value, field, optional=True) if operand.present else NONE
    if isinstance(operand, dict) and field in operand:
        return Optional(operand[field]) if optional else operand[field]
    if optional:
        return NONE
    raise CelError(f"no such key: {field}")


def has_field(operand: Any, field: str) -> bool:
    """Say whether a map has a member, as `has()` asks."""
    if isinstance(operand, Optional):
        return operand.present and has_field(operand.value, field)
    if not isinstance(operand, dict):
        raise no_overload()
    return field in operand


def index(operand: Any, key: Any, *, optional: bool = False) -> Any:
    """Return an item of a list or map."""
    if isinstance(operand, Optional):
        return index(operand.value, key, optional=True) if operand.present else NONE
    if isinstance(operand, list):
        if not is_number(key) or int(key) != key:
            raise CelError(f"unsupported index type '{type_of(key)}' in list")
        found = 0 <= key < len(operand)
        missing = f"index out of bounds: {int(key)}"
        value = operand[int(key)] if found else None
    elif isinstance(operand, dict):
        place = _key(operand, key)
        found, missing = place is not None, f"no such key: {key}"
        value = operand[place[0]] if place else None
    else:
        raise no_overload()
    if not found and not optional:
        raise CelError(missing)
    return Optional(value) if optional and found else NONE if optional else value
