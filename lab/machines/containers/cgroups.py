"""The control groups of a lab: one directory a machine, in every hierarchy that matters here.

Works on a unified host (cgroup v2 alone) and on a hybrid one (v1 controllers beside an empty v2 tree).
The directories also mark ownership: a process in one of them belongs to the lab, whatever else was lost.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path

from lab.errors import HostError

ROOT = Path("/sys/fs/cgroup")
HYBRID = ("unified", "systemd", "memory", "pids")
REMOVAL_DEADLINE = 5.0


def _hierarchies() -> list[Path]:
    if (ROOT / "cgroup.procs").exists():
        return [ROOT]
    return [ROOT / name for name in HYBRID if (ROOT / name / "cgroup.procs").exists()]


def directories(lab: str, machine: str = "") -> list[Path]:
    """Return the lab's (or one machine's) directory in each hierarchy, the v2 one first."""
    return [top / f"lab-{lab}" / machine for top in _hierarchies()]


def join(lab: str, machine: str) -> None:
    """Move the calling process into the machine's groups, making them where they are missing."""
    for directory in directories(lab, machine):
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "cgroup.procs").write_text("0")


def freeze(lab: str, machine: str, *, frozen: bool) -> None:
    """Stop or continue every process of the machine (cgroup v2 freezer)."""
    (directories(lab, machine)[0] / "cgroup.freeze").write_text("1" if frozen else "0")


def memory(lab: str, machine: str) -> int | None:
    """Return the bytes that the machine's processes and page cache are charged, where a controller counts them."""
    for directory in directories(lab, machine):
        for name in ("memory.current", "memory.usage_in_bytes"):
            if (directory / name).exists():
                return int((directory / name).read_text())
    return None


def processes(lab: str) -> set[int]:
    """Return the PIDs of every process of the lab, as seen from the caller's PID namespace."""
    return {
        int(line)
        for group in _groups(lab)
        if (group / "cgroup.procs").exists()
        for line in (group / "cgroup.procs").read_text().split()
        if line != "0"
    }


def remove(lab: str) -> None:
    """Remove the lab's groups; they empty a moment after their processes ended. Raises HostError if they do not."""
    deadline = time.monotonic() + REMOVAL_DEADLINE
    for group in _groups(lab):
        while True:
            try:
                group.rmdir()
            except FileNotFoundError:
                break
            except OSError as error:
                if error.errno != errno.EBUSY or time.monotonic() > deadline:
                    raise HostError(
                        f"{group} cannot be removed: {error.strerror}",
                        hint="is a lab of this name up in another container of this host? name one otherwise in lab.yml",
                    ) from error
                time.sleep(0.005)
            else:
                break


def _groups(lab: str) -> Iterator[Path]:
    """Yield every group of the lab, children before parents."""
    for top in directories(lab):
        for directory, _, _ in os.walk(top, topdown=False):
            yield Path(directory)
