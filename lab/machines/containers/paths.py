"""Where a lab of machine containers keeps what: run-time state under /run, nothing anywhere else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

RUN = Path("/run/lab")


@dataclass(frozen=True, slots=True)
class RunPaths:
    """The run-time files of one lab. `/run` is a tmpfs: a reboot of the host removes lab and files together."""

    lab: str

    @property
    def directory(self) -> Path:
        return RUN / self.lab

    @property
    def state(self) -> Path:
        return self.directory / "state.json"

    @property
    def control(self) -> Path:
        return self.directory / "control.sock"

    @property
    def log(self) -> Path:
        return self.directory / "supervisor.log"

    @property
    def supervisor_lock(self) -> Path:
        return self.directory / "supervisor.lock"

    @property
    def verb_lock(self) -> Path:
        """Held by the verb that changes the lab; outside of `directory`, which `lab down` removes."""
        return RUN / f"{self.lab}.lock"

    @property
    def filesystems(self) -> Path:
        """A tmpfs with the writable layers and mounted roots, visible only in the supervisor's mount namespace."""
        return self.directory / "fs"

    @property
    def host_proc(self) -> Path:
        """The host's /proc, kept by the supervisor to translate PIDs into those that the host sees."""
        return self.filesystems / "host-proc"

    def console(self, machine: str) -> Path:
        return self.directory / f"{machine}.console"
