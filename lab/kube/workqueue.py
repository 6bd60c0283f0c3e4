"""Which keys have to be looked at: each once, never two workers at the same key, failures later and later.

The contract of client-go's workqueue, with priorities: lower comes first, and equals in the order of their `order`.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable, Hashable, Iterable
from typing import Any, Generic, TypeVar

from lab.kits.backoff import Backoff

K = TypeVar("K", bound=Hashable)
Rank = tuple[Any, ...]


class WorkQueue(Generic[K]):
    """A queue of keys. `rank` gives a key's place at the time when it is added: the lowest is handed out first."""

    def __init__(
        self,
        rank: Callable[[K], Rank] = lambda _: (),
        *,
        backoff: Callable[[], Backoff] = lambda: Backoff(first=0.05, limit=30.0),
    ) -> None:
        self._rank = rank
        self._new_backoff = backoff
        self._heap: list[tuple[Rank, int, K]] = []
        self._waiting: set[K] = set()
        self._working: set[K] = set()
        self._again: set[K] = set()
        self._backoffs: dict[K, Backoff] = {}
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._serial = itertools.count()
        self._ready = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, key: K) -> None:
        """Have the key handed out, unless it waits already; after the present turn if it is being worked on."""
        self._cancel(key)
        if key in self._working:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            heapq.heappush(self._heap, (self._rank(key), next(self._serial), key))
            self._ready.set()

    def add_after(self, key: K, seconds: float) -> None:
        """Add the key in some seconds, unless it is due earlier anyway."""
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if key in self._waiting or (timer and timer.when() <= loop.time() + seconds):
            return
        self._cancel(key)
        self._timers[key] = loop.call_later(seconds, self.add, key)

    def add_all(self, keys: Iterable[K]) -> None:
        """Add keys and rank all that wait anew: what ranks depend on has changed."""
        for key in keys:
            if key in self._working:
                self._again.add(key)
            else:
                self._waiting.add(key)
        self._heap = [(self._rank(key), next(self._serial), key) for key in self._waiting]
        heapq.heapify(self._heap)
        if self._heap:
            self._ready.set()

    async def get(self) -> K:
        """Wait for a key and take it; the caller must call `done` or `retry` for it."""
        while not self._heap:
            self._ready.clear()
            await self._ready.wait()
        key = heapq.heappop(self._heap)[2]
        self._waiting.discard(key)
        self._working.add(key)
        return key

    def done(self, key: K) -> None:
        """The turn succeeded: its failures are forgotten."""
        self._backoffs.pop(key, None)
        self._finish(key)

    def retry(self, key: K) -> None:
        """The turn failed: hand the key out again after its next delay."""
        backoff = self._backoffs.get(key)
        if backoff is None:
            backoff = self._backoffs[key] = self._new_backoff()
        self._finish(key)
        self.add_after(key, backoff.delay())

    def close(self) -> None:
        """Cancel all delayed keys."""
        for key in list(self._timers):
            self._cancel(key)

    def _cancel(self, key: K) -> None:
        if timer := self._timers.pop(key, None):
            timer.cancel()

    def _finish(self, key: K) -> None:
        self._working.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)
