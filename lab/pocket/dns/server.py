"""Listens for DNS over UDP and TCP; what is not the cluster's is passed on to the node's own resolvers."""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from lab.errors import HostError, ProtocolError
from lab.kits.log import Log
from lab.pocket.dns.zone import Zone
from lab.wire import dns
from lab.wire.dns import Code, Query

log = Log(__name__)
FORWARD_TIMEOUT: Final = 2.0
TCP_TIMEOUT: Final = 10.0
PENDING_LIMIT: Final = 1000
"""Questions that wait for other resolvers at once."""


class Resolver:
    """Answers one message at a time."""

    def __init__(self, zone: Callable[[], Zone], upstream: Sequence[str]) -> None:
        """Ask `zone` for the cluster's names of this moment, and the `upstream` addresses for all others."""
        self._zone = zone
        self._upstream = upstream
        self._pending = 0

    async def answer(self, message: bytes, *, udp: bool) -> bytes:
        """Return the answer to a message; empty when it deserves none."""
        try:
            query = dns.decode_query(message)
        except ProtocolError:
            return dns.refuse(message, Code.FORMERR)
        zone = self._zone()
        if zone.contains(query.name):
            return _local(zone, query, limit=query.limit if udp else None)
        return await self._forward(message)

    async def _forward(self, message: bytes) -> bytes:
        if self._pending >= PENDING_LIMIT:
            return dns.refuse(message, Code.SERVFAIL)
        self._pending += 1
        try:
            for server in self._upstream:
                with suppress(OSError, TimeoutError):
                    async with asyncio.timeout(FORWARD_TIMEOUT):
                        return await _ask(server, message)
        finally:
            self._pending -= 1
        # Refused at once rather than after a time: a client with nobody else to ask gives up quickly.
        return dns.refuse(message, Code.SERVFAIL if self._upstream else Code.REFUSED)


def _local(zone: Zone, query: Query, *, limit: int | None) -> bytes:
    found = zone.find(query.name, query.type)
    if found.records:
        records = random.sample(list(found.records), len(found.records))  # everyone is first at times
        return dns.encode_response(query, records, additional=found.additional, limit=limit)
    code = Code.NOERROR if found.exists else Code.NXDOMAIN
    return dns.encode_response(query, code=code, authorities=[dns.authority(zone.domain, 5)], limit=limit)


async def _ask(server: str, message: bytes) -> bytes:
    """Ask another resolver over UDP; an answer that is cut is passed on as it is."""
    answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Waiting(answer), remote_addr=(server, 53)
    )
    try:
        transport.sendto(message)
        return await answer
    finally:
        transport.close()


class _Waiting(asyncio.DatagramProtocol):
    def __init__(self, answer: asyncio.Future[bytes]) -> None:
        self._answer = answer

    def datagram_received(self, data: bytes, addr: object) -> None:
        del addr
        if not self._answer.done():
            self._answer.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self._answer.done():
            self._answer.set_exception(exc)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, resolver: Resolver, group: asyncio.TaskGroup) -> None:
        self._resolver = resolver
        self._group = group
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # what asyncio passes to a DatagramProtocol

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._group.create_task(self._reply(data, addr))

    async def _reply(self, data: bytes, peer: tuple[str, int]) -> None:
        answer = await self._resolver.answer(data, udp=True)
        if answer and self._transport:
            self._transport.sendto(answer, peer)


async def serve(resolver: Resolver, addresses: Sequence[str], port: int) -> None:
    """Listen on the addresses until cancelled; raises HostError when a port is taken."""
    loop = asyncio.get_running_loop()

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, EOFError, TimeoutError):
            while True:
                async with asyncio.timeout(TCP_TIMEOUT):
                    (length,) = struct.unpack("!H", await reader.readexactly(2))
                    message = await reader.readexactly(length)
                answer = await resolver.answer(message, udp=False)
                writer.write(struct.pack("!H", len(answer)) + answer)
                await writer.drain()
        writer.close()

    async with asyncio.TaskGroup() as group:
        try:
            for address in addresses:
                await loop.create_datagram_endpoint(
                    lambda: _Datagrams(resolver, group), local_addr=(address, port)
                )
                await asyncio.start_server(connection, address, port)
        except OSError as error:
            raise HostError(f"cannot listen for DNS on port {port}: {error}") from error
        await asyncio.Event().wait()


def resolvers(path: Path, own: Sequence[str]) -> list[str]:
    """Return the resolvers that a resolv.conf names, without ourselves."""
    lines = path.read_text().splitlines() if path.is_file() else []
    named = [words[1] for line in lines if len(words := line.split()) > 1 and words[0] == "nameserver"]
    return [each for each in named if each not in own and not each.startswith("127.")]
