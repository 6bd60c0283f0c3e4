"""The shared base of all machine containers: a Debian root file system, made once by mmdebstrap.

The recipe is data, and its hash is the base's name: a changed recipe makes a new base beside the old one.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

from lab.errors import HostError
from lab.kits.shell import run
from lab.machines.containers.cache import Entry, bases

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

MASKED_UNITS: Final = (
    "console-getty.service",
    "getty.target",
    "modprobe@.service",
    "systemd-logind.service",
    "systemd-networkd-wait-online.service",
    "systemd-remount-fs.service",
)
"""Units that a machine container has no use for, or that wait for what it has not."""

DISABLED_UNITS: Final = ("bird.service", "nginx.service")
"""Services that a role enables where they belong."""

FILES: Final = {
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n",
    "etc/systemd/journald.conf.d/lab.conf": "[Journal]\nStorage=volatile\nRuntimeMaxUse=16M\n",
    # There is no udevd in a machine container: /sys is read-only. netplan needs these verbs only to succeed.
    "usr/local/bin/udevadm": (
        "#!/bin/sh\n"
        "# No udevd runs in a machine container; netplan apply only needs these verbs to succeed.\n"
        'case "$1" in trigger | settle | control) exit 0 ;; esac\n'
        'exec /usr/bin/udevadm "$@"\n'
    ),
}
EXECUTABLE: Final = frozenset({"usr/local/bin/udevadm"})


def fingerprint() -> str:
    """Return the name of the base that the present recipe makes."""
    recipe = repr((SUITE, PACKAGES, DPKG_OPTIONS, MASKED_UNITS, DISABLED_UNITS, FILES, os.uname().machine))
    return f"{SUITE}-{hashlib.sha256(recipe.encode()).hexdigest()[:16]}"


def find() -> Entry | None:
    """Return the base if it is in the cache, undamaged."""
    return bases().get(fingerprint())


def build(on_line: Callable[[str], None]) -> Entry:
    """Make the base; `on_line` gets mmdebstrap's messages. Takes about 40 s and 400 MB, and needs a Debian mirror."""

    def fill(tree: Path) -> None:
        _debootstrap(tree, on_line)
        _customise(tree)

    return bases().make(fingerprint(), fill)


def command(tree: Path) -> list[str]:
    """Return the command that makes the plain Debian root: in namespaces that end, with their mounts, if it is killed."""
    argv = ["unshare", "--mount", "--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc", "mmdebstrap"]
    argv += ["--mode=root", "--variant=minbase", f"--include={','.join(PACKAGES)}"]
    argv += ['--aptopt=APT::Install-Recommends "false"', '--aptopt=Acquire::Languages "none"']
    argv += ['--aptopt=Acquire::Retries "3"', *(f"--dpkgopt={option}" for option in DPKG_OPTIONS)]
    argv += [SUITE, str(tree)]
    mirror = os.environ.get(MIRROR_VARIABLE)
    return [*argv, mirror] if mirror else argv


def _debootstrap(tree: Path, on_line: Callable[[str], None]) -> None:
    lines: list[str] = []
    with subprocess.Popen(
        command(tree), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
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


def _customise(tree: Path) -> None:
    units = tree / "etc/systemd/system"
    for unit in MASKED_UNITS:
        (units / unit).unlink(missing_ok=True)
        (units / unit).symlink_to("/dev/null")
    wants = units / "multi-user.target.wants"
    for unit in DISABLED_UNITS:
        (wants / unit).unlink(missing_ok=True)
    for timers in units.glob("timers.target.wants/*"):
        timers.unlink()
    (wants / "systemd-networkd.service").unlink(missing_ok=True)
    (wants / "systemd-networkd.service").symlink_to("/usr/lib/systemd/system/systemd-networkd.service")
    for name, content in FILES.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(0o755 if name in EXECUTABLE else 0o644)
    (tree / "etc/machine-id").write_text("")
    (tree / "etc/hostname").unlink(missing_ok=True)
    (tree / "etc/resolv.conf").unlink(missing_ok=True)
    (tree / "etc/resolv.conf").write_text("")
    (tree / "etc/netplan").mkdir(exist_ok=True)
    run(
        ["chroot", str(tree), "python3", "-m", "compileall", "-q", "/usr/lib/python3", "/usr/lib/python3.13"],
        timeout=300,
    )
