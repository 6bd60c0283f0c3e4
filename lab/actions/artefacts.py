"""Pin, gather and use what comes from elsewhere: the steps behind `lab lock`, `lab bundle` and `lab up --bundle`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Final

from lab.errors import UsageError
from lab.machines import apt, debian
from lab.machines.cache import cache_directory
from lab.machines.vagrant import recipe
from lab.provision import bundle
from lab.provision.artefacts import (
    DIRECTORY_VARIABLE,
    FILLED_BY_HAND,
    Artefact,
    Difference,
    Fault,
    Kind,
    Lock,
    compare,
    describe,
)

PACKAGES: Final = (*debian.PACKAGES, *(p for p in recipe.PACKAGES if p not in debian.PACKAGES))
"""What the base of machine containers and the box of virtual machines take, in one set."""


def wanted_now() -> list[Artefact]:
    """Return Debian's packages as the mirror has them now."""
    return [
        Artefact(path=f"{Kind.DEB}/{p.file}", sha256=p.sha256, size=p.size, source=p.source)
        for p in apt.resolve(PACKAGES)
    ]


def updated(lock: Lock | None, filled: Path | None) -> Lock:
    """Return a lock with the mirror's packages of today, and the files below `filled` in the layout of a bundle.

    Without `filled`, what the lock has of those files stays.
    """
    known = lock.of(*FILLED_BY_HAND) if lock else []
    by_hand = describe(filled, FILLED_BY_HAND) if filled else known
    return Lock((*wanted_now(), *by_hand))


def outdated(lock: Lock) -> list[Difference]:
    """Return how the mirror differs from the lock: a package's new version beside the one that it has no more."""
    differences = compare(lock.of(Kind.DEB), wanted_now())
    newer = {_package(d.path): d.path for d in differences if d.fault is Fault.UNKNOWN}
    older = {_package(d.path): d.path for d in differences if d.fault is Fault.MISSING}
    pairs = newer.keys() & older.keys()
    return [
        Difference(path=older[name], fault=Fault.OLD, detail=f"by {PurePosixPath(newer[name]).name}")
        for name in sorted(pairs)
    ] + [d for d in differences if _package(d.path) not in pairs]


def _package(path: str) -> tuple[str, str]:
    """Return name and architecture of the package in a file NAME_VERSION_ARCHITECTURE.deb."""
    name, _, rest = PurePosixPath(path).stem.partition("_")
    return name, rest.rpartition("_")[2]


def create(lock: Lock, file: Path, *, filled: Path | None, say: Callable[[str], None]) -> list[Difference]:
    """Write a bundle with everything in the lock; or nothing, and return all that is missing or wrong.

    `filled` is the directory with what `lab` does not fetch; Debian's packages come from it too, where it has them.
    """
    with TemporaryDirectory(prefix="lab-bundle-", dir=file.resolve().parent) as scratch:
        top = Path(scratch)
        for kind in Kind:
            if filled and (filled / kind).is_dir():
                shutil.copytree(filled / kind, top / kind)
        if not (top / Kind.DEB).is_dir():
            say("fetch Debian's packages")
            apt.fetch(PACKAGES, top / Kind.DEB)
        say("compare with the lock")
        found = describe(top, Kind)
        differences = compare(lock.artefacts, found)
        if not differences:
            say("write the bundle")
            bundle.write(file, top, sorted(found, key=lambda artefact: artefact.path))
        return differences


def verify(lock: Lock, file: Path) -> list[Difference]:
    """Return everything that is wrong with a bundle: damaged, missing, or not what the lock has."""
    return [*bundle.damage(file), *compare(lock.artefacts, bundle.read_manifest(file))]


def use(lock: Lock, file: Path) -> None:
    """Let everything that is built or configured from now on take what it needs from the bundle `file`.

    Raises UsageError with all that is wrong with it.
    """
    differences = verify(lock, file)
    if differences:
        raise UsageError(described(f"{file} cannot be used", differences))
    top = cache_directory() / "bundle"
    shutil.rmtree(top, ignore_errors=True)
    bundle.unpack(file, top, *Kind)
    os.environ[DIRECTORY_VARIABLE] = str(top)
    os.environ[debian.MIRROR_VARIABLE] = apt.serve(top / Kind.DEB)


def described(what: str, differences: Sequence[Difference]) -> str:
    """Return `what`, with every difference on a line of its own."""
    return "\n".join([f"{what}:", *(f"  {difference}" for difference in differences)])
