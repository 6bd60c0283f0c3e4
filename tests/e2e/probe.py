"""Ask a URL every few milliseconds and tell when no answer came. Runs on the client, with nothing but Python.

Each question is a connection of its own, as a new visitor's: its source port may be hashed to another next hop than the
last one's. It begins on time, whether or not earlier ones have their answer. Standard input's end ends the probe; it then
prints `{"asked": n, "failed": [seconds of each question without an answer, since the start]}`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time


async def is_answered(host: str, port: int, patience: float) -> bool:
    """Return whether the web server answered within `patience` seconds."""
    try:
        async with asyncio.timeout(patience):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(f"GET / HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
                return b" 200 " in await reader.readline()
            finally:
                writer.transport.abort()
    except (OSError, TimeoutError):
        return False


async def probe(host: str, port: int, interval: float, patience: float) -> dict[str, object]:
    """Ask until standard input ends."""
    loop = asyncio.get_running_loop()
    ended = loop.run_in_executor(None, sys.stdin.read)
    begin = time.monotonic()
    asked: list[tuple[float, asyncio.Task[bool]]] = []
    async with asyncio.TaskGroup() as group:
        while not ended.done():
            at = time.monotonic() - begin
            asked.append((at, group.create_task(is_answered(host, port, patience))))
            await asyncio.sleep(max(0.0, (len(asked) * interval) - (time.monotonic() - begin)))
    failed = [round(at, 3) for at, answered in asked if not answered.result()]
    return {"asked": len(asked), "failed": failed}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(probe(sys.argv[1], int(sys.argv[2]), *map(float, sys.argv[3:])))))
