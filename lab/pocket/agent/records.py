"""What an agent writes down about pods that run, so that the next agent can take them over.

All of it lives in the pod's directory under the agent's run directory, which a boot empties.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import orjson

from lab.kits.files import write_atomically

POD: Final = "pod.json"
RUN: Final = "run.json"


@dataclass(frozen=True, slots=True)
class PodRecord:
    """A pod whose network is made."""

    ips: Sequence[str]
    initialized: bool = False
    """Whether its init containers have done their work."""

    def save(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        write_atomically(directory / POD, orjson.dumps(asdict(self)).decode())

    @classmethod
    def load(cls, directory: Path) -> PodRecord | None:
        """Return what is written about a pod, or None."""
        with suppress(OSError, orjson.JSONDecodeError, TypeError):
            return cls(**orjson.loads((directory / POD).read_bytes()))
        return None


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run of a container."""

    name: str
    id: str
    pid: int
    birth: str
    """When the process was started, in ticks: numbers of processes are used again."""
    restarts: int
    started: str
    image_id: str
    stop_signal: str
    terminal: bool

    def save(self, place: Path) -> None:
        write_atomically(place / RUN, orjson.dumps(asdict(self)).decode())


def runs(directory: Path) -> list[tuple[Path, RunRecord]]:
    """Return the runs of a pod's containers that are written down, each with its place."""
    found = []
    for path in sorted(directory.glob(f"c/*/{RUN}")):
        with suppress(OSError, orjson.JSONDecodeError, TypeError):
            found.append((path.parent, RunRecord(**orjson.loads(path.read_bytes()))))
    return found
