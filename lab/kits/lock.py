"""A lock between processes that the kernel releases when its holder dies, whatever kills it."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.errors import BusyError

POLL = 0.1


def _ignore(holder: str) -> None:
    del holder


@contextmanager
def exclusive(
    path: Path, *, purpose: str, wait: float = 0.0, on_wait: Callable[[str], None] = _ignore
) -> Iterator[None]:
    """Hold `path` locked for the body; `purpose` is what a waiting process is told about the holder.

    Waits up to `wait` seconds, calling `on_wait` once with the holder's words. Raises BusyError after that.
    The file stays: removing it would let two processes lock two different files of one name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + wait
    told = False
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "another process"
                if time.monotonic() >= deadline:
                    raise BusyError(
                        f"{holder} holds {path}", hint="wait for it to end, or stop it, and try again"
                    ) from None
                if not told:
                    on_wait(holder)
                    told = True
                time.sleep(POLL)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{purpose} (process {os.getpid()})\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
