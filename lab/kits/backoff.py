"""Delays between attempts that grow and are jittered, so that many clients of one failed server spread out."""

from __future__ import annotations

import random
from collections.abc import Callable


class Backoff:
    """Delays in seconds: `first`, twice that, … up to `limit`, each drawn from its upper half."""

    def __init__(
        self, *, first: float = 0.1, limit: float = 10.0, jitter: Callable[[], float] = random.random
    ) -> None:
        """Take `jitter`, a source of numbers in [0, 1), as an argument so that tests need no luck."""
        self._first = first
        self._limit = limit
        self._jitter = jitter
        self._next = first

    def reset(self) -> None:
        """Start again from the first delay: the last attempt made progress."""
        self._next = self._first

    def delay(self) -> float:
        """Return the seconds to wait now and double the next delay."""
        current = self._next
        self._next = min(current * 2, self._limit)
        return current * (0.5 + self._jitter() / 2)
