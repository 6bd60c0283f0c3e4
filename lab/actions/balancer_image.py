"""The load balancer's image: what it needs of the Debian that machine containers have, and the programs themselves.

Debian's files are those of its packages, with the times that they have there; what dpkg and other scripts made when they
were installed is left out. So the same packages and programs give the same bytes (docs/decisions/0005-…).
"""

from __future__ import annotations

import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import yaml

from lab.errors import HostError
from lab.kits import oci
from lab.machines.dpkg import Package, Packages
from lab.provision.code import BALANCER_ROOMS, PACKAGE, files

PACKAGES: Final = ("base-files", "python3", "python3-orjson", "python3-yaml")
WITHOUT: Final = ("debconf", "dpkg", "mawk")
"""What only the scripts of packages call."""
LEFT_OUT: Final = re.compile(
    r"usr/share/(?!(common-licenses|zoneinfo)(/|$)|doc/[^/]+/copyright$).*|usr/lib/[^/]+/gconv(/.*)?"
)
"""Documents, but not licenses; character sets that Python has its own tables for."""
PROGRAMS: Final = "usr/lib/lab"
NOBODY: Final = 65534
ACCOUNTS: Final = {
    "etc/passwd": f"root:x:0:0:root:/root:/usr/sbin/nologin\nnobody:x:{NOBODY}:{NOBODY}:nobody:/nonexistent:/usr/sbin/nologin\n",
    "etc/group": f"root:x:0:\nnogroup:x:{NOBODY}:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\n",
}
"""What Debian's scripts make when it is installed."""
CONFIG: Final = {
    "Entrypoint": ["python3", "-m", "lab.balancer"],
    "Env": [
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        f"PYTHONPATH=/{PROGRAMS}",
        "PYTHONDONTWRITEBYTECODE=1",
    ],
    "User": f"{NOBODY}:{NOBODY}",
    "WorkingDir": "/",
}


def reference() -> str:
    """Return the name that the balancer's manifests give its image."""
    kustomization = yaml.safe_load((PACKAGE / "balancer/manifests/kustomization.yaml").read_text())
    (image,) = kustomization["images"]
    return f"{image['newName']}:{image['newTag']}"


def build(root: Path) -> bytes:
    """Return the image as an OCI archive, of the Debian root file system below `root`.

    Raises HostError when a package is not there or a file cannot be read.
    """
    packages = Packages(root)
    chosen = packages.closure(PACKAGES, without=WITHOUT)
    try:
        system = {
            name: _entry(root / name)
            for package in chosen
            for name in packages.files(package)
            if not LEFT_OUT.fullmatch(name)
        }
    except OSError as error:
        raise HostError(f"cannot read {error.filename}: {error.strerror}", hint="as root it can") from error
    created = max(entry.mtime or 0 for entry in system.values())
    system |= {name: oci.file(text.encode()) for name, text in ACCOUNTS.items()}
    system["var/lib/dpkg/status"] = oci.file(_status(chosen))
    programs = {
        f"{PROGRAMS}/{path.relative_to(PACKAGE.parent)}": oci.file(path.read_bytes())
        for path in files(BALANCER_ROOMS)
    }
    name, _, version = reference().rpartition(":")
    labels = {"title": name.rpartition("/")[2], "version": version, "licenses": "Apache-2.0"}
    return oci.archive(
        oci.Image(
            reference=reference(),
            architecture=packages.installed["base-files"].architecture,
            created=created,
            layers=(
                ("packages of Debian", oci.tar(system, mtime=created)),
                ("lab.balancer", oci.tar(programs, mtime=created)),
            ),
            config=CONFIG | {"Labels": {f"org.opencontainers.image.{key}": v for key, v in labels.items()}},
        )
    )


def _entry(path: Path) -> oci.Entry:
    status = path.lstat()
    if stat.S_ISDIR(status.st_mode):
        return oci.Entry(mode=status.st_mode)
    if stat.S_ISLNK(status.st_mode):  # some are as old as their installation
        return oci.Entry(mode=status.st_mode, target=str(path.readlink()))
    return oci.Entry(mode=status.st_mode, content=path.read_bytes(), mtime=int(status.st_mtime))


def _status(packages: Sequence[Package]) -> bytes:
    """Return dpkg's status file, by which scanners know what an image is made of."""
    return "".join(f"{package.stanza}\n\n" for package in packages).encode()
