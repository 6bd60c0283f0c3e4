"""Debian's packages as files: which ones a root file system takes, with checksums; fetching them; serving them from a directory.

apt does the work, inside an mmdebstrap that installs nothing: so sources, keys and settings are those that the base and
the box are made with, and this host's own do not count.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from lab.errors import HostError
from lab.kits.shell import run
from lab.machines.debian import MIRROR_VARIABLE, SUITE, command

TIMEOUT: Final = 600.0
URI: Final = re.compile(r"(?m)^'[^']+/pool/([^']+)' (\S+) (\d+) SHA256:([0-9a-f]{64})$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package's file, as the archive's signed index describes it."""

    file: str
    source: str
    """Its path below the archive."""
    size: int
    sha256: str


def resolve(packages: Sequence[str]) -> list[Package]:
    """Return every package that a root file system with `packages` takes, the essential ones included.

    Raises HostError when no mirror can be reached.
    """
    found = URI.findall(_apt("--print-uris", packages))
    if not found:
        raise HostError(
            "apt named no package", hint=f"is the mirror complete? {MIRROR_VARIABLE}=URL names one"
        )
    return [
        Package(file=file, source=f"pool/{source}", size=int(size), sha256=sha256)
        for source, file, size, sha256 in sorted(found, key=lambda row: str(row[1]))
    ]


def fetch(packages: Sequence[str], directory: Path) -> None:
    """Fetch what `resolve` names into `directory`; apt checks every file against the signed index."""
    partial = directory.resolve() / "partial"
    partial.mkdir(parents=True, exist_ok=True)
    _apt(f"--download-only -o Dir::Cache::archives={shlex.quote(str(directory.resolve()))}", packages)
    partial.rmdir()
    (directory / "lock").unlink(missing_ok=True)


def serve(directory: Path) -> str:
    """Make an archive of the packages in `directory`, whose checksums somebody vouched for; return its line of sources.list."""
    packages = _index(directory)
    digest, size = hashlib.sha256(packages.encode()).hexdigest(), len(packages.encode())
    (directory / "Packages").write_text(packages)
    # mmdebstrap asks for the essential packages of its suite by this name.
    release = f"Suite: {SUITE}\nCodename: {SUITE}\nSHA256:\n {digest} {size} Packages\n"
    (directory / "Release").write_text(release)
    return f"deb [trusted=yes] copy:{directory.resolve()} ./"


def _index(directory: Path) -> str:
    paragraphs = []
    for file in sorted(directory.glob("*.deb")):
        with file.open("rb") as stream:
            checksum = hashlib.file_digest(stream, "sha256").hexdigest()
        control = run(["dpkg-deb", "--field", str(file)]).rstrip("\n")
        paragraphs.append(
            f"{control}\nFilename: ./{file.name}\nSize: {file.stat().st_size}\nSHA256: {checksum}\n"
        )
    return "\n".join(paragraphs)


def _apt(options: str, packages: Sequence[str]) -> str:
    """Return what `apt-get install` says, asked for a root file system with `packages` where there is nothing yet."""
    with TemporaryDirectory(prefix="lab-apt-") as scratch:
        root, said = Path(scratch, "root"), Path(scratch, "said")
        hook = (
            'export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"; apt-get -qq update; '
            f"apt-get -qq --yes -o Acquire::ForceHash=SHA256 {options} install "
            f"{shlex.join(['?essential', 'apt', *packages])} > {said}"
        )
        run(command(root, [], hooks=[hook], bare=True), timeout=TIMEOUT)
        return said.read_text()
