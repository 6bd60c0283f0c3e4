"""port-forward: connections to ports inside a pod, over one WebSocket.

Two protocols: SPDY streams inside messages, which kubectl speaks (KEP-4006), and numbered channels, two a port, which
the official Python client speaks (kubernetes/kubelet, portforward/websocket.go).
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Final

from lab.errors import ProtocolError
from lab.kits.log import Log
from lab.pocket.agent.http import Exchange, Refused, WebSocket
from lab.wire import spdy

log = Log(__name__)
SPDY: Final = "SPDY/3.1+portforward.k8s.io"
CHANNELS: Final = ("v4.channel.k8s.io", "portforward.k8s.io")
CLONE_NEWNET: Final = 0x40000000
CONNECT_TIMEOUT: Final = 5.0
BLOCK: Final = 1 << 15

Send = Callable[[bytes], Awaitable[None]]
Source = asyncio.Queue[bytes | None]


async def forward(exchange: Exchange, namespace: Path | None) -> None:
    """Serve one port-forward; `namespace` is the pod's network namespace, None for the node's own. Raises Refused."""
    ports = [int(each) for text in exchange.request.query.get("ports", ()) for each in text.split(",")]
    offered = exchange.request.headers.get("sec-websocket-protocol", "")
    if not ports and SPDY not in offered:
        raise Refused(HTTPStatus.BAD_REQUEST, "query parameter ports is required")
    connection = await exchange.upgrade((SPDY, *CHANNELS))
    try:
        async with asyncio.TaskGroup() as group:
            if connection.protocol == SPDY:
                await _Streams(connection, namespace, group).serve()
            else:
                await _serve_channels(connection, ports, namespace, group)
    except* (OSError, ProtocolError) as failures:  # the client went away, or speaks something else
        log.debug("a port-forward ended", errors=[str(each) for each in failures.exceptions])


async def connect(namespace: Path | None, port: int) -> socket.socket:
    """Return a connection to a port on the pod's own loopback; raises OSError."""
    return await asyncio.to_thread(_connect, namespace, port)


def _connect(namespace: Path | None, port: int) -> socket.socket:
    if namespace is None:
        return socket.create_connection(("localhost", port), CONNECT_TIMEOUT)
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    other = os.open(namespace, os.O_RDONLY)
    try:
        # A socket stays in the namespace in which it was made; this thread goes back.
        _set_namespace(other)
        try:
            return socket.create_connection(("localhost", port), CONNECT_TIMEOUT)
        finally:
            _set_namespace(own)
    finally:
        os.close(own)
        os.close(other)


def _set_namespace(descriptor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


@asynccontextmanager
async def _opened(
    namespace: Path | None, port: int
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    sock = await connect(namespace, port)
    sock.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=sock)
    try:
        yield reader, writer
    finally:
        writer.close()


async def _converse(namespace: Path | None, port: int, source: Source, send: Send) -> None:
    """Connect to the port and pass bytes both ways until the pod has said everything; raises OSError."""
    async with _opened(namespace, port) as (reader, writer):
        talking = asyncio.create_task(_talk(source, writer))
        try:
            while data := await reader.read(BLOCK):
                await send(data)
        finally:
            talking.cancel()
            await asyncio.wait((talking,))


async def _talk(source: Source, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while (data := await source.get()) is not None:
            writer.write(data)
            await writer.drain()
        writer.write_eof()


class _Streams:
    """SPDY: for each connection kubectl opens an error stream, then a data stream with the same requestid."""

    def __init__(self, connection: WebSocket, namespace: Path | None, group: asyncio.TaskGroup) -> None:
        self._connection = connection
        self._namespace = namespace
        self._group = group
        self._session = spdy.Session()
        self._sources: dict[int, Source] = {}
        self._errors: dict[str, int] = {}
        """Error stream by requestid."""

    async def serve(self) -> None:
        """Serve until the client goes; raises ProtocolError."""
        tasks: list[asyncio.Task[None]] = []
        while (message := await self._connection.receive()) is not None:
            for event in self._session.feed(message):
                match event:
                    case spdy.Opened(stream, headers):
                        tasks += await self._open(stream, headers)
                    case spdy.Data(stream, data, last):
                        self._take(stream, data, last=last)
                    case spdy.Reset(stream):
                        self._take(stream, b"", last=True)
                    case spdy.Pinged(answer):
                        await self._connection.send(answer)
        for task in tasks:
            task.cancel()

    async def _open(self, stream: int, headers: object) -> list[asyncio.Task[None]]:
        named = dict(headers) if isinstance(headers, dict) else {}
        await self._connection.send(self._session.reply(stream))
        if named.get("streamtype") == "error":
            self._errors[named.get("requestid", "")] = stream
            return []
        self._sources[stream] = asyncio.Queue()
        error = self._errors.get(named.get("requestid", ""))
        return [self._group.create_task(self._relay(stream, error, int(named.get("port", "0"))))]

    def _take(self, stream: int, data: bytes, *, last: bool) -> None:
        if source := self._sources.get(stream):
            if data:
                source.put_nowait(data)
            if last:
                source.put_nowait(None)

    async def _relay(self, stream: int, error: int | None, port: int) -> None:
        problem = b""

        async def send(data: bytes) -> None:
            await self._connection.send(spdy.Session.data(stream, data))

        try:
            await _converse(self._namespace, port, self._sources[stream], send)
        except OSError as failure:
            problem = f"error forwarding port {port} to pod: {failure}".encode()
        finally:
            self._sources.pop(stream, None)
        with suppress(OSError):
            if error is not None:
                await self._connection.send(spdy.Session.data(error, problem, last=True))
            await self._connection.send(spdy.Session.data(stream, b"", last=True))


async def _serve_channels(
    connection: WebSocket, ports: list[int], namespace: Path | None, group: asyncio.TaskGroup
) -> None:
    """Channel 2n carries the data of the n-th port, 2n + 1 its errors; each first says the port's number."""
    sources: list[Source] = [asyncio.Queue() for _ in ports]
    tasks = []
    for index, port in enumerate(ports):
        for channel in (2 * index, 2 * index + 1):
            await connection.send(bytes([channel]) + struct.pack("<H", port))
        tasks.append(group.create_task(_relay_channel(connection, index, port, sources[index], namespace)))
    while (message := await connection.receive()) is not None:
        if message and message[0] // 2 < len(ports) and message[0] % 2 == 0:
            sources[message[0] // 2].put_nowait(message[1:])
    for task in tasks:
        task.cancel()


async def _relay_channel(
    connection: WebSocket, index: int, port: int, source: Source, namespace: Path | None
) -> None:
    async def send(data: bytes) -> None:
        await connection.send(bytes([2 * index]) + data)

    try:
        await _converse(namespace, port, source, send)
    except OSError as failure:
        with suppress(OSError):
            await connection.send(
                bytes([2 * index + 1]) + f"error forwarding port {port}: {failure}".encode()
            )
    with suppress(OSError):
        await connection.close()
