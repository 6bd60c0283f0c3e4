"""Events are kept for an hour after they were last seen, so that a chatty controller cannot fill the store."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from lab.pocket.apiserver.state import State
from lab.pocket.store import Change, Object, Row

EVENTS = "events"
LIFETIME = timedelta(hours=1)
INTERVAL_SECONDS = 60
AT_ONCE = 500  # deletions in one transaction


async def expire_forever(state: State) -> None:
    """Delete old events, once a minute."""
    while True:
        await asyncio.sleep(INTERVAL_SECONDS)
        await expire(state)


async def expire(state: State) -> None:
    """Delete the events that are old now."""
    rows = [row for row in state.store.latest_rows(EVENTS) if is_old(row, datetime.now(UTC))]
    for start in range(0, len(rows), AT_ONCE):
        changes = list(_deletions(state, rows[start : start + AT_ONCE]))
        if changes:
            await state.store.write(*changes)


def _deletions(state: State, rows: list[Row]) -> Iterator[Change]:
    for row in rows:
        if state.store.latest(row.key) is row:
            yield Change(row.key, row.decoded(), delete=True)


def is_old(row: Row, now: datetime) -> bool:
    """Tell whether an event was last seen more than its lifetime ago."""
    event = row.decoded()
    return now - _last_seen(event) > LIFETIME


def _last_seen(event: Object) -> datetime:
    moment = event.get("lastTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"]
    return datetime.fromisoformat(moment)
