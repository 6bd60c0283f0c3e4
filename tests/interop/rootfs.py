"""Where the daemons of other people live: a Debian root with BIRD, FRR, GoBGP, OpenBGPD and ExaBGP in it.

`$LAB_INTEROP_ROOTFS` names one; else it is a layer over the base of the machine containers, which
`python -m tests.interop.rootfs` makes once (a minute and a Debian mirror).
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from pathlib import Path
from typing import Final

from lab.errors import HostError
from lab.kits.files import shape_digest
from lab.kits.shell import run
from lab.machines.cache import Shelf, cache_directory
from lab.machines.containers import base

VARIABLE: Final = "LAB_INTEROP_ROOTFS"
PACKAGES: Final = ("bird2", "frr", "gobgpd", "openbgpd", "exabgp", "iproute2")
_INSTALL: Final = """
set -e
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2,workdir=$3" "$4"
mount -t proc proc "$4/proc"
mount --rbind /dev "$4/dev"
mount --bind /etc/resolv.conf "$4/etc/resolv.conf"
printf '#!/bin/sh\\nexit 101\\n' > "$4/usr/sbin/policy-rc.d"
chmod 755 "$4/usr/sbin/policy-rc.d"
shift 3
tree=$1
shift
export DEBIAN_FRONTEND=noninteractive
chroot "$tree" apt-get -q update
chroot "$tree" apt-get -q install -y --no-install-recommends "$@"
rm -rf "$tree/var/lib/apt/lists" "$tree/var/cache/apt" "$tree/usr/sbin/policy-rc.d"
"""


def _shelf() -> Shelf:
    return Shelf(cache_directory() / "interop", digest=shape_digest)


def _name() -> str:
    return hashlib.sha256(repr((base.fingerprint(), PACKAGES)).encode()).hexdigest()[:16]


def find() -> tuple[Path, ...]:
    """Return the directories to stack, uppermost first; nothing when there is no such root yet."""
    named = os.environ.get(VARIABLE)
    if named:
        return (Path(named),)
    below, layer = base.find(), _shelf().get(_name())
    return (layer.tree, below.tree) if below and layer else ()


def build() -> None:
    """Install the daemons over the base. Raises HostError."""
    below = base.find() or base.build(lambda line: None)

    def fill(tree: Path) -> None:
        tree.mkdir()
        with tempfile.TemporaryDirectory(dir=tree.parent) as directory:
            work, merged = Path(directory, "work"), Path(directory, "merged")
            work.mkdir()
            merged.mkdir()
            places = [str(below.tree), str(tree), str(work), str(merged)]
            isolated = ["unshare", "--mount", "--pid", "--fork", "--kill-child=SIGKILL"]
            run([*isolated, "sh", "-c", _INSTALL, "install", *places, *PACKAGES], timeout=600.0)

    _shelf().make(_name(), fill)


def main() -> int:
    if find():
        return 0
    try:
        build()
    except HostError as error:
        print(f"no interop layer: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
