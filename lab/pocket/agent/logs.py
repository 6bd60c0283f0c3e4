"""Container logs in the CRI format: `TIME stdout F line`, where P instead of F marks a line that goes on.

https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md. Pure but for `read_from`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

LONGEST: Final = 16 * 1024
"""Bytes after which a line is cut into parts."""
BLOCK: Final = 1 << 16


class LineWriter:
    """Turns what a stream says, in whatever pieces, into lines of a log."""

    def __init__(self, stream: str) -> None:
        self._stream = stream
        self._rest = b""

    def feed(self, data: bytes, now: datetime) -> bytes:
        """Return what to append to the log for `data`."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        out = [part for line in lines for part in self._parts(line, now)]
        while len(self._rest) >= LONGEST:
            out.append(self._record(self._rest[:LONGEST], "P", now))
            self._rest = self._rest[LONGEST:]
        return b"".join(out)

    def end(self, now: datetime) -> bytes:
        """Return what to append when the stream has ended without a line feed."""
        rest, self._rest = self._rest, b""
        return self._record(rest, "P", now) if rest else b""

    def _parts(self, line: bytes, now: datetime) -> Iterator[bytes]:
        while len(line) > LONGEST:
            yield self._record(line[:LONGEST], "P", now)
            line = line[LONGEST:]
        yield self._record(line, "F", now)

    def _record(self, text: bytes, tag: str, now: datetime) -> bytes:
        stamp = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
        return f"{stamp} {self._stream} {tag} ".encode() + text + b"\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which part of a log is asked for. Times are in UTC."""

    tail: int | None = None
    since: datetime | None = None
    timestamps: bool = False
    limit: int | None = None
    """Bytes."""


class Reader:
    """Turns records of a log into what `kubectl logs` prints."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._left = selection.limit
        self._continued = False

    def text(self, record: bytes) -> bytes:
        """Return the output for one record, without its line feed removed; empty if it is not asked for."""
        stamp, _, rest = record.partition(b" ")
        _, _, rest = rest.partition(b" ")
        tag, _, line = rest.partition(b" ")
        since = self._selection.since
        if since and datetime.fromisoformat(stamp.decode()[:26] + "+00:00") < since:
            return b""
        head = stamp + b" " if self._selection.timestamps and not self._continued else b""
        self._continued = tag == b"P"
        return self._cut(head + (line.removesuffix(b"\n") if self._continued else line))

    @property
    def full(self) -> bool:
        return self._left == 0

    def _cut(self, text: bytes) -> bytes:
        if self._left is None:
            return text
        text = text[: self._left]
        self._left -= len(text)
        return text


def last_lines(path: Path, number: int) -> int:
    """Return the offset in a log at which its last `number` whole lines begin; reads it from its end."""
    with path.open("rb") as file:
        position = file.seek(0, os.SEEK_END)
        found = -1 if number else 0  # the line feed at the very end ends the last line
        if not number:
            return position
        while position > 0:
            size = min(BLOCK, position)
            position -= size
            file.seek(position)
            block = file.read(size)
            for index in range(size - 1, -1, -1):
                if block[index] == 0x0A:
                    found += 1
                    if found == number:
                        return position + index + 1
    return 0


def read(path: Path, selection: Selection) -> Iterator[bytes]:
    """Yield what the selection shows of a log that is not growing."""
    reader = Reader(selection)
    with path.open("rb") as file:
        if selection.tail is not None:
            file.seek(last_lines(path, selection.tail))
        yield from render(file, reader)


def render(records: Iterable[bytes], reader: Reader) -> Iterator[bytes]:
    for record in records:
        if text := reader.text(record):
            yield text
        if reader.full:
            return
