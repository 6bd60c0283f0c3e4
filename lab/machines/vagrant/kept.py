"""Configurations kept from one virtual machine for the next: every file that is younger than the box, in an archive.

A disk is too large to keep one for each configuration, and Vagrant makes machines from boxes alone; but the roles write a
few megabytes, and no file of the lab's own box is younger than its recipe's date. What the roles remove comes back: those
that prepare machines remove nothing of the box.
"""

from __future__ import annotations

import hashlib
import shlex
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

from lab.errors import MachineError
from lab.kits.files import content_digest
from lab.machines.cache import Shelf, cache_directory
from lab.machines.forget import FORGET
from lab.machines.vagrant import recipe

Enter = Callable[[Sequence[str]], list[str]]
"""Makes a host command of a command that root runs on the machine."""

ARCHIVE: Final = "files.tar"
ROOT: Final = "/"
OWN: Final = ("etc/hostname", "etc/netplan/50-lab.yaml", "etc/ssh/ssh_host_*", "home/vagrant/.ansible")
"""What each machine has of itself, beside what every family of machines forgets."""
TIMEOUT: Final = 600.0
COLLECT: Final = """
cd "$0"
find . -xdev {forget} -prune -o ! -path . -newerct @{epoch} -print0 |
    tar --create --null --no-recursion --numeric-owner --files-from=-
"""
# netplan is one of systemd's generators. What is enabled by now is started, as at a boot.
APPLY: Final = """
set -e
tar --extract --directory="$0" --numeric-owner --same-permissions --no-overwrite-dir
systemctl daemon-reload
systemctl restart systemd-modules-load systemd-sysctl
systemctl reload-or-restart systemd-networkd
systemctl start multi-user.target
"""


def shelf() -> Shelf:
    return Shelf(cache_directory() / "machines", digest=content_digest)


def is_kept(configuration: str) -> bool:
    """Tell whether `configuration` was kept for machines of the present box, and is undamaged."""
    return shelf().get(_name(configuration)) is not None


def keep(configuration: str, enter: Enter) -> None:
    """Keep what the machine has, that `enter` leads to, and its box has not."""
    directory = shelf().directory
    directory.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=directory) as archive:
        _run(enter(["sh", "-c", collect(), ROOT]), output=archive.fileno())

        def fill(tree: Path) -> None:
            tree.mkdir()
            shutil.copyfile(archive.name, tree / ARCHIVE)

        shelf().make(_name(configuration), fill)


def apply(configuration: str, enter: Enter) -> None:
    """Give `configuration` to a fresh machine that runs. Raises MachineError when it does not take it."""
    with (shelf().entry(_name(configuration)).tree / ARCHIVE).open("rb") as archive:
        _run(enter(["sh", "-c", APPLY, ROOT]), source=archive.fileno())


def collect() -> str:
    """Return the script that writes the archive to its standard output."""
    paths = [f"-path {shlex.quote(f'./{path}')}" for path in (*FORGET, *OWN)]
    return COLLECT.format(forget=f"\\( {' -o '.join(paths)} \\)", epoch=recipe.EPOCH)


def _name(configuration: str) -> str:
    return hashlib.sha256(f"{configuration} {recipe.version()}".encode()).hexdigest()[:32]


def _run(argv: Sequence[str], *, source: int = subprocess.DEVNULL, output: int = subprocess.DEVNULL) -> None:
    try:
        done = subprocess.run(
            argv, stdin=source, stdout=output, stderr=subprocess.PIPE, timeout=TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise MachineError(
            f"a configuration was not moved within {TIMEOUT:g} s", hint="lab up again"
        ) from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise MachineError(f"a configuration could not be moved: {said}", hint="lab up --no-cache")
