"""Work that may wait makes way for work that must not.

What must not wait says so (`disturb`); what may wait asks first (`wait`), and gets its turn when nothing has disturbed
it for a moment, or when it has waited for so long that it counts as much as the rest.
"""

from __future__ import annotations

import asyncio
from typing import Final

QUIET: Final = 0.25
"""Seconds without a disturbance that are a lull."""
PATIENCE: Final = 30.0
"""Seconds of disturbances in a row after which nobody waits any longer."""


class Lull:
    """Lives in the event loop that uses it."""

    def __init__(self, *, quiet: float = QUIET, patience: float = PATIENCE) -> None:
        self._quiet = quiet
        self._patience = patience
        self._began = self._latest = float("-inf")

    def disturb(self) -> None:
        """Note that something urgent is being done."""
        now = asyncio.get_running_loop().time()
        if now - self._latest >= self._quiet:
            self._began = now
        self._latest = now

    async def wait(self) -> None:
        """Wait for a lull; returns at once when there is one."""
        while True:
            seconds = self._remaining()
            if seconds <= 0:
                return
            await asyncio.sleep(seconds)

    def _remaining(self) -> float:
        now = asyncio.get_running_loop().time()
        if now - self._began >= self._patience:
            return 0.0
        return self._latest + self._quiet - now
