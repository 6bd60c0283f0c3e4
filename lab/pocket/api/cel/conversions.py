"""Conversions between CEL's types: `int("1")`, `string(1.5)`, `timestamp("2026-01-01T00:00:00Z")`."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from lab.pocket.api.cel.errors import CelError, no_overload
from lab.pocket.api.cel.times import duration_text, parse_duration, parse_timestamp, timestamp_text
from lab.pocket.api.cel.values import MAX_INT, MAX_UINT, MIN_INT, Uint, is_number

__all__ = ["CONVERSIONS"]

_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value in _TRUE | _FALSE:
        return value in _TRUE
    raise CelError(f"type conversion error from '{value}' to 'bool'")


def _number(value: Any, least: int, largest: int, name: str) -> int:
    if isinstance(value, datetime):
        return int(value.timestamp())
    if isinstance(value, str):
        if not value.lstrip("+-").isdecimal() or not value.isascii():
            raise CelError(f'strconv.Parse{name}: parsing "{value}": invalid syntax')
        value = int(value)
    elif not is_number(value):
        raise no_overload()
    if (isinstance(value, float) and not math.isfinite(value)) or not least <= int(value) <= largest:
        raise CelError("integer overflow" if least else "unsigned integer overflow")
    return int(value)


def _int(value: Any) -> int:
    return _number(value, MIN_INT, MAX_INT, "Int")


def _uint(value: Any) -> Uint:
    return Uint(_number(value, 0, MAX_UINT, "Uint"))


def _double(value: Any) -> float:
    if not is_number(value) and not isinstance(value, str):
        raise no_overload()
    try:
        return float(value)
    except ValueError as error:
        raise CelError(f'strconv.ParseFloat: parsing "{value}": invalid syntax') from error


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    return str.encode(value)


def _timestamp(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    if is_number(value):
        try:
            return datetime.fromtimestamp(value, UTC)
        except (OverflowError, ValueError) as error:
            raise CelError("timestamp overflow") from error
    return parse_timestamp(value)


def _duration(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if is_number(value):
        return timedelta(microseconds=value // 1000)
    return parse_duration(value)


def text_of(value: Any) -> str:
    """Return a value as `string()` writes it."""
    for kind, write in _WRITTEN:
        if isinstance(value, kind):
            return write(value)
    if hasattr(value, "text"):
        return str(value.text())
    raise no_overload()


def _float_text(value: float) -> str:
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    mantissa, _, power = repr(value).partition("e")
    if power:
        return f"{mantissa}e{int(power):+03d}"
    return mantissa.removesuffix(".0")


_WRITTEN: tuple[tuple[type, Callable[[Any], str]], ...] = (  # bool before int
    (bool, lambda value: "true" if value else "false"),
    (float, _float_text),
    (int, lambda value: str(int(value))),
    (datetime, timestamp_text),
    (timedelta, duration_text),
    (bytes, bytes.decode),
    (str, str),
)
CONVERSIONS: dict[str, Callable[..., Any]] = {
    "bool": _bool,
    "bytes": _bytes,
    "double": _double,
    "duration": _duration,
    "int": _int,
    "string": text_of,
    "timestamp": _timestamp,
    "uint": _uint,
}
