"""Runs commands in a machine container by entering the namespaces of its first process.

A reboot gives a machine another first process, so it is looked up for every command in the state file that the lab's
supervisor publishes.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.connection import ConnectionBase

DOCUMENTATION = """
    name: lab_machine
    short_description: enter a machine container of a lab
    description:
      - Enters the namespaces of the machine's first process with nsenter(1), as root.
    options:
      state:
        description: The state file of the lab's supervisor.
        type: path
        required: true
        vars:
          - name: ansible_lab_state
      remote_user:
        description: Whom commands run as; Ansible asks, in order not to become root twice.
        type: str
        default: root
        choices: [root]
"""

NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd")
ENVIRONMENT = (
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "USER=root",
    "LANG=C.UTF-8",
)


class Connection(ConnectionBase):  # type: ignore[misc]  # Ansible has no types
    transport = "lab_machine"
    has_pipelining = True

    def _connect(self) -> Connection:
        self._connected = True
        return self

    def exec_command(
        self,
        cmd: str,
        in_data: bytes | None = None,
        sudoable: bool = True,  # noqa: FBT001, FBT002  # Ansible calls it so
    ) -> tuple[int, bytes, bytes]:
        """Run `cmd` in a shell of the machine; returns its exit code, output and errors."""
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        # Not inventory_hostname, which stays the first machine's where a task is delegated to another.
        first = leader(Path(self.get_option("state")), self._play_context.remote_addr)
        argv = ["nsenter", f"--target={first}", *NAMESPACES, "--", "env", "-i", *ENVIRONMENT, "sh", "-c", cmd]
        done = subprocess.run(argv, input=in_data or b"", capture_output=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def put_file(self, in_path: str, out_path: str) -> None:
        """Copy a file of the host to the machine."""
        super().put_file(in_path, out_path)
        # Not through /proc/PID/root: the host would resolve absolute links of the machine against its own root.
        self._must(f"cat > {shlex.quote(out_path)}", Path(in_path).read_bytes())

    def fetch_file(self, in_path: str, out_path: str) -> None:
        """Copy a file of the machine to the host."""
        super().fetch_file(in_path, out_path)
        Path(out_path).write_bytes(self._must(f"cat {shlex.quote(in_path)}"))

    def close(self) -> None:
        self._connected = False

    def _must(self, cmd: str, in_data: bytes | None = None) -> bytes:
        code, out, err = self.exec_command(cmd, in_data=in_data)
        if code != 0:
            raise AnsibleError(f"{cmd}: {err.decode(errors='replace').strip()}")
        return out


def leader(state: Path, machine: str) -> int:
    """Return the host's PID of the machine's first process. Raises AnsibleConnectionFailure when it does not run."""
    try:
        published = json.loads(state.read_text())
    except FileNotFoundError:
        raise AnsibleConnectionFailure(
            f"no lab runs here: there is no {state}; start it with lab up"
        ) from None
    known: dict[str, Any] = published["machines"].get(machine, {"state": "absent", "leader": None})
    if known["leader"] is None:
        raise AnsibleConnectionFailure(f"{machine} is {known['state']}; lab up starts it")
    pid = int(known["leader"])
    if not _is_first_of_a_namespace(pid):
        raise AnsibleConnectionFailure(
            f"{machine} is gone, and {state} is out of date; lab up starts it anew"
        )
    return pid


def _is_first_of_a_namespace(pid: int) -> bool:
    """Tell whether `pid` is PID 1 of a namespace below ours, as the PID of a dead machine that was reused is not."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    nested = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[1:]
    return len(nested) > 1 and nested[-1] == "1"
