"""HTTP/1.1 (RFC 9112) over asyncio streams: as much of it as a Kubernetes API server and its client use.

One `Connection` carries one request at a time; `Pool` keeps idle ones open for the next request.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Final

from lab.kube.config import ClusterConfig
from lab.kube.errors import Unavailable

READ_BUFFER: Final = 1 << 18
IDLE_LIMIT: Final = 30.0
"""Seconds after which an idle connection is not used again: the server may be about to close it."""
KEEPALIVE: Final = ((socket.TCP_KEEPIDLE, 10), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 3))
"""A silent peer is noticed after 25 s, also in the middle of a watch that has nothing to say."""


@dataclass(frozen=True, slots=True)
class Head:
    """The status line and headers of a response; header names in lower case."""

    status: int
    headers: Mapping[str, str]

    @property
    def keeps_alive(self) -> bool:
        return self.headers.get("connection", "").lower() != "close"

    @property
    def retry_after(self) -> float:
        value = self.headers.get("retry-after", "")
        return float(value) if value.isdecimal() else 0.0


class Connection:
    """One connection to the API server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.used = False
        """Whether it has carried a request before: if so the server may have closed it meanwhile."""
        self.idle = False
        """Whether it waits in the pool for its next request."""

    @property
    def closed(self) -> bool:
        return self._reader.at_eof() or self._writer.is_closing()

    async def send(self, head: bytes, body: bytes) -> None:
        self._writer.write(head + body)
        await self._writer.drain()

    async def head(self) -> Head:
        """Read a response's head, passing over interim ones; raises Unavailable when it is not HTTP."""
        while True:
            raw = await self._reader.readuntil(b"\r\n\r\n")
            head = _parse_head(raw.decode("latin-1"))
            if head.status >= 200:
                return head

    async def chunks(self, head: Head) -> AsyncGenerator[bytes, None]:
        """Yield the pieces of the body as they arrive (RFC 9112, section 6.3)."""
        if head.status in {204, 304}:
            return
        if head.headers.get("transfer-encoding", "").lower() == "chunked":
            chunks = _Chunks()
            while not chunks.complete:
                piece = chunks.feed(await self._reader.read(READ_BUFFER))
                if piece:
                    yield piece
        elif "content-length" in head.headers:
            yield await self._reader.readexactly(_number(head.headers["content-length"], 10))
        else:
            while piece := await self._reader.read(READ_BUFFER):
                yield piece

    async def body(self, head: Head) -> bytes:
        return b"".join([chunk async for chunk in self.chunks(head)])

    async def lines(self, head: Head) -> AsyncGenerator[list[bytes], None]:
        """Yield the body's lines, all that have arrived at once: the events of a watch come in flocks."""
        rest = b""
        async for piece in self.chunks(head):
            *complete, rest = (rest + piece).split(b"\n")
            if complete:
                yield complete

    def close(self) -> None:
        self._writer.transport.abort()  # at once: a polite TLS farewell would wait for the peer


class _Chunks:
    """Takes the chunked coding off a body (RFC 9112, section 7.1), however its bytes arrive."""

    def __init__(self) -> None:
        self._rest = b""
        self.complete = False

    def feed(self, data: bytes) -> bytes:
        """Return the content in what has arrived. Raises EOFError when nothing more comes, Unavailable for no HTTP."""
        if not data:
            raise EOFError("the connection ended in the middle of an answer")
        data = self._rest + data
        position, pieces = 0, []
        while (end := data.find(b"\r\n", position)) >= 0:
            size = _number(data[position:end].partition(b";")[0].decode("latin-1"), 16)
            if size == 0:
                self._end(data[position:])
                break
            if len(data) < end + size + 4:
                break
            pieces.append(data[end + 2 : end + 2 + size])
            position = end + size + 4
        self._rest = data[position:]
        return b"".join(pieces)

    def _end(self, tail: bytes) -> None:
        """Look for the empty line after the last chunk and its trailers."""
        self.complete = tail.endswith(b"\r\n\r\n")


class Pool:
    """The connections to one API server. Open one for each concurrent request, keep them for a while."""

    def __init__(self, config: ClusterConfig) -> None:
        self._config = config
        self._idle: list[tuple[float, Connection]] = []

    @contextlib.asynccontextmanager
    async def connection(self, *, fresh: bool = False) -> AsyncIterator[Connection]:
        """Lend a connection; it is closed unless its user calls `keep` at the end.

        Raises OSError when the server cannot be reached.
        """
        connection = None if fresh else self._take()
        connection = connection or await self._open()
        try:
            yield connection
        finally:
            if not connection.idle:
                connection.close()

    def keep(self, connection: Connection) -> None:
        """Keep a connection whose response was read to its end."""
        connection.used = connection.idle = True
        now = asyncio.get_running_loop().time()
        while self._idle and self._idle[0][0] <= now:  # sorted, since the latest kept is the first taken
            self._idle.pop(0)[1].close()
        self._idle.append((now + IDLE_LIMIT, connection))

    def close(self) -> None:
        while self._idle:
            self._idle.pop()[1].close()

    def _take(self) -> Connection | None:
        now = asyncio.get_running_loop().time()
        while self._idle:
            deadline, connection = self._idle.pop()
            connection.idle = False
            if deadline > now and not connection.closed:
                return connection
            connection.close()
        return None

    async def _open(self) -> Connection:
        config = self._config
        reader, writer = await asyncio.open_connection(
            config.host,
            config.port,
            limit=READ_BUFFER,
            ssl=config.tls,
            server_hostname=(config.server_name or config.host) if config.tls else None,
        )
        sock: socket.socket = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEPALIVE:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
        return Connection(reader, writer)


def _parse_head(text: str) -> Head:
    status_line, *fields = text.rstrip("\r\n").split("\r\n")
    version, _, rest = status_line.partition(" ")
    if not version.startswith("HTTP/1."):
        raise Unavailable(f"the API server does not speak HTTP/1.1: it said {status_line[:60]!r}")
    headers = {}
    for line in fields:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return Head(_number(rest[:3], 10), headers)


def _number(text: str, base: int) -> int:
    try:
        return int(text.strip(), base)
    except ValueError as error:
        raise Unavailable(f"the API server does not speak HTTP/1.1: {text[:60]!r} is not a number") from error
