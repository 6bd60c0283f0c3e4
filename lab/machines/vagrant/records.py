"""What only `lab` knows of its virtual machines: the description each was made from, and how it was configured."""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lab.kits.files import write_atomically


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    description: str = ""
    """Fingerprint of what Vagrant was told of the machine; empty when Vagrant alone made it."""
    configured: str = ""
    boots: int = 1
    since: float = 0.0


class Records:
    """The records of one lab, in a file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        """Machines are dealt with in parallel."""

    def all(self) -> dict[str, Record]:
        try:
            raw = json.loads(self._file.read_text())
        except FileNotFoundError:
            return {}
        return {name: Record(**record) for name, record in raw.items()}

    def get(self, machine: str) -> Record:
        return self.all().get(machine, Record())

    def change(self, machine: str, **changes: Any) -> None:
        """Write down what is new about the machine."""
        with self._lock:
            self._write(self.all() | {machine: replace(self.get(machine), **changes)})

    def drop(self, machine: str) -> None:
        with self._lock:
            self._write({name: record for name, record in self.all().items() if name != machine})

    def _write(self, records: dict[str, Record]) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({name: asdict(record) for name, record in records.items()}, indent=2)
        write_atomically(self._file, text + "\n")
