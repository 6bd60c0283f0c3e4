"""Progress of long work: a live line a step on a terminal, plain lines elsewhere, silence where JSON is wanted."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click

WIDTH = 22
DETAIL = 60
CLEAR_LINE = "\r\x1b[2K"


class Progress:
    """Prints how the work goes on, on standard error (implements `lab.actions.steps.Report`)."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._live = sys.stderr.isatty() and not quiet
        self._title = self._note = ""
        self._begun = 0.0

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        self._title, self._note, self._begun = title, "", time.monotonic()
        self.detail("")
        try:
            yield
        except BaseException:
            self._finish(click.style("✗", fg="red"))
            raise
        self._finish(click.style("✓", fg="green"))

    def detail(self, line: str) -> None:
        if self._live:
            rest = click.style(line[:DETAIL], dim=True)
            self._write(f"{CLEAR_LINE}· {self._title:<{WIDTH}} {self._elapsed():6.1f} s  {rest}")

    def note(self, line: str) -> None:
        self._note = line

    def notice(self, line: str) -> None:
        if not self._quiet:
            self._write(f"{CLEAR_LINE if self._live else ''}  {line}\n")

    def _finish(self, mark: str) -> None:
        if not self._quiet:
            clear = CLEAR_LINE if self._live else ""
            note = click.style(f"  {self._note}", dim=True) if self._note else ""
            self._write(f"{clear}{mark} {self._title:<{WIDTH}} {self._elapsed():6.1f} s{note}\n")

    def _elapsed(self) -> float:
        return time.monotonic() - self._begun

    @staticmethod
    def _write(text: str) -> None:
        click.echo(text, nl=False, err=True)
