"""watch: the changes of a collection since a revision, as a stream of JSON lines."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator, Sequence

import orjson
from aiohttp import web

from lab.pocket.apiserver import representation
from lab.pocket.apiserver.errors import About, StatusError, cause, expired, invalid
from lab.pocket.apiserver.representation import Form, Representation
from lab.pocket.apiserver.selection import Selector
from lab.pocket.apiserver.state import Call, shared
from lab.pocket.apiserver.verbs.reading import selected, selector_of
from lab.pocket.store import Compacted, Event, EventType, Row

CHUNK = 256  # events written at once: keeps watchers in step, so that what is made for one serves all
CHUNKS = 16  # kept for watchers that come to the same events a moment later
SHORTEST, LONGEST = 1800, 3600  # seconds, when the client names no timeout
AT_ONCE = 20  # messages that a watcher gets as soon as there is something to tell, before it has to wait
PERIOD = 0.01  # seconds from one message to the next while much happens: then each brings many events
SHARE = 0.0005  # seconds of that for each who watches the same resource: few watchers are told at once
BOOKMARK_SECONDS = 60
STALLED_SECONDS = 60  # a client that reads nothing for so long is let go
INITIAL_END = {"k8s.io/initial-events-end": "true"}


async def watch(call: Call) -> web.StreamResponse:
    """Stream events until the client leaves or its timeout is over."""
    selector = selector_of(call)
    since, replay = _start(call)
    response = web.StreamResponse(headers={"Content-Type": representation.of(call).content_type})
    response.enable_chunked_encoding()
    await response.prepare(call.request)
    stream = _Stream(call, selector, response)
    watchers, resource = call.state.watchers, call.resource.qualified
    watchers[resource] += 1
    seconds = call.integer("timeoutSeconds") or random.randint(SHORTEST, LONGEST)  # noqa: S311  spreads reconnects
    try:
        async with asyncio.timeout(seconds):
            await stream.run(since, replay=replay)
    except TimeoutError:
        await stream.bookmark({})
    except StatusError as error:
        await stream.send([_frame("ERROR", orjson.dumps(error.status()))])
    finally:
        watchers[resource] -= 1
    await response.write_eof()
    return response


def _start(call: Call) -> tuple[int, bool]:
    """Return the revision to watch from and whether current objects come first, as ADDED events."""
    revision = call.integer("resourceVersion")
    initial = call.query.get("sendInitialEvents")
    match = call.query.get("resourceVersionMatch", "")
    if initial is None:
        if match:
            raise _invalid(
                "resourceVersionMatch",
                "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
            )
        return revision, revision == 0
    if match != "NotOlderThan":
        raise _invalid(
            "resourceVersionMatch", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        )
    return revision, call.flag("sendInitialEvents")


def _invalid(field: str, why: str) -> StatusError:
    return invalid(About("ListOptions", "", "meta.k8s.io"), [cause("Forbidden", field, f"Forbidden: {why}")])


class _Stream:
    """One client's view of a collection."""

    def __init__(self, call: Call, selector: Selector, response: web.StreamResponse) -> None:
        self._call = call
        self._selector = selector
        self._response = response
        self._resource = call.resource.qualified
        self._namespace = call.info.namespace if call.resource.namespaced else ""
        self._representation = representation.of(call)
        included = call.query.get("includeObject", "")
        self._view = (self._resource, call.resource.version, self._namespace, self._representation, included)
        self._cursor = 0
        self._pace = _Pace()

    async def run(self, since: int, *, replay: bool) -> None:
        """Send events until the resource, or the server, is no more.

        Raises:
            StatusError: 410, when the client fell behind what the server remembers.

        """
        store = self._call.store
        self._cursor = since
        if replay:
            await self._send_current()
        bookmark_at = time.monotonic() + BOOKMARK_SECONDS
        while self._is_served():
            try:
                events = store.events(self._resource, self._cursor, limit=CHUNK)
            except Compacted as error:
                raise expired(error.message) from error
            if events:
                self._cursor = events[-1].revision
                await self.send([self._encoded(events)])
                if len(events) < CHUNK:
                    await self._pace.keep(self._call.state.watchers[self._resource])
                continue
            self._cursor = max(self._cursor, store.revision)
            if time.monotonic() >= bookmark_at:
                bookmark_at = time.monotonic() + BOOKMARK_SECONDS
                await self.bookmark({})
            await store.changed(self._resource, bookmark_at - time.monotonic())

    def _is_served(self) -> bool:
        if self._call.store.watches_ended:
            return False
        resource = self._call.resource
        return self._call.state.registry.get(resource.group, resource.version, resource.plural) is not None

    async def _send_current(self) -> None:
        store = self._call.store
        self._cursor = store.revision
        rows = selected(store.rows(self._resource, namespace=self._namespace), self._selector)
        for start in range(0, len(rows), CHUNK):
            await self.send([self._object_frame("ADDED", row) for row in rows[start : start + CHUNK]])
        if self._call.flag("sendInitialEvents"):
            await self.bookmark({"annotations": INITIAL_END})

    async def bookmark(self, metadata: dict[str, object]) -> None:
        """Tell the client how far it has come, if it wants to know."""
        if not self._call.flag("allowWatchBookmarks"):
            return
        resource = self._call.resource
        meta = {"resourceVersion": str(self._cursor), **metadata}
        obj = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": meta}
        if self._representation.form is not Form.WHOLE:
            shown = representation.shown(self._call, _single(self._representation), [], meta)
            await self.send([_frame("BOOKMARK", orjson.dumps(shown))])
        else:
            await self.send([_frame("BOOKMARK", orjson.dumps(obj))])

    async def send(self, frames: Sequence[bytes]) -> None:
        """Write frames at once; a client that does not take them in time is cut off."""
        data = b"".join(frames)
        if not data:
            return
        try:
            async with asyncio.timeout(STALLED_SECONDS):
                await self._response.write(data)
        except TimeoutError as error:
            raise ConnectionResetError("the client stopped reading") from error

    def _encoded(self, events: Sequence[Event]) -> bytes:
        """Return events as bytes, which watchers of the same view share."""
        if self._selector:
            return b"".join(frame for event in events for frame in self._frames(event))
        shared_chunks = self._call.state.chunks
        key = (*self._view, events[0].revision, events[-1].revision)
        chunk = shared_chunks.get(key)
        if chunk is None:
            chunk = b"".join(frame for event in events for frame in self._frames(event))
            if len(shared_chunks) >= CHUNKS:
                del shared_chunks[next(iter(shared_chunks))]
            shared_chunks[key] = chunk
        return chunk

    def _frames(self, event: Event) -> Iterator[bytes]:
        """Yield the event as the selector sees it: objects enter its view, change in it and leave it."""
        if self._namespace and event.row.key.namespace != self._namespace:
            return
        if not self._selector:
            yield self._object_frame(event.type, event.row)
            return
        before = event.previous is not None and self._selector.matches(shared(event.previous))
        after = event.type is not EventType.DELETED and self._selector.matches(shared(event.row))
        if after:
            yield self._object_frame("MODIFIED" if before else "ADDED", event.row)
        elif before and event.previous is not None:
            yield self._object_frame("DELETED", _left(event.previous, event.row))

    def _object_frame(self, kind: str, row: Row) -> bytes:
        if self._representation.form is Form.WHOLE:
            return _frame(kind, representation.encoded(self._call.resource, row))
        shown = representation.shown(
            self._call, _single(self._representation), [row], {"resourceVersion": str(row.revision)}
        )
        return _frame(kind, orjson.dumps(shown))


class _Pace:
    """Keeps messages to a watcher apart when there are many: a wake-up costs a client more than an event does."""

    def __init__(self) -> None:
        self._clock = asyncio.get_running_loop().time
        self._allowed = float(AT_ONCE)
        self._counted_at = self._clock()

    async def keep(self, watchers: int) -> None:
        """Wait, after a message to one of so many, for as long as the next one has to wait.

        Watchers wait for the same moments, so that what is encoded for one serves all.
        """
        now, period = self._clock(), min(PERIOD, SHARE * watchers)
        self._allowed = min(AT_ONCE, self._allowed + (now - self._counted_at) / period) - 1
        self._counted_at = now
        if self._allowed < 1:
            await asyncio.sleep(period - now % period)


def _single(wanted: Representation) -> Representation:
    """In a watch for a list, each event still has one object."""
    form = Form.METADATA if wanted.form is Form.METADATA_LIST else wanted.form
    return Representation(form, wanted.version)


def _left(previous: Row, row: Row) -> Row:
    """Return an object as it was when last seen, at the revision at which it went out of sight."""
    if row.revision == previous.revision:
        return row
    obj = previous.decoded()
    obj["metadata"]["resourceVersion"] = str(row.revision)
    return Row(row.key, row.revision, orjson.dumps(obj))


def _frame(kind: str, data: bytes) -> bytes:
    return b'{"type":"%b","object":%b}\n' % (kind.encode(), data)
