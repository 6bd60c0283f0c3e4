"""A login shell on a machine of the lab, in a terminal: what `lab ssh` opens, typed into as a reader of a tutorial would."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

from tests.e2e.eventually import SLOWNESS

ROWS, COLUMNS = 60, 500
PROMPT = re.compile(r"(vagrant@[\w-]+:\S+\$|bird>) $")
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
GOOD_BYE = b"\x03\x04\x04"
"""Leave the line, what was started last, and the shell: Ctrl-C, Ctrl-D, Ctrl-D."""
PATIENCE = 60.0 * SLOWNESS
CLOSE_PATIENCE = 5.0 * SLOWNESS
ROOT = Path(__file__).resolve().parents[3]


class Terminal:
    """A shell that waits at its prompt between two lines."""

    def __init__(self, machine: str, topology_file: Path) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "lab.cli", "ssh", machine, "--file", str(topology_file)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            cwd=ROOT,
            env={**os.environ, "TERM": "dumb"},
        )
        os.close(slave)
        try:
            self._until_prompt()
        except BaseException:
            self.close()
            raise

    def type(self, text: str) -> str:
        """Type lines and return what they print, without the echo of what was typed."""
        os.write(self._master, (text.rstrip("\n") + "\n").encode())
        said = self._until_prompt()
        typed = text.rstrip("\n").count("\n") + 1
        return "".join(f"{line}\n" for line in said.splitlines()[typed:-1])

    def close(self) -> None:
        """End the shell; kill what does not end."""
        os.write(self._master, GOOD_BYE)
        try:
            self._process.wait(CLOSE_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._master)

    def _until_prompt(self) -> str:
        said, deadline = "", time.monotonic() + PATIENCE
        while not PROMPT.search(said):
            ready, _, _ = select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError(f"no prompt after {PATIENCE} s; the terminal shows: {said}")
            said = ESCAPE.sub("", said + os.read(self._master, 65536).decode(errors="replace"))
        return "\n".join(map(_visible, said.split("\n")))


def _visible(line: str) -> str:
    """Return what a line shows: a carriage return begins it anew."""
    return line.rstrip("\r").rsplit("\r", 1)[-1]


class Terminals:
    """One terminal on each machine that a walkthrough types on."""

    def __init__(self, topology_file: Path) -> None:
        self._file = topology_file
        self._open: dict[str, Terminal] = {}

    def __getitem__(self, machine: str) -> Terminal:
        if machine not in self._open:
            self._open[machine] = Terminal(machine, self._file)
        return self._open[machine]

    def close(self) -> None:
        for terminal in self._open.values():
            terminal.close()
        self._open.clear()


@contextlib.contextmanager
def terminals(topology_file: Path) -> Iterator[Terminals]:
    opened = Terminals(topology_file)
    try:
        yield opened
    finally:
        opened.close()
