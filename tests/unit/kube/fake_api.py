"""A fake Kubernetes API in this process: objects in memory, real HTTP/1.1 over a real socket, faults on demand."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from lab.kube.config import ClusterConfig

Json = dict[str, Any]


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class FakeApi:
    """Collections are created by writing to them; the path of an object is its identity."""

    objects: dict[str, Json] = field(default_factory=dict)
    history: list[tuple[int, str, Json]] = field(default_factory=list)
    version: int = 100
    oldest: int = 0
    """Watching from an older version is answered with 410."""
    requests: list[Request] = field(default_factory=list)
    faults: list[tuple[int, Json]] = field(default_factory=list)
    """Answers to give instead of the next ones: (code, body)."""
    drop_idle: bool = False
    """Close each connection after its answer without saying so."""
    in_stream_410: bool = False
    bookmarks: bool = True
    connections: int = 0
    port: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    open: set[asyncio.StreamWriter] = field(default_factory=set)
    after_write: Callable[[str, Json], None] | None = None

    @contextlib.asynccontextmanager
    async def serving(self, tls: ssl.SSLContext | None = None, port: int = 0) -> AsyncIterator[FakeApi]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", port, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            await self.drop_connections()

    async def drop_connections(self) -> None:
        for writer in list(self.open):
            writer.transport.abort()
        await asyncio.sleep(0.01)

    def config(self, **changes: Any) -> ClusterConfig:
        return ClusterConfig(host="127.0.0.1", port=self.port, **changes)

    async def put(self, path: str, item: Json) -> Json:
        """Create or replace the object at `path`, as kubectl would from outside."""
        kind = "MODIFIED" if path in self.objects else "ADDED"
        self._store(path, item)
        await self._tell(kind, path, self.objects[path])
        return self.objects[path]

    async def remove(self, path: str) -> None:
        item = self.objects.pop(path)
        self.version += 1
        await self._tell(
            "DELETED", path, {**item, "metadata": {**item["metadata"], "resourceVersion": str(self.version)}}
        )

    def forget_history(self) -> None:
        self.oldest = self.version + 1
        self.history.clear()

    def _store(self, path: str, item: Json) -> None:
        self.version += 1
        metadata = {"uid": f"uid-{path}", **item["metadata"], "resourceVersion": str(self.version)}
        self.objects[path] = {**item, "metadata": metadata}

    async def _tell(self, kind: str, path: str, item: Json) -> None:
        self.history.append((self.version, path, {"type": kind, "object": item}))
        if self.after_write:
            self.after_write(path, item)
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open.add(writer)
        with contextlib.suppress(ConnectionError, EOFError):
            while not writer.is_closing():
                request = await _read(reader)
                self.requests.append(request)
                await self._answer(request, writer)
                if self.drop_idle:
                    break
        self.open.discard(writer)
        writer.transport.abort()

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        if self.faults:
            code, body = self.faults.pop(0)
        elif request.query.get("watch"):
            await self._watch(request, writer)
            return
        else:
            code, body = await self._dispatch(request)
        raw = json.dumps(body).encode()
        head = f"HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nContent-Length: {len(raw)}\r\n\r\n"
        writer.write(head.encode() + raw)
        await writer.drain()

    async def _dispatch(self, request: Request) -> tuple[int, Json]:
        path = request.path.removesuffix("/status")
        if request.method == "POST":
            path = f"{path}/{request.body['metadata']['name']}"
            if path in self.objects:
                return _status(409, "AlreadyExists")
            return 201, await self.put(path, request.body)
        if request.method == "GET" and path not in self.objects and _is_collection(path):
            return self._list(request)
        if request.method == "PATCH" and "apply-patch" in request.headers["content-type"]:
            return 200, await self.put(path, _merge(self.objects.get(path, {}), request.body))
        if path not in self.objects:
            return _status(404, "NotFound")
        return await self._existing(request, path)

    async def _existing(self, request: Request, path: str) -> tuple[int, Json]:
        current = self.objects[path]
        if request.method == "DELETE":
            await self.remove(path)
            return 200, {"kind": "Status", "status": "Success"}
        if request.method == "PUT":
            sent = request.body["metadata"].get("resourceVersion")
            if sent not in {None, current["metadata"]["resourceVersion"]}:
                return _status(409, "Conflict")
            return 200, await self.put(path, request.body)
        if request.method == "PATCH":
            sent = request.body.get("metadata", {}).get("resourceVersion")
            if sent not in {None, current["metadata"]["resourceVersion"]}:
                return _status(409, "Conflict")
            return 200, await self.put(path, _merge(current, request.body))
        return 200, current

    def _list(self, request: Request) -> tuple[int, Json]:
        items = [self.objects[p] for p in sorted(self.objects) if _within(p, request.path)]
        start = int(request.query.get("continue", "0"))
        limit = int(request.query.get("limit", "0")) or len(items) or 1
        metadata = {"resourceVersion": str(self.version)}
        if start + limit < len(items):
            metadata["continue"] = str(start + limit)
        return 200, {"kind": "List", "metadata": metadata, "items": items[start : start + limit]}

    async def _watch(self, request: Request, writer: asyncio.StreamWriter) -> None:
        since = int(request.query["resourceVersion"])
        too_old = since < self.oldest - 1
        if too_old and not self.in_stream_410:
            raw = json.dumps(_status(410, "Expired")[1]).encode()
            writer.write(f"HTTP/1.1 410 Gone\r\nContent-Length: {len(raw)}\r\n\r\n".encode() + raw)
            return
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        if too_old:
            _send(writer, {"type": "ERROR", "object": _status(410, "Expired")[1]})
        elif self.bookmarks:
            _send(writer, {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(since)}}})
        while not writer.is_closing():
            for version, path, event in self.history:
                if version > since and _within(path, request.path):
                    _send(writer, event)
                since = max(since, version)
            await writer.drain()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.05):
                    await self.changed.wait()


def _send(writer: asyncio.StreamWriter, event: Json) -> None:
    raw = json.dumps(event).encode() + b"\n"
    half = len(raw) // 2
    for piece in (raw[:half], raw[half:]):  # an event rarely arrives in one piece
        writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")


def _status(code: int, reason: str) -> tuple[int, Json]:
    return code, {
        "kind": "Status",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": reason.lower(),
    }


def _merge(current: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    merged = dict(current) if isinstance(current, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge(merged.get(key), value)
    return merged


def _parts(path: str) -> list[str]:
    return path.strip("/").split("/")


def _is_collection(path: str) -> bool:
    rest = _parts(path)[2 if path.startswith("/api/") else 3 :]
    return len(rest) == 1 or (len(rest) == 3 and rest[0] == "namespaces")


def _within(path: str, collection: str) -> bool:
    """Whether the object at `path` belongs to `collection`, which may be that of all namespaces."""
    if path.rpartition("/")[0] == collection:
        return True
    head, _, plural = collection.rpartition("/")
    parts = _parts(path.removeprefix(head))
    return path.startswith(head + "/namespaces/") and len(parts) == 4 and parts[2] == plural


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    line, *fields = head.strip().split("\r\n")
    method, target, _ = line.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (f.partition(":") for f in fields)}
    raw = await reader.readexactly(int(headers.get("content-length", "0")))
    url = urlsplit(target)
    query = {key: values[0] for key, values in parse_qs(url.query).items()}
    return Request(method, url.path, query, headers, json.loads(raw) if raw else None)
