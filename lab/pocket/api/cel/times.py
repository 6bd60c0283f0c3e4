"""Timestamps and durations: read, written and asked for their parts."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from lab.pocket.api.cel.errors import CelError, no_overload

__all__ = ["TIME_METHODS", "duration_text", "parse_duration", "parse_timestamp", "timestamp_text"]

_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_MICROSECONDS = {"ns": 1e-3, "us": 1, "µs": 1, "μs": 1, "ms": 1e3, "s": 1e6, "m": 60e6, "h": 3600e6}
_OFFSET = re.compile(r"([+-])?(\d\d):(\d\d)", re.ASCII)


def parse_timestamp(text: str) -> datetime:
    """Return the moment that an RFC 3339 text names; raises CelError."""
    if not _TIMESTAMP.fullmatch(text):
        raise CelError(f'parsing time "{text}" as "2006-01-02T15:04:05Z07:00": cannot parse')
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (OverflowError, ValueError) as error:
        raise CelError(f'parsing time "{text}": {error}') from error


def parse_duration(text: str) -> timedelta:
    """Return the duration that a text in Go's notation says (`1h30m`, `-1.5s`, `0`); raises CelError."""
    unsigned = text[1:] if text[:1] in {"+", "-"} else text
    parts = _DURATION.findall(unsigned)
    if unsigned == "0":
        return timedelta()
    if not parts or "".join(number + unit for number, unit in parts) != unsigned:
        raise CelError(f'time: invalid duration "{text}"')
    total = sum(float(number) * _MICROSECONDS[unit] for number, unit in parts)
    if total > 2**63 / 1000:
        raise CelError(f'time: invalid duration "{text}"')
    return timedelta(microseconds=-total if text[0] == "-" else total)


def timestamp_text(moment: datetime) -> str:
    """Return a moment in RFC 3339, without trailing zeros."""
    moment = moment.astimezone(UTC)
    fraction = f".{moment.microsecond:06d}".rstrip("0").rstrip(".")
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + fraction + "Z"


def duration_text(duration: timedelta) -> str:
    """Return a duration in seconds, as `string()` writes it: `90s`, `1.5s`."""
    microseconds = duration // timedelta(microseconds=1)
    whole, rest = divmod(abs(microseconds), 1_000_000)
    fraction = f".{rest:06d}".rstrip("0").rstrip(".")
    return f"{'-' if microseconds < 0 else ''}{whole}{fraction}s"


def _zone(name: str) -> tzinfo:
    match = _OFFSET.fullmatch(name)
    if match:
        offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
        return timezone(-offset if match[1] == "-" else offset)
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise CelError(f"unknown time zone {name}") from error


def _part(read: Callable[[datetime], int]) -> Callable[..., int]:
    def part(moment: Any, zone: str = "UTC") -> int:
        if not isinstance(moment, datetime):
            raise no_overload()
        return read(moment.astimezone(_zone(zone)))

    return part


def _part_or_total(read: Callable[[datetime], int], unit: timedelta) -> Callable[..., int]:
    """Return a method of a timestamp's part, which is for a duration its whole length in that unit."""
    of_moment = _part(read)

    def part(value: Any, *zone: str) -> int:
        if isinstance(value, timedelta) and not zone:
            total = abs(value) // unit
            return -total if value < timedelta() else total
        return of_moment(value, *zone)

    return part


TIME_METHODS: dict[str, Callable[..., Any]] = {
    "getDate": _part(lambda moment: moment.day),
    "getDayOfMonth": _part(lambda moment: moment.day - 1),
    "getDayOfWeek": _part(lambda moment: moment.isoweekday() % 7),
    "getDayOfYear": _part(lambda moment: moment.timetuple().tm_yday - 1),
    "getFullYear": _part(lambda moment: moment.year),
    "getHours": _part_or_total(lambda moment: moment.hour, timedelta(hours=1)),
    "getMilliseconds": _part_or_total(lambda moment: moment.microsecond // 1000, timedelta(milliseconds=1)),
    "getMinutes": _part_or_total(lambda moment: moment.minute, timedelta(minutes=1)),
    "getMonth": _part(lambda moment: moment.month - 1),
    "getSeconds": _part_or_total(lambda moment: moment.second, timedelta(seconds=1)),
}
