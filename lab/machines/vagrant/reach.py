"""How to get into a virtual machine: ssh, with one connection kept open for each user, from what Vagrant noted down.

Ansible goes by the same connections: under emulation, making one costs the machine a second of its processor.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
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
    # A frozen machine says nothing: after a minute of it, whoever waits is told.
    "ServerAliveInterval": "10",
    "ServerAliveCountMax": "6",
    "LogLevel": "ERROR",
}
TIMEOUT: Final = "120"
"""Seconds that Ansible waits for a connection or for sudo: ten, its own, are few under emulation."""
PERSIST: Final = "600"
"""Seconds that an idle connection stays open; `close` ends it before."""
ROOT: Final = "root"
CLOSE_TIMEOUT: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    host: str
    port: int
    user: str
    keys: tuple[str, ...]
    root: bool
    """Whether the same keys let root in: that spares sudo, which costs more than most of what it runs."""

    @classmethod
    def read(cls, file: Path, *, root: bool) -> Self:
        """Read what the Vagrantfile wrote. Raises MachineError when Vagrant never brought the machine up."""
        try:
            raw = json.loads(file.read_text())
            port, keys = int(raw.get("port") or 22), tuple(raw["private_key_path"])
            return cls(host=raw["host"], port=port, user=raw["username"], keys=keys, root=root)
        except (FileNotFoundError, AttributeError, TypeError, KeyError) as error:
            raise MachineError(f"Vagrant did not say how to reach {file.stem}", hint="lab up") from error

    def command(self, argv: Sequence[str], *, user: str, terminal: bool) -> list[str]:
        """Return the ssh command that runs `argv` as `user`, in a terminal of its own if asked."""
        login = user if user == ROOT and self.root else self.user
        words = [*self._ssh(login, "-t" if terminal else "-T"), "--"]
        if terminal and not argv:
            return words if user == login else [*words, "sudo", "--login", f"--user={user}"]
        become = [] if user == login else ["sudo", f"--user={user}", "--"]
        return [*words, shlex.join([*become, *argv])]

    def variables(self) -> dict[str, str | bool]:
        """Return the variables that tell Ansible the same."""
        become: dict[str, str | bool] = {"ansible_become": False} if self.root else {}
        return {
            "ansible_connection": "ssh",
            "ansible_host": self.host,
            "ansible_port": str(self.port),
            "ansible_user": ROOT if self.root else self.user,
            "ansible_ssh_private_key_file": self.keys[0],
            "ansible_ssh_args": shlex.join(["-F", "none", *options(OPTIONS | _control())]),
            "ansible_ssh_timeout": TIMEOUT,
            **become,
        }

    def farewells(self) -> list[list[str]]:
        """Return the commands that end the connections that are kept open."""
        return [self._ssh(user, "-O", "exit") for user in sorted({self.user, ROOT})]

    def close(self) -> None:
        """End the connections that are kept open, if there are any."""
        for argv in self.farewells():
            subprocess.run(argv, capture_output=True, timeout=CLOSE_TIMEOUT, check=False)

    def _ssh(self, login: str, *more: str) -> list[str]:
        keys = (f"-i{key}" for key in self.keys)
        common = ["ssh", "-F", "none", *options(OPTIONS | _control()), *keys, f"-p{self.port}"]
        return [*common, *more, f"{login}@{self.host}"]


def _control() -> dict[str, str]:
    # %C is a hash of host, port and user: every machine and user has a connection of its own.
    return {"ControlMaster": "auto", "ControlPersist": PERSIST, "ControlPath": f"{_sockets()}/%C"}


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
