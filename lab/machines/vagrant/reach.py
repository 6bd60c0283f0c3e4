"""How to get into a virtual machine: ssh, with one connection kept open a machine, from what Vagrant noted down."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from lab.errors import MachineError

OPTIONS: Final = {
    # Machines come and go under the same address: a known key would only be in the way.
    "StrictHostKeyChecking": "no",
    "UserKnownHostsFile": "/dev/null",
    "IdentitiesOnly": "yes",
    "PasswordAuthentication": "no",
    "ConnectTimeout": "10",
    "LogLevel": "ERROR",
}
TIMEOUT: Final = "120"
"""Seconds that Ansible waits for a connection or for sudo: ten, its own, are few under emulation."""
PERSIST: Final = "60"
"""Seconds that an idle connection stays open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    host: str
    port: int
    user: str
    keys: tuple[str, ...]

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read what the Vagrantfile wrote. Raises MachineError when Vagrant never brought the machine up."""
        try:
            raw = json.loads(file.read_text())
            port, keys = int(raw.get("port") or 22), tuple(raw["private_key_path"])
            return cls(host=raw["host"], port=port, user=raw["username"], keys=keys)
        except (FileNotFoundError, AttributeError, TypeError, KeyError) as error:
            raise MachineError(f"Vagrant did not say how to reach {file.stem}", hint="lab up") from error

    def command(self, argv: Sequence[str], *, user: str, terminal: bool) -> list[str]:
        """Return the ssh command that runs `argv` as `user`, in a terminal of its own if asked."""
        # %C is a hash of host, port and user: every machine has a connection of its own.
        control = {"ControlMaster": "auto", "ControlPersist": PERSIST, "ControlPath": f"{_sockets()}/%C"}
        ssh = ["ssh", "-F", "none", *options(OPTIONS | control), *(f"-i{key}" for key in self.keys)]
        ssh += [f"-p{self.port}", "-t" if terminal else "-T", f"{self.user}@{self.host}"]
        return [*ssh, "--", *self._words(argv, user, terminal=terminal)]

    def _words(self, argv: Sequence[str], user: str, *, terminal: bool) -> list[str]:
        if terminal and not argv:
            return [] if user == self.user else ["sudo", "--login", f"--user={user}"]
        become = [] if user == self.user else ["sudo", f"--user={user}", "--"]
        return [shlex.join([*become, *argv])]

    def variables(self) -> dict[str, str | bool]:
        """Return the variables that tell Ansible the same."""
        return {
            "ansible_connection": "ssh",
            "ansible_host": self.host,
            "ansible_port": str(self.port),
            "ansible_user": self.user,
            "ansible_ssh_private_key_file": self.keys[0],
            "ansible_ssh_common_args": shlex.join(options(OPTIONS)),
            "ansible_ssh_timeout": TIMEOUT,
        }


def options(values: dict[str, str]) -> list[str]:
    return [f"-o{name}={value}" for name, value in values.items()]


def _sockets() -> Path:
    """Return a directory with a short path for ssh's sockets, whose names may have 104 bytes."""
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp")  # noqa: S108  # a directory of the user's own below it
    directory = runtime / f"lab-ssh-{os.getuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    if directory.stat().st_uid != os.getuid() or directory.stat().st_mode & 0o077:
        raise MachineError(f"{directory} is not this user's alone", hint=f"remove {directory}")
    return directory
