"""kill -9 of the server while clients write: no acknowledged write is lost, no watcher misses or repeats an event.

`python -m tests.fuzz.store_crash --rounds 50 --writes 1000` prints a JSON summary; the suite runs a short version.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from tests.fuzz.pocket_process import PocketProcess

COLLECTION = "/api/v1/namespaces/kube-public/secrets"
WRITERS = 8
GONE = None


@dataclass
class History:
    """What clients know: the last acknowledged value of every name, the write they had no answer to, all events seen."""

    acknowledged: dict[str, int | None] = field(default_factory=dict)
    unanswered: dict[str, int | None] = field(default_factory=dict)
    revisions: list[int] = field(default_factory=list)
    watched: dict[str, int | None] = field(default_factory=dict)
    acknowledged_revisions: set[int] = field(default_factory=set)
    writes: int = 0
    _goal: tuple[int, asyncio.Event] = field(default_factory=lambda: (0, asyncio.Event()))

    async def reached(self, writes: int) -> None:
        """Wait until so many writes were acknowledged."""
        self._goal = (writes, asyncio.Event())
        await self._goal[1].wait()

    def count(self) -> None:
        self.writes += 1
        if self.writes >= self._goal[0]:
            self._goal[1].set()


class Crash:
    """One server's life and deaths."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.server = PocketProcess(directory)
        self.history = History()
        self.random = random.Random(seed)  # noqa: S311  a seed makes a run repeatable
        self._serial = 0

    async def round(self, writes: int) -> None:
        """Start the server, write until it is killed in the midst, and compare after a restart."""
        self.server.start()
        tls = self.server.admin()
        await self._check(tls)
        connector = aiohttp.TCPConnector(ssl=tls, limit=0)
        async with aiohttp.ClientSession(self.server.url, connector=connector) as session:
            watching = asyncio.create_task(self._watch(session))
            goal = self.history.writes + self.random.randint(writes // 2, writes)
            writers = [asyncio.create_task(self._write(session, index)) for index in range(WRITERS)]
            await self.history.reached(goal)
            await asyncio.sleep(self.random.random() * 0.01)
            self.server.kill()
            await asyncio.wait([watching, *writers], timeout=10)

    async def finish(self) -> None:
        """Compare once more, then stop."""
        self.server.start()
        await self._check(self.server.admin())
        self.server.stop()

    async def _write(self, session: aiohttp.ClientSession, index: int) -> None:
        try:
            while True:
                self._serial += 1
                name = f"w{index}-{self._serial}"
                await self._put(session, name, 1)
                if self.random.random() < 0.4:
                    await self._put(session, name, 2)
                if self.random.random() < 0.3:
                    await self._send(session, "DELETE", name, GONE)
        except (aiohttp.ClientError, ConnectionError):
            return

    async def _put(self, session: aiohttp.ClientSession, name: str, value: int) -> None:
        await self._send(session, "POST" if value == 1 else "PUT", name, value)

    async def _send(self, session: aiohttp.ClientSession, method: str, name: str, value: int | None) -> None:
        history = self.history
        history.unanswered[name] = value
        path = COLLECTION if method == "POST" else f"{COLLECTION}/{name}"
        body = {"metadata": {"name": name, "annotations": {"value": str(value)}}} if value else {}
        async with session.request(method, path, json=body) as response:
            answer = await response.json()
        assert response.status in {200, 201}, answer
        history.acknowledged[name] = history.unanswered.pop(name)
        if value:
            history.acknowledged_revisions.add(int(answer["metadata"]["resourceVersion"]))
        history.count()

    async def _watch(self, session: aiohttp.ClientSession) -> None:
        since = self.history.revisions[-1] if self.history.revisions else 1
        timeout = aiohttp.ClientTimeout(total=None)
        try:
            async with session.get(
                f"{COLLECTION}?watch=true&resourceVersion={since}", timeout=timeout
            ) as response:
                async for line in response.content:
                    if line.endswith(b"\n"):  # a line cut by the crash was not seen
                        self._saw(orjson.loads(line))
        except (aiohttp.ClientError, ConnectionError):
            return

    def _saw(self, event: dict[str, Any]) -> None:
        history, obj = self.history, event["object"]
        assert event["type"] in {"ADDED", "MODIFIED", "DELETED"}, event
        revision, name = int(obj["metadata"]["resourceVersion"]), obj["metadata"]["name"]
        assert not history.revisions or revision > history.revisions[-1], "an event was repeated"
        expected = {"ADDED": name not in history.watched, "MODIFIED": name in history.watched}
        assert expected.get(event["type"], name in history.watched), f"events of {name} were missed"
        history.revisions.append(revision)
        if event["type"] == "DELETED":
            del history.watched[name]
        else:
            history.watched[name] = int(obj["metadata"]["annotations"]["value"])

    async def _check(self, tls: Any) -> None:
        """Compare what the server has with what clients know; catches the watcher up on the way."""
        connector = aiohttp.TCPConnector(ssl=tls)
        async with aiohttp.ClientSession(self.server.url, connector=connector) as session:
            async with session.get(COLLECTION) as response:
                listed = await response.json()
            await self._catch_up(session, int(listed["metadata"]["resourceVersion"]))
        stored = {
            item["metadata"]["name"]: int(item["metadata"]["annotations"]["value"])
            for item in listed["items"]
        }
        history = self.history
        for name, value in history.acknowledged.items():
            allowed = {value, history.unanswered.get(name, value)}
            assert stored.get(name) in allowed, f"{name}: acknowledged {value}, found {stored.get(name)}"
        missed = history.acknowledged_revisions.difference(history.revisions)
        assert not missed, f"events of acknowledged revisions were missed: {sorted(missed)[:5]}"
        assert history.watched == stored, "the watcher's view differs from the list"
        history.acknowledged = dict(stored)
        history.acknowledged_revisions.clear()
        history.unanswered.clear()

    async def _catch_up(self, session: aiohttp.ClientSession, revision: int) -> None:
        since = self.history.revisions[-1] if self.history.revisions else 1
        path = f"{COLLECTION}?watch=true&resourceVersion={since}&timeoutSeconds=1&allowWatchBookmarks=true"
        async with session.get(path) as response:
            async for line in response.content:
                event = orjson.loads(line)
                if event["type"] == "BOOKMARK":
                    break
                self._saw(event)
                if int(event["object"]["metadata"]["resourceVersion"]) >= revision:
                    break


async def run(directory: Path, *, rounds: int, writes: int, seed: int) -> dict[str, int]:
    """Crash a server `rounds` times, each while about `writes` writes are made; returns what was counted.

    Raises:
        AssertionError: something acknowledged is gone, or an event is missing or came twice.

    """
    crash = Crash(directory, seed)
    for _ in range(rounds):
        await crash.round(writes)
    await crash.finish()
    return {
        "rounds": rounds,
        "acknowledged_writes": crash.history.writes,
        "events_seen": len(crash.history.revisions),
        "lost_writes": 0,
        "missed_or_repeated_events": 0,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--writes", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        counted = asyncio.run(
            run(Path(directory), rounds=options.rounds, writes=options.writes, seed=options.seed)
        )
    sys.stdout.buffer.write(orjson.dumps(counted, option=orjson.OPT_APPEND_NEWLINE))


if __name__ == "__main__":
    main()
