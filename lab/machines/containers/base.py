"""The shared base of all machine containers: a Debian root file system, made once by mmdebstrap.

The recipe is data, and its hash is the base's name: a changed recipe makes a new base beside the old one.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from lab.kits.shell import run
from lab.machines import debian
from lab.machines.cache import Entry
from lab.machines.containers.shelves import bases
from lab.machines.debian import DISABLED_UNITS, DPKG_OPTIONS, PACKAGES, SUITE

MASKED_UNITS: Final = (
    "console-getty.service",
    "getty.target",
    "modprobe@.service",
    "systemd-logind.service",
    "systemd-networkd-wait-online.service",
    "systemd-remount-fs.service",
)
"""Units that a machine container has no use for, or that wait for what it has not."""

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
        debian.bootstrap(tree, PACKAGES, on_line)
        _customise(tree)

    return bases().make(fingerprint(), fill)


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
