"""A very small HTTP server for what an unattended program tells about itself: health, readiness, metrics.

GET only, one answer a connection, computed in memory. It is for kubelets and Prometheus, not for the internet.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

TIMEOUT: Final = 5.0
"""Seconds that a client has to say what it wants."""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer."""

    body: str = "ok\n"
    status: HTTPStatus = HTTPStatus.OK
    content_type: str = "text/plain; charset=utf-8"


Routes = Mapping[str, Callable[[], Response]]


@contextlib.asynccontextmanager
async def serving(routes: Routes, *, host: str, port: int) -> AsyncIterator[int]:
    """Answer GET requests for the paths of `routes` while in the context; gives the port that is listened on.

    Raises OSError when the port cannot be had.
    """
    connections: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(_answer(routes, reader, writer))
        connections.add(task)
        task.add_done_callback(connections.discard)

    server = await asyncio.start_server(accept, host, port, limit=8192)
    try:
        listening: int = server.sockets[0].getsockname()[1]
        yield listening
    finally:
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def _answer(routes: Routes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        async with asyncio.timeout(TIMEOUT):
            head = await reader.readuntil(b"\r\n\r\n")
            writer.write(_encode(_respond(routes, head.decode("latin-1"))))
            await writer.drain()
    except (OSError, EOFError, asyncio.LimitOverrunError):  # a TimeoutError is an OSError
        return
    finally:
        writer.close()


def _respond(routes: Routes, head: str) -> Response:
    method, _, rest = head.partition(" ")
    path = rest.partition(" ")[0].partition("?")[0]
    if path not in routes:
        return Response("not found\n", HTTPStatus.NOT_FOUND)
    if method != "GET":
        return Response("only GET\n", HTTPStatus.METHOD_NOT_ALLOWED)
    return routes[path]()


def _encode(response: Response) -> bytes:
    body = response.body.encode()
    head = (
        f"HTTP/1.1 {response.status.value} {response.status.phrase}\r\n"
        f"Content-Type: {response.content_type}\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + body
