"""A pocket server in this process and a client of it: one test, one conversation."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from lab.pocket import pki
from lab.pocket.apiserver.process import Running, running
from lab.pocket.store import Limits

SECONDS = 20


@dataclass
class Answer:
    code: int
    body: Any
    headers: Any


class Client:
    """Speaks plain HTTP with one identity."""

    def __init__(self, server: Running, session: aiohttp.ClientSession, tls: ssl.SSLContext) -> None:
        self.server = server
        self.session = session
        self.tls = tls

    async def send(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        data = body if isinstance(body, bytes | None) else orjson.dumps(body)
        named = {"Content-Type": "application/json"} if data is not None else {}
        named |= {key.replace("_", "-"): value for key, value in headers.items()}
        url = self.server.url + path
        async with self.session.request(method, url, data=data, headers=named, ssl=self.tls) as response:
            raw = await response.read()
            content = orjson.loads(raw) if response.content_type == "application/json" else raw.decode()
            return Answer(response.status, content, response.headers)

    async def ok(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        answer = await self.send(method, path, body, **headers)
        assert answer.code in {200, 201}, answer
        return answer.body

    @asynccontextmanager
    async def watch(self, path: str) -> AsyncIterator[Callable[[], Awaitable[Any]]]:
        """Open a watch; the value is a function that waits for the next event."""
        async with self.session.get(self.server.url + path, ssl=self.tls) as response:
            assert response.status == 200, await response.text()

            async def following() -> Any:
                line = await response.content.readline()
                return orjson.loads(line) if line else None

            yield following


def converse(
    directory: Path,
    *talks: Callable[[Client], Awaitable[None]],
    user: tuple[str, tuple[str, ...]] | None = ("admin", ("system:masters",)),
    limits: Limits | None = None,
) -> None:
    """Start a server, talk to it as `user` (None: anonymous) and stop it; for every talk anew, on the same data."""
    for talk in talks:
        asyncio.run(_one(directory, talk, user, limits))


async def _one(directory, talk, user, limits) -> None:
    async with (
        asyncio.timeout(SECONDS),
        running(directory, limits=limits) as server,
        aiohttp.ClientSession() as session,
    ):
        await talk(Client(server, session, identity(directory, user)))


def identity(directory: Path, user: tuple[str, tuple[str, ...]] | None) -> ssl.SSLContext:
    tls = ssl.create_default_context(cafile=str(directory / "pki" / "ca.crt"))
    if user is not None:
        authority = pki.load_or_create_authority(directory / "pki")
        pair = pki.write_identity(directory / "client", "client", pki.client_certificate(authority, *user))
        tls.load_cert_chain(*pair)
    return tls
