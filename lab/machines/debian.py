"""The Debian that every machine runs, container or VM: its release, its packages, and how mmdebstrap makes its root."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from lab.errors import HostError

SUITE: Final = "trixie"
BUILD_TIMEOUT: Final = 900.0
NO_ROOM: Final = 64 << 20
MIRROR_VARIABLE: Final = "LAB_DEBIAN_MIRROR"

PACKAGES: Final = (
    # the machine itself
    *(
        "systemd",
        "systemd-sysv",
        "dbus",
        "udev",
        "iproute2",
        "linux-sysctl-defaults",
        "netplan.io",
        "procps",
        "sudo",
        "ca-certificates",
    ),
    # what Ansible and the processes of the lab run on
    *(
        "python3",
        "python3-orjson",
        "python3-aiohttp",
        "python3-cryptography",
        "python3-uvloop",
        "python3-yaml",
    ),
    # router
    "bird2",
    # pods and services on the nodes
    *("crun", "containernetworking-plugins", "nginx-light", "iptables", "nftables", "conntrack", "ipset"),
    # what people type
    *(
        "kubernetes-client",
        "bash-completion",
        "curl",
        "iputils-ping",
        "tcpdump",
        "less",
        "jq",
        "bind9-dnsutils",
    ),
)

DPKG_OPTIONS: Final = (
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
)

DISABLED_UNITS: Final = ("bird.service", "nginx.service")
"""Services that a role enables where they belong."""


def command(
    tree: Path, packages: Sequence[str], *, hooks: Sequence[str] = (), bare: bool = False
) -> list[str]:
    """Return the command that makes a plain Debian root: in namespaces that end, with their mounts, if it is killed.

    `hooks` are shell scripts, with the root as $1. They run before anything but the essential packages is installed;
    with `bare`, nothing is installed at all, and they find apt ready.
    """
    argv = ["unshare", "--mount", "--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc", "mmdebstrap"]
    argv += ["--mode=root", f"--variant={'custom' if bare else 'minbase'}"]
    argv += [f"--include={','.join(packages)}"] if packages else []
    argv += ['--aptopt=APT::Install-Recommends "false"', '--aptopt=Acquire::Languages "none"']
    argv += ['--aptopt=Acquire::Retries "3"', *(f"--dpkgopt={option}" for option in DPKG_OPTIONS)]
    argv += [*(f"--{'setup' if bare else 'essential'}-hook={hook}" for hook in hooks), SUITE, str(tree)]
    mirror = os.environ.get(MIRROR_VARIABLE)
    return [*argv, mirror] if mirror else argv


def bootstrap(
    tree: Path,
    packages: Sequence[str],
    on_line: Callable[[str], None],
    *,
    hooks: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> None:
    """Make a Debian root in `tree`; `on_line` gets mmdebstrap's messages. Raises HostError with its last words."""
    lines: list[str] = []
    with subprocess.Popen(
        command(tree, packages, hooks=hooks),
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            for line in process.stdout or ():
                lines.append(line.rstrip())
                on_line(lines[-1])
            process.wait(timeout=BUILD_TIMEOUT)
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        _blame_a_full_disk(tree.parent)
        said = "\n".join(lines[-6:])
        raise HostError(
            f"mmdebstrap could not build the Debian base:\n{said}",
            hint=f"a Debian mirror must be reachable; {MIRROR_VARIABLE}=URL names another one",
        )


def _blame_a_full_disk(directory: Path) -> None:
    """Raise the error that `Shelf.make` knows when there is no room left: mmdebstrap only says that dpkg failed."""
    if shutil.disk_usage(directory).free < NO_ROOM:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
