"""The other end of the supervisor: find it, read what it publishes, ask it for changes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import MachineError
from lab.machines.containers.paths import RunPaths
from lab.machines.containers.spec import VERSION
from lab.machines.port import Link, State

START_TIMEOUT = 10.0
REPLY_TIMEOUT = 180.0


class OtherVersionError(MachineError):
    """A lab runs that this version can only remove."""

    def __init__(self, lab: str, *, project: str, pid: int) -> None:
        super().__init__(
            f"lab {lab} was made by another version of lab", hint="lab down removes it; then lab up"
        )
        self.project = project
        self.pid = pid


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The supervisor's state file, checked against the process that wrote it."""

    pid: int
    project: str
    started: float
    machines: Mapping[str, Mapping[str, Any]]

    def leader(self, machine: str) -> int:
        """Return the host's PID of the machine's first process. Raises MachineError when it does not run."""
        known = self.machines.get(machine)
        if known is None:
            raise MachineError(
                f"there is no machine {machine}", hint=f"machines: {', '.join(self.machines) or 'none'}"
            )
        if known["state"] != State.RUNNING or known["leader"] is None:
            raise MachineError(f"{machine} is {known['state']}", hint=f"lab fault undo {machine}, or lab up")
        return int(known["leader"])


def read(paths: RunPaths) -> Published | None:
    """Return what the lab's supervisor publishes; None when there is no living supervisor.

    Raises OtherVersionError when the lab was made by a version that speaks another language.
    """
    try:
        raw = json.loads(paths.state.read_text())
    except FileNotFoundError:
        return None
    if not _is_supervisor(raw["pid"]):
        return None
    if raw.get("version") != VERSION:
        raise OtherVersionError(paths.lab, project=raw["project"], pid=raw["pid"])
    return Published(pid=raw["pid"], project=raw["project"], started=raw["started"], machines=raw["machines"])


def launch(paths: RunPaths, project: Path) -> None:
    """Start the supervisor and wait until it listens; it outlives the caller. Raises MachineError if it does not."""
    paths.directory.mkdir(parents=True, exist_ok=True)
    paths.state.unlink(missing_ok=True)
    argv = ["unshare", "--mount", "--net", "--pid", "--uts", "--ipc", "--fork", "--kill-child=SIGKILL"]
    argv += [sys.executable, "-I", "-B", "-m", "lab.machines.containers.supervisor", paths.lab, str(project)]
    with paths.log.open("ab") as log:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/"
        )
    deadline = time.monotonic() + START_TIMEOUT
    while read(paths) is None:
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise MachineError(
                f"the lab's supervisor did not start; {paths.log} says why:\n{_tail(paths.log)}"
            )
        time.sleep(0.01)


def ask(paths: RunPaths, request: Mapping[str, Any]) -> dict[str, Any]:
    """Send one request and return the answer's value. Raises MachineError with the supervisor's words."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(REPLY_TIMEOUT)
        try:
            connection.connect(str(paths.control))
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as replies:
                line = replies.readline()
        except OSError as error:
            raise MachineError(f"the supervisor of lab {paths.lab} does not answer: {error}") from error
    if not line:
        raise MachineError(
            f"the supervisor of lab {paths.lab} failed; {paths.log} says why:\n{_tail(paths.log)}"
        )
    reply = json.loads(line)
    if "error" in reply:
        raise MachineError(reply["error"]["message"])
    value: dict[str, Any] = reply["value"]
    return value


def links(known: Mapping[str, Any]) -> dict[str, Link]:
    return {network: Link(**link) for network, link in known["links"].items()}


def _is_supervisor(pid: int) -> bool:
    """Tell whether `pid` still is a supervisor: PIDs are reused, command lines are not."""
    try:
        return b"lab.machines.containers.supervisor" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False


def _tail(path: Path, lines: int = 8) -> str:
    return os.linesep.join(path.read_text(errors="replace").splitlines()[-lines:])
