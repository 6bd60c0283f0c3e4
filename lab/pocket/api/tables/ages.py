"""Moments as `kubectl get` shows them: how long ago (k8s.io/apimachinery, util/duration)."""

from __future__ import annotations

import datetime as dt

__all__ = ["age", "duration"]

_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86400, 86400 * 365
_STEPS = (
    (2 * _MINUTE, 1, "s", 1, ""),
    (10 * _MINUTE, _MINUTE, "m", 1, "s"),
    (3 * _HOUR, _MINUTE, "m", 1, ""),
    (8 * _HOUR, _HOUR, "h", _MINUTE, "m"),
    (2 * _DAY, _HOUR, "h", 1, ""),
    (8 * _DAY, _DAY, "d", _HOUR, "h"),
    (2 * _YEAR, _DAY, "d", 1, ""),
    (8 * _YEAR, _YEAR, "y", _DAY, "d"),
    (float("inf"), _YEAR, "y", 1, ""),
)
"""(below how many seconds, large unit and its name, small unit and its name)."""


def age(timestamp: str | None, now: dt.datetime) -> str:
    """Return the age of an RFC 3339 timestamp; `<unknown>` when there is none, `<invalid>` when it cannot be read."""
    if not timestamp:
        return "<unknown>"
    try:
        then = dt.datetime.fromisoformat(timestamp)
        return duration(int((now - then) / dt.timedelta(seconds=1)))
    except (TypeError, ValueError):
        return "<invalid>"


def duration(seconds: int) -> str:
    """Return a length of time with at most two units, the second one only where it matters."""
    if seconds < -1:
        return "<invalid>"
    _, large, large_name, small, small_name = next(step for step in _STEPS if seconds < step[0])
    rest = max(seconds, 0) % large // small if small_name else 0
    return f"{max(seconds, 0) // large}{large_name}" + (f"{rest}{small_name}" if rest else "")
