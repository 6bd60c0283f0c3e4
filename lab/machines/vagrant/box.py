"""The lab's own box: built from Debian's packages alone, kept in the cache under its recipe's hash."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lab.errors import HostError
from lab.kits.files import shape_digest
from lab.machines.cache import Shelf, cache_directory
from lab.machines.vagrant import disk, recipe, rootfs
from lab.topology.model import Hypervisor

KEYS: Final = (
    "/usr/share/rubygems-integration/all/gems/vagrant-*/keys",
    "/opt/vagrant/embedded/gems/*/gems/vagrant-*/keys",
)
CATALOGUE: Final = "box.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A box in the cache."""

    version: str
    hypervisor: Hypervisor
    file: Path
    checksum: str
    """SHA-256 in hexadecimal."""
    current: bool
    """Whether it is what the present recipe makes."""

    @property
    def catalogue(self) -> Path:
        """Return the file that tells Vagrant name, version and checksum of the box."""
        return self.file.with_name(CATALOGUE)


def boxes() -> Shelf:
    return Shelf(cache_directory() / "boxes", digest=shape_digest)


def find(hypervisor: Hypervisor) -> Box | None:
    """Return the box of the present recipe if it is in the cache, undamaged."""
    entry = boxes().get(_entry_name(hypervisor))
    return _read(entry.path) if entry else None


def found() -> list[Box]:
    """Return every box in the cache."""
    catalogues = sorted(boxes().directory.glob(f"[!.]*/tree/{CATALOGUE}"))
    return [_read(catalogue.parents[1]) for catalogue in catalogues]


def build(hypervisor: Hypervisor, on_line: Callable[[str], None]) -> Box:
    """Make the box; `on_line` hears how it goes. Needs root, a Debian mirror, and about a minute and a half.

    Raises HostError when something is missing here.
    """
    if platform.machine() != "x86_64":
        raise HostError(
            f"the box is for x86_64, and this host is {platform.machine()}", hint="name a public box"
        )
    if os.geteuid() != 0:
        raise HostError("root is needed to unpack Debian's packages", hint="lab box build asks for it")
    keys = "".join(_public_keys())

    def fill(tree: Path) -> None:
        tree.mkdir()
        root, raw = tree.parent / "root", tree.parent / "disk.raw"
        rootfs.fill(root, on_line, keys=keys)
        on_line("write the disk")
        disk.write_raw(root, raw)
        on_line("pack the box")
        disk.pack(raw, tree / _file_name(hypervisor), recipe.FORMS[hypervisor])
        _write_catalogue(tree, hypervisor)
        raw.unlink()
        shutil.rmtree(root)
        (tree.parent / "core.img").unlink()

    return _read(boxes().make(_entry_name(hypervisor), fill).path)


def remove(box: Box) -> None:
    """Remove `box` from the cache. What Vagrant and libvirt copied of it stays theirs."""
    shutil.rmtree(box.file.parents[1])


def _entry_name(hypervisor: Hypervisor) -> str:
    return f"{hypervisor}-{recipe.fingerprint()[:16]}"


def _file_name(hypervisor: Hypervisor) -> str:
    return f"{hypervisor}.box"


def _write_catalogue(tree: Path, hypervisor: Hypervisor) -> None:
    box = tree / _file_name(hypervisor)
    with box.open("rb") as stream:
        checksum = hashlib.file_digest(stream, "sha256").hexdigest()
    final = boxes().entry(_entry_name(hypervisor)).tree / box.name
    provider = {
        "name": hypervisor.value,
        "url": final.as_uri(),
        "checksum_type": "sha256",
        "checksum": checksum,
    }
    versions = [{"version": recipe.version(), "providers": [provider]}]
    text = json.dumps({"name": recipe.NAME, "versions": versions}, indent=2)
    (tree / CATALOGUE).write_text(text + "\n")


def _read(path: Path) -> Box:
    catalogue = json.loads((path / "tree" / CATALOGUE).read_text())
    (version,) = catalogue["versions"]
    (provider,) = version["providers"]
    return Box(
        version=version["version"],
        hypervisor=Hypervisor(provider["name"]),
        file=path / "tree" / _file_name(Hypervisor(provider["name"])),
        checksum=provider["checksum"],
        current=version["version"] == recipe.version(),
    )


def _public_keys() -> list[str]:
    """Return Vagrant's well-known public keys: whoever can reach the machine's network may enter it with them."""
    chosen = os.environ.get("LAB_VAGRANT_KEYS")
    directories = (
        [Path(chosen)] if chosen else [p for pattern in KEYS for p in sorted(Path("/").glob(pattern[1:]))]
    )
    files = [file for directory in directories for file in sorted(directory.glob("vagrant.pub*"))]
    if not files:
        raise HostError(
            "Vagrant's public key is not on this host", hint="install Vagrant; lab doctor says how"
        )
    return [file.read_text().strip() + "\n" for file in files if file.is_file()]
