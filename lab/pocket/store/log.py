"""Recent events, kept by resource, from which every watch reads at its own pace.

A watch has no queue: it holds a revision, asks for what came after it and waits for the resource's next signal. A slow
client therefore costs nothing, and one that falls behind the log's oldest revision is told so (`Compacted`, 410 Gone).
The log is bounded by events and by bytes; when a bound is passed the oldest quarter goes, so the work is amortised.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence

from lab.errors import ApiError
from lab.pocket.store.rows import Event


class Compacted(ApiError):  # noqa: N818  etcd's own word for it
    """The revision asked for is older than the log remembers."""

    def __init__(self, revision: int, oldest: int) -> None:
        super().__init__(f"too old resource version: {revision} ({oldest})")


class Log:
    """Events of all resources since revision `compacted`, exclusive."""

    def __init__(self, *, max_events: int, max_bytes: int, compacted: int = 0) -> None:
        self.compacted = compacted
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._all: deque[Event] = deque()
        self._bytes = 0
        self._by_resource: dict[str, list[Event]] = {}
        self._signals: dict[str, asyncio.Future[None]] = {}
        self.ended = False
        """Whether no event will follow any more: every watch has read what it will get."""

    def append(self, events: Sequence[Event]) -> None:
        """Add events, oldest first, and wake the watches of their resources."""
        for event in events:
            self._all.append(event)
            self._bytes += len(event.row.data)
            self._by_resource.setdefault(event.row.key.resource, []).append(event)
        if len(self._all) > self._max_events or self._bytes > self._max_bytes:
            self._compact()
        for resource in {event.row.key.resource for event in events}:
            self._wake(resource)

    def end(self) -> None:
        """Wake every watch for the last time."""
        self.ended = True
        for resource in list(self._signals):
            self._wake(resource)

    def since(self, resource: str, revision: int, *, limit: int | None = None) -> list[Event]:
        """Return up to `limit` events of a resource after a revision.

        Raises:
            Compacted: the log no longer reaches back that far.

        """
        if revision < self.compacted:
            raise Compacted(revision, self.compacted)
        events = self._by_resource.get(resource, [])
        start = bisect_right(events, revision, key=_revision)
        return events[start : None if limit is None else start + limit]

    async def changed(self, resource: str, seconds: float | None = None) -> None:
        """Wait for the next event of a resource, or so many seconds.

        Check `since` first: an event in between is not announced again. Returns at once when the log has ended.
        """
        if self.ended:
            return
        signal = self._signals.get(resource)
        if signal is None:
            signal = self._signals[resource] = asyncio.get_running_loop().create_future()
        await asyncio.wait((signal,), timeout=seconds)  # one future for all watches: this cancels it for none

    def _wake(self, resource: str) -> None:
        signal = self._signals.pop(resource, None)
        if signal is not None and not signal.done():
            signal.set_result(None)

    def _compact(self) -> None:
        while self._all and (
            len(self._all) > self._max_events * 3 // 4 or self._bytes > self._max_bytes * 3 // 4
        ):
            event = self._all.popleft()
            self._bytes -= len(event.row.data)
            self.compacted = event.revision
        for resource, events in list(self._by_resource.items()):
            del events[: bisect_right(events, self.compacted, key=_revision)]
            if not events:
                del self._by_resource[resource]


def _revision(event: Event) -> int:
    return event.revision
