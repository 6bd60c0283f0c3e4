"""Waiting for what other machines do."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 30.0
POLL = 0.1


def wait_until(claim: Callable[[], bool], *, patience: float = PATIENCE) -> bool:
    """Return whether `claim` came true within `patience` seconds."""
    deadline = time.monotonic() + patience
    while not claim():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL)
    return True
