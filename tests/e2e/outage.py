"""Outages, as a probe on the client sees them (tests.e2e.probe)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lab.topology.model import Address
from tests.e2e.eventually import SLOWNESS

INTERVAL = 0.05 * SLOWNESS
"""Seconds from one question to the next."""
ANSWER_PATIENCE = 1.0 * SLOWNESS
"""Seconds after which a question counts as not answered."""
GAP = 1.0
"""Seconds of answers between two failures that make them two outages."""
SCRIPT = Path(__file__).with_name("probe.py")
END_PATIENCE = 30 * SLOWNESS


Enter = Callable[[list[str]], list[str]]
"""Makes a host command of a command on the client."""


@dataclass(slots=True)
class Seen:
    """What the probe saw; filled when it has ended."""

    asked: int = 0
    failed: list[float] = field(default_factory=list)

    @property
    def windows(self) -> list[tuple[float, float]]:
        """Return begin and end of each outage, in seconds since the probe's start."""
        return windows(self.failed)

    @property
    def longest(self) -> float:
        return max((end - begin for begin, end in self.windows), default=0.0)

    def __str__(self) -> str:
        outages = ", ".join(f"{end - begin:.2f} s from {begin:.2f} s" for begin, end in self.windows)
        return f"{len(self.failed)} of {self.asked} questions without an answer; outages: {outages or 'none'}"


def windows(failed: Iterable[float]) -> list[tuple[float, float]]:
    """Join the times of failures into outages. One failure alone lasts as long as the probe did not ask again."""
    found: list[tuple[float, float]] = []
    for at in sorted(failed):
        if found and at - found[-1][1] <= GAP:
            found[-1] = (found[-1][0], at + INTERVAL)
        else:
            found.append((at, at + INTERVAL))
    return found


@contextmanager
def watched(enter: Enter, address: Address) -> Iterator[Seen]:
    """Probe the address from the client for as long as the block runs."""
    seen = Seen()
    argv = enter(
        ["python3", "-c", SCRIPT.read_text(), str(address), "80", str(INTERVAL), str(ANSWER_PATIENCE)]
    )
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield seen
            output, _ = process.communicate(timeout=END_PATIENCE)
        except BaseException:
            process.kill()
            raise
    said = json.loads(output)
    seen.asked, seen.failed = said["asked"], said["failed"]
