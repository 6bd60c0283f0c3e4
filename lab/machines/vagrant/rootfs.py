"""From packages to a root file system that boots: no mount, no loop device, the same bytes every time."""

from __future__ import annotations

import os
import shlex
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from lab.kits.files import walk
from lab.kits.shell import run
from lab.machines import debian
from lab.machines.vagrant import recipe

VOLATILE: Final = (
    *("etc/ssh/ssh_host_*", "etc/motd", "etc/update-motd.d/*", "etc/.pwd.lock"),
    *("var/lib/dbus/machine-id", "var/lib/systemd/random-seed", "var/lib/systemd/catalog/database"),
    *(
        "var/lib/apt/lists/*",
        "var/cache/apt/*.bin",
        "var/cache/apt/archives/*",  # its owner depends on where the root was made
        "var/cache/ldconfig/aux-cache",
        "var/cache/debconf/*-old",
    ),
    *("var/lib/dpkg/*-old", "var/log/*", "var/lib/apt/extended_states", "etc/*-", "tmp/*", "run/*"),
)
"""What differs from build to build, or must differ from machine to machine."""


def fill(root: Path, on_line: Callable[[str], None], *, keys: str) -> None:
    """Make the root file system in `root`; the user may log in with `keys`, lines of authorized_keys."""
    hooks = [_write_hook(name, content) for name, content in recipe.INITRAMFS.items()]
    environment = {"SOURCE_DATE_EPOCH": str(recipe.EPOCH)}
    debian.bootstrap(root, recipe.PACKAGES, on_line, hooks=hooks, environment=environment)
    on_line("customise")
    _write_files(root)
    _add_user(root, keys)
    _choose_units(root)
    # Vagrant looks for netplan as a user whose PATH has no sbin on Debian.
    (root / "usr/local/bin/netplan").symlink_to("/usr/sbin/netplan")
    run(["chroot", str(root), "python3", "-m", "compileall", "-q", "/usr/lib/python3"], timeout=300)
    _forget(root)
    _age(root)


def _write_hook(name: str, content: str) -> str:
    path = f'"$1"/{name}'
    mode = "755" if content.startswith("#!") else "644"
    return f"mkdir -p $(dirname {path}); printf %s {shlex.quote(content)} > {path}; chmod {mode} {path}"


def _write_files(root: Path) -> None:
    for name, content in recipe.FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_text(content)
        path.chmod(recipe.MODES.get(name, 0o644))


def _add_user(root: Path, keys: str) -> None:
    # "*": no password fits, but unlike "!" the account is not locked, which would refuse keys too.
    account = ["useradd", "--create-home", "--shell=/bin/bash", "--user-group", "--password=*", recipe.USER]
    run(["chroot", str(root), *account], env={**os.environ, "SOURCE_DATE_EPOCH": str(recipe.EPOCH)})
    # Root as well: the user may become root without a password, and sudo costs half a second under emulation.
    for home in (f"home/{recipe.USER}", "root"):
        ssh = root / home / ".ssh"
        ssh.mkdir(mode=0o700, exist_ok=True)
        (ssh / "authorized_keys").write_text(keys)
        (ssh / "authorized_keys").chmod(0o600)
    run(["chroot", str(root), "chown", "-R", f"{recipe.USER}:", f"/home/{recipe.USER}/.ssh"])


def _choose_units(root: Path) -> None:
    units = root / "etc/systemd/system"
    for timer in units.glob("timers.target.wants/*"):
        timer.unlink()
    generators = root / "etc/systemd/system-generators"
    generators.mkdir(exist_ok=True)
    for generator in recipe.MASKED_GENERATORS:
        (generators / generator).symlink_to("/dev/null")
    systemctl = ["systemctl", f"--root={root}", "--quiet"]
    run([*systemctl, "mask", *recipe.MASKED_UNITS])
    run([*systemctl, "disable", *debian.DISABLED_UNITS])
    run([*systemctl, "enable", *recipe.ENABLED_UNITS])
    run([*systemctl, "set-default", "multi-user.target"])


def _forget(root: Path) -> None:
    for pattern in VOLATILE:
        for path in root.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _age(root: Path) -> None:
    """Give nothing a time after the recipe's, and no directory an earlier one: those are as old as their build."""
    for name, status in walk(root):
        if status.st_mtime > recipe.EPOCH or stat.S_ISDIR(status.st_mode):
            os.utime(root / name, (recipe.EPOCH, recipe.EPOCH), follow_symlinks=False)
    os.utime(root, (recipe.EPOCH, recipe.EPOCH))
