"""What a container says: into its log, and to whoever is attached at the moment."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

from lab.pocket.agent.logs import LineWriter
from lab.pocket.agent.runtime import Stdio

LOG_LIMIT: Final = 10 << 20
"""Bytes of a log file, as kubelet's containerLogMaxSize."""
LISTENER_LIMIT: Final = 1000
"""Pieces of output that wait for a slow listener before it is dropped."""

Listener = asyncio.Queue[tuple[str, bytes] | None]
"""Stream and data; None at the end."""


class Output:
    """The streams of one run of a container."""

    def __init__(self, path: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._now = now
        self._file = path.open("ab", buffering=0)
        self._listeners: set[Listener] = set()
        self._readers: list[asyncio.Task[None]] = []
        self.stdin: int | None = None
        self.grown = asyncio.Event()
        """Set when the log has grown or ended; whoever follows it clears it."""
        self.ended = False

    def follow(self, stdio: Stdio) -> None:
        """Begin to read a container's streams."""
        self.stdin = stdio.stdin
        streams = {"stdout": stdio.stdout, "stderr": stdio.stderr}
        self._readers = [
            asyncio.create_task(self._read(name, descriptor))
            for name, descriptor in streams.items()
            if descriptor is not None
        ]

    async def end(self) -> None:
        """Read what is left, at most for a moment: a stray grandchild may hold a stream open; then close all."""
        if self._readers:
            _, late = await asyncio.wait(self._readers, timeout=0.5)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
        if self.stdin is not None and self.stdin >= 0:
            os.close(self.stdin)
        self.stdin = None
        self.ended = True
        self._file.close()
        self.grown.set()
        for listener in self._listeners:
            listener.put_nowait(None)

    def listen(self) -> Listener:
        listener: Listener = asyncio.Queue()
        if self.ended:
            listener.put_nowait(None)
        self._listeners.add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        self._listeners.discard(listener)

    def say(self, data: bytes) -> None:
        """Write to the container's standard input, if it has one; raises OSError when it does not read."""
        if self.stdin is not None:
            os.write(self.stdin, data)

    def close_stdin(self) -> None:
        if self.stdin is not None:
            os.close(self.stdin)
            self.stdin = None

    async def _read(self, name: str, descriptor: int) -> None:
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        # A terminal's master is also our way to write: each direction closes its own descriptor.
        file = os.fdopen(os.dup(descriptor) if descriptor == self.stdin else descriptor, "rb", buffering=0)
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), file)
        writer = LineWriter(name)
        try:
            while data := await reader.read(1 << 16):
                self._take(name, data, writer.feed(data, self._now()))
        except OSError:  # how a terminal whose processes have ended says so
            pass
        finally:
            transport.close()
            self._take(name, b"", writer.end(self._now()))

    def writes_to(self, file: IO[bytes]) -> bool:
        """Whether an open file is the one that the log goes to now."""
        return os.path.sameopenfile(file.fileno(), self._file.fileno()) if not self.ended else True

    def _rotate(self) -> None:
        """Begin a new file and keep one old one: a container that never stops talking shall not fill the disk."""
        self._file.close()
        self.path.replace(self.path.with_suffix(".log.1"))
        self._file = self.path.open("ab", buffering=0)

    def _take(self, name: str, data: bytes, record: bytes) -> None:
        if record:
            self._file.write(record)
            self.grown.set()
            if self._file.tell() > LOG_LIMIT:
                self._rotate()
        if data:
            for listener in list(self._listeners):
                if listener.qsize() > LISTENER_LIMIT:
                    self._listeners.discard(listener)
                    listener.put_nowait(None)
                else:
                    listener.put_nowait((name, data))
