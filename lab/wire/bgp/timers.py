"""Deadlines instead of timers: the owner of the clock asks which are due."""

from __future__ import annotations

from enum import Enum, auto


class Timer(Enum):
    CONNECT_RETRY = auto()
    """RFC 4271, section 8: until the next attempt to connect."""
    HOLD = auto()
    """The peer has been silent for too long."""
    KEEPALIVE = auto()
    SEND_HOLD = auto()
    """The peer has not read for too long (RFC 9687)."""
    IDLE_HOLD = auto()
    """Until a peer that failed is tried again (RFC 4271, section 8.1.1)."""
    FLUSH = auto()
    """More routes wait to be written."""
    REFRESH = auto()
    """The peer has asked for our routes again (RFC 2918)."""


class Timers:
    """Points in time by name, in the seconds of whatever clock the owner uses."""

    def __init__(self) -> None:
        self._deadlines: dict[Timer, float] = {}

    def start(self, timer: Timer, deadline: float) -> None:
        self._deadlines[timer] = deadline

    def stop(self, *timers: Timer) -> None:
        for timer in timers:
            self._deadlines.pop(timer, None)

    def clear(self) -> None:
        self._deadlines.clear()

    def is_running(self, timer: Timer) -> bool:
        return timer in self._deadlines

    @property
    def next_deadline(self) -> float | None:
        return min(self._deadlines.values(), default=None)

    def expired(self, now: float) -> list[Timer]:
        """Stop and return the timers that are due, earliest first."""
        due = sorted(
            (deadline, timer.value) for timer, deadline in self._deadlines.items() if deadline <= now
        )
        timers = [Timer(value) for _, value in due]
        self.stop(*timers)
        return timers


def backoff(retries: int, *, longest: float, jitter: float) -> float:
    """Return 1, 2, 4… seconds up to `longest`, times `jitter` (0.75 to 1: RFC 4271, section 10)."""
    return min(longest, 2.0 ** min(max(retries - 1, 0), 32)) * jitter
