"""Waiting for what other machines do: longer where `lab test` says that they are slow."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from lab.actions.checks import SLOWNESS_VARIABLE

SLOWNESS = float(os.environ.get(SLOWNESS_VARIABLE, "1"))
"""What every bound in seconds is multiplied by."""
PATIENCE = 30.0
POLL = 0.1


def wait_until(claim: Callable[[], bool], *, patience: float = PATIENCE) -> bool:
    """Return whether `claim` came true within `patience` seconds of a lab that is not slow."""
    deadline = time.monotonic() + patience * SLOWNESS
    while not claim():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL * SLOWNESS)
    return True
