"""One boot of one machine: the systemd-nspawn command, its environment, and what it reports while it runs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lab.machines.containers import cgroups

REBOOT_EXIT = 133
"""Exit code of nspawn when the machine asks for a reboot and --keep-unit forbids nspawn to do it itself."""
POWEROFF = signal.SIGRTMIN + 4
REBOOT = signal.SIGRTMIN + 5


def command(*, name: str, root: Path, namespace: str) -> list[str]:
    """Return the command that boots `root` in the network namespace, without a word to any machine registry."""
    return [
        "systemd-nspawn",
        "--quiet",
        "--register=no",
        "--keep-unit",
        "--boot",
        f"--directory={root}",
        f"--machine={name}",
        f"--network-namespace-path=/run/netns/{namespace}",
        "--console=pipe",
        "--notify-ready=yes",
        "--link-journal=no",
        "--resolv-conf=off",
        "--timezone=off",
        "--capability=all",
        f"--kill-signal={int(POWEROFF)}",
    ]


def environment(notify: Path) -> dict[str, str]:
    """Return nspawn's environment.

    /proc/sys/net is writable and the rest of /sys and /proc/sys is not: a fully writable /sys would make every
    machine's udev trigger all of the host's devices. The unified hierarchy is what crun needs inside.
    """
    return {
        "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
        "NOTIFY_SOCKET": str(notify),
        "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network",
        "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
    }


def listen_for_notifications(path: Path) -> socket.socket:
    """Bind the datagram socket on which nspawn says READY=1 and X_NSPAWN_LEADER_PID=… (sd_notify(3))."""
    path.unlink(missing_ok=True)
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    notify.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    notify.bind(str(path))
    return notify


@dataclass(frozen=True, slots=True)
class Report:
    """What one notification said."""

    leader: int | None
    ready: bool


def parse_notification(message: bytes) -> Report:
    fields = dict(line.split("=", 1) for line in message.decode(errors="replace").splitlines() if "=" in line)
    leader = fields.get("X_NSPAWN_LEADER_PID")
    return Report(leader=int(leader) if leader else None, ready=fields.get("READY") == "1")


def spawn(argv: list[str], *, lab: str, machine: str, notify: Path, console: Path) -> subprocess.Popen[bytes]:
    """Start nspawn in the machine's control groups, its console appended to a file."""
    with console.open("ab") as output:
        return subprocess.Popen(
            argv,
            env=environment(notify),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=lambda: cgroups.join(lab, machine),  # noqa: PLW1509  # this process has one thread
        )
