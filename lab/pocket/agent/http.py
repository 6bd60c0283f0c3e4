"""As much of HTTP/1.1 as the API server needs to ask a node agent: one request a connection, WebSocket upgrades."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Self
from urllib.parse import parse_qs, unquote, urlsplit

from lab.errors import ProtocolError
from lab.wire import websocket
from lab.wire.websocket import Message, Opcode

BLOCK: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Request:
    """A request's head."""

    method: str
    path: tuple[str, ...]
    """Decoded segments."""
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    """Names in lower case."""

    @classmethod
    def parse(cls, head: bytes) -> Self:
        """Return the request that the bytes up to the empty line say; raises ProtocolError."""
        lines = head.decode("latin-1").split("\r\n")
        words = lines[0].split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            raise ProtocolError(f"not a request: {lines[0][:60]!r}")
        url = urlsplit(words[1])
        pairs = (line.partition(":") for line in lines[1:] if line)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        path = tuple(unquote(each) for each in url.path.strip("/").split("/"))
        return cls(words[0], path, parse_qs(url.query, keep_blank_values=True), headers)

    def first(self, name: str) -> str:
        """Return the first value of a parameter, or an empty string."""
        return next(iter(self.query.get(name, ())), "")

    def wants(self, name: str) -> bool:
        return self.first(name) in {"1", "true"}


class Refused(Exception):  # noqa: N818 -- an answer, not an error of ours
    """The request is answered with a status and a sentence."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Exchange:
    """One request and its answer."""

    def __init__(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.request = request
        self.reader = reader
        self._writer = writer

    async def answer(
        self, status: HTTPStatus, body: bytes, *, content_type: str = "text/plain; charset=utf-8"
    ) -> None:
        """Answer with a whole body."""
        self._head(status, {"Content-Type": content_type, "Content-Length": str(len(body))})
        self._writer.write(body)
        await self._writer.drain()

    def begin(self) -> None:
        """Begin an answer whose length is not known."""
        self._head(
            HTTPStatus.OK, {"Content-Type": "text/plain; charset=utf-8", "Transfer-Encoding": "chunked"}
        )

    async def chunk(self, data: bytes) -> None:
        if data:
            self._writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            await self._writer.drain()

    async def end(self) -> None:
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()

    async def upgrade(self, protocols: tuple[str, ...]) -> WebSocket:
        """Become a WebSocket with the first of `protocols` that the client offers; raises Refused."""
        headers = self.request.headers
        offered = [each.strip() for each in headers.get("sec-websocket-protocol", "").split(",")]
        chosen = next((each for each in protocols if each in offered), "")
        if headers.get("upgrade", "").lower() != "websocket" or "sec-websocket-key" not in headers:
            raise Refused(HTTPStatus.BAD_REQUEST, "unable to upgrade: only WebSocket is served")
        if not chosen:
            raise Refused(
                HTTPStatus.BAD_REQUEST,
                f"none of the protocols {offered} is served; there is: {list(protocols)}",
            )
        self._head(
            HTTPStatus.SWITCHING_PROTOCOLS,
            {
                "Upgrade": "websocket",
                "Connection": "Upgrade",
                "Sec-WebSocket-Accept": websocket.accept(headers["sec-websocket-key"]),
                "Sec-WebSocket-Protocol": chosen,
            },
        )
        await self._writer.drain()
        return WebSocket(chosen, self.reader, self._writer)

    def _head(self, status: HTTPStatus, headers: Mapping[str, str]) -> None:
        fixed = {} if status is HTTPStatus.SWITCHING_PROTOCOLS else {"Connection": "close"}
        lines = [
            f"HTTP/1.1 {status.value} {status.phrase}",
            *(f"{k}: {v}" for k, v in {**headers, **fixed}.items()),
        ]
        self._writer.write("\r\n".join((*lines, "", "")).encode("latin-1"))


class WebSocket:
    """A connection that carries messages."""

    def __init__(self, protocol: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.protocol = protocol
        self._reader = reader
        self._writer = writer
        self._receiver = websocket.Receiver()
        self._waiting: list[Message] = []

    async def receive(self) -> bytes | None:
        """Return the next message; None when the peer has gone. Raises ProtocolError."""
        while True:
            while self._waiting:
                message = self._waiting.pop(0)
                if message.opcode is Opcode.PING:
                    self._writer.write(websocket.frame(Opcode.PONG, message.data))
                elif message.opcode is Opcode.CLOSE:
                    return None
                elif message.opcode is not Opcode.PONG:
                    return message.data
            data = await self._reader.read(BLOCK)
            if not data:
                return None
            self._waiting = self._receiver.feed(data)

    async def send(self, data: bytes) -> None:
        self._writer.write(websocket.frame(Opcode.BINARY, data))
        await self._writer.drain()

    async def close(self) -> None:
        self._writer.write(websocket.close())
        await self._writer.drain()
