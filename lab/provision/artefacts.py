"""Everything that comes from elsewhere, pinned by checksum: the lock, and how files differ from it.

An artefact is named by its path in a bundle; the first directory tells its kind (docs/bundle.md).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Final

from lab.errors import UsageError
from lab.kits.files import write_atomically

VERSION: Final = 1
LOCK_VARIABLE: Final = "LAB_LOCK"
"""Names a lock of the user's own, instead of the project's."""
DIRECTORY_VARIABLE: Final = "LAB_ARTEFACTS"
"""Names the directory that a bundle was unpacked in."""
BALANCER_VARIABLE: Final = "LAB_LOAD_BALANCER_IMAGE"
"""Names the archive with the load balancer's image."""
BALANCER: Final = "images/lab-balancer.tar"


class Kind(StrEnum):
    """The directories of a bundle."""

    DEB = "deb"
    BOX = "box"
    BIN = "bin"
    IMAGES = "images"
    CHARTS = "charts"
    MANIFESTS = "manifests"


FILLED_BY_HAND: Final = (Kind.BOX, Kind.BIN, Kind.IMAGES, Kind.CHARTS, Kind.MANIFESTS)
"""What `lab` does not fetch: Kubernetes' own files, from wherever its user has them, and boxes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    path: str
    sha256: str
    size: int
    source: str = ""
    """Where it came from, if that is known."""

    @property
    def kind(self) -> Kind:
        return Kind(PurePosixPath(self.path).parts[0])


class Fault(StrEnum):
    MISSING = "missing"
    WRONG = "wrong"
    UNKNOWN = "not in the lock"
    OLD = "superseded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    path: str
    fault: Fault
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.fault}{f' ({self.detail})' if self.detail else ''}"


@dataclass(frozen=True, slots=True)
class Lock:
    artefacts: tuple[Artefact, ...]

    def of(self, *kinds: Kind) -> list[Artefact]:
        return [artefact for artefact in self.artefacts if artefact.kind in kinds]


def lock_file(playbooks: Path) -> Path:
    """Return the lock in force, for the playbooks below `playbooks` (as inventory/group_vars/all/artefacts.yml has it)."""
    return Path(os.environ.get(LOCK_VARIABLE) or playbooks / "lab.lock")


def directory(playbooks: Path) -> Path:
    """Return where the files of the lock lie, in the layout of a bundle."""
    return Path(os.environ.get(DIRECTORY_VARIABLE) or playbooks / ".lab/artefacts")


def balancer_image(playbooks: Path, lock: Lock) -> Path:
    """Return the archive that the load balancer's image is taken from: the lock's, if it has one."""
    is_locked = any(artefact.path == BALANCER for artefact in lock.artefacts)
    default = (directory(playbooks) if is_locked else playbooks / ".lab") / BALANCER
    return Path(os.environ.get(BALANCER_VARIABLE) or default)


def read_lock(file: Path) -> Lock:
    """Read a lock. Raises UsageError when there is none, or one of another version."""
    try:
        raw = json.loads(file.read_text())
    except FileNotFoundError as error:
        raise UsageError(f"there is no {file.name}", hint="lab lock --update writes it") from error
    except ValueError as error:
        raise UsageError(f"{file} is not JSON: {error}") from error
    if raw.get("version") != VERSION:
        raise UsageError(f"{file} has another version than this lab", hint="lab lock --update")
    return Lock(tuple(Artefact(**artefact) for artefact in raw["artefacts"]))


def write_lock(file: Path, lock: Lock) -> None:
    """Write a lock: sorted, so that a change shows as a change."""
    artefacts = [asdict(artefact) for artefact in sorted(lock.artefacts, key=lambda a: a.path)]
    write_atomically(file, json.dumps({"version": VERSION, "artefacts": artefacts}, indent=1) + "\n")


def describe(top: Path, kinds: Iterable[Kind]) -> list[Artefact]:
    """Return what the directories of `kinds` below `top` hold."""
    files = (path for kind in kinds for path in sorted((top / kind).rglob("*")) if path.is_file())
    return [
        Artefact(path=file.relative_to(top).as_posix(), sha256=checksum(file), size=file.stat().st_size)
        for file in files
    ]


def checksum(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def compare(wanted: Sequence[Artefact], found: Sequence[Artefact]) -> list[Difference]:
    """Return every difference at once, by path; an empty list when all is as wanted."""
    present: Mapping[str, Artefact] = {artefact.path: artefact for artefact in found}
    known = {artefact.path for artefact in wanted}
    differences = [Difference(path=path, fault=Fault.UNKNOWN) for path in present if path not in known]
    for artefact in wanted:
        actual = present.get(artefact.path)
        if actual is None:
            differences.append(Difference(path=artefact.path, fault=Fault.MISSING, detail=artefact.source))
        elif actual.sha256 != artefact.sha256:
            detail = f"SHA-256 {actual.sha256}, the lock has {artefact.sha256}"
            differences.append(Difference(path=artefact.path, fault=Fault.WRONG, detail=detail))
    return sorted(differences, key=lambda difference: difference.path)
