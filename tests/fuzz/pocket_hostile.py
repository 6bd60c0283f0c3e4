"""Clients that mean harm, or are merely many: `python -m tests.fuzz.pocket_hostile --watches 10000` prints JSON.

A body of 100 MB, headers that trickle in, and idle watches: while all of it goes on, an honest client is served.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import ssl
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import uvloop

from tests.fuzz.pocket_process import PocketProcess

SECRETS = "/api/v1/namespaces/default/secrets"
MEGABYTE = b" " * (1 << 20)
BATCH = 100


async def large_body(session: aiohttp.ClientSession, megabytes: int = 100) -> int:
    """Send a body of unknown length that grows and grows; returns the answer's code."""

    async def body() -> Any:
        for _ in range(megabytes):
            yield MEGABYTE

    try:
        async with session.post(
            SECRETS, data=body(), headers={"Content-Type": "application/json"}
        ) as response:
            return response.status
    except aiohttp.ClientError:
        return 0  # cut off in the middle, which is as good


async def trickle(server: PocketProcess, tls: ssl.SSLContext, *, longest: float) -> float:
    """Send a request's head one byte a second; returns the seconds until the server had enough."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=tls)
    began = time.monotonic()
    try:
        for byte in b"GET /version HTTP/1.1\r\nHost: x\r\nX-Filler: " + b"x" * 1000:
            writer.write(bytes([byte]))
            await writer.drain()
            try:
                async with asyncio.timeout(1):
                    if not await reader.read(1):
                        break
            except TimeoutError:
                if time.monotonic() - began > longest:
                    raise
    except ConnectionError:
        pass
    finally:
        writer.close()
    return time.monotonic() - began


async def idle_watches(
    server: PocketProcess, tls: ssl.SSLContext, number: int
) -> list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open watches that nobody reads from."""
    request = f"GET {SECRETS}?watch=true&resourceVersion=1 HTTP/1.1\r\nHost: x\r\n\r\n".encode()

    async def one() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=tls)
        writer.write(request)
        await reader.readuntil(b"\r\n\r\n")
        return reader, writer

    found = []
    for start in range(0, number, BATCH):
        found += await asyncio.gather(*(one() for _ in range(min(BATCH, number - start))))
    return found


async def attack(server: PocketProcess, *, watches: int, longest: float = 60) -> dict[str, Any]:
    """Do all of it; returns what was seen, and how long an honest request takes in the meantime."""
    tls = server.admin()
    figures: dict[str, Any] = {"idle_mib": round(server.resident_mib())}
    async with aiohttp.ClientSession(server.url, connector=aiohttp.TCPConnector(ssl=tls)) as session:
        figures["large_body_code"] = await large_body(session)
        figures["mib_after_large_body"] = round(server.resident_mib())
        figures["slow_head_cut_after_s"] = round(await trickle(server, tls, longest=longest), 1)
        opened = await idle_watches(server, tls, watches)
        figures |= {"watches": len(opened), "mib_with_watches": round(server.resident_mib())}
        began = time.perf_counter()
        async with session.post(SECRETS, json={"metadata": {"name": "honest"}}) as response:
            assert response.status == 201, await response.text()
        figures["honest_create_ms"] = round((time.perf_counter() - began) * 1000, 1)
        for reader, _ in opened:
            await reader.readuntil(b'"name":"honest"')
        figures["event_at_all_watches_s"] = round(time.perf_counter() - began, 2)
        for _, writer in opened:
            writer.close()
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--watches", type=int, default=10_000)
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory() as directory:
        server = PocketProcess(Path(directory))
        server.start()
        try:
            with asyncio.Runner(loop_factory=uvloop.Loop) as runner:
                figures = runner.run(attack(server, watches=options.watches))
        finally:
            server.stop()
    sys.stdout.buffer.write(orjson.dumps(figures, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


if __name__ == "__main__":
    main()
