"""What dpkg knows of a Debian root file system: which packages it has, what they need, which files are theirs.

Source: Debian Policy, chapter 7 (relationships between packages); dpkg's own database below /var/lib/dpkg.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from lab.errors import HostError

DATABASE: Final = "var/lib/dpkg"
NAME: Final = re.compile(r"\s*([a-z0-9][a-z0-9+.-]*)")


@dataclass(frozen=True, slots=True)
class Package:
    """An installed package: its stanza in dpkg's status file, as text and by field."""

    stanza: str
    fields: Mapping[str, str]

    @property
    def name(self) -> str:
        return self.fields["Package"]

    @property
    def architecture(self) -> str:
        return self.fields["Architecture"]

    def needs(self) -> Iterator[list[str]]:
        """Yield the alternatives of each relationship that must hold for the package to work."""
        relations = f"{self.fields.get('Pre-Depends', '')},{self.fields.get('Depends', '')}".split(",")
        return (_names(relation.split("|")) for relation in relations if relation.strip())

    def provides(self) -> list[str]:
        return _names(self.fields.get("Provides", "").split(","))


class Packages:
    """The packages of the root file system below `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @cached_property
    def installed(self) -> Mapping[str, Package]:
        """The packages by name, and by what they provide where no package has that name. Raises HostError."""
        try:
            status = (self._root / DATABASE / "status").read_text()
        except OSError as error:
            raise HostError(f"{self._root} has no packages of Debian: {error.strerror}") from error
        packages = [_parse(stanza) for stanza in status.split("\n\n") if stanza.strip()]
        provided = {name: package for package in reversed(packages) for name in package.provides()}
        return provided | {package.name: package for package in packages}

    def closure(self, names: Iterable[str], *, without: Collection[str] = ()) -> list[Package]:
        """Return the packages `names` and all that they need, by name, but for `without` and what only that needs.

        Raises HostError when something is not installed.
        """
        found: dict[str, Package] = {}
        pending = [[name] for name in names]
        while pending:
            package = self._one_of(pending.pop())
            if package.name not in found and package.name not in without:
                found[package.name] = package
                pending.extend(package.needs())
        return [found[name] for name in sorted(found)]

    def files(self, package: Package) -> list[str]:
        """Return the relative names that belong to a package and are there: dpkg may have been told to leave some out."""
        information = self._root / DATABASE / "info"
        owners = (package.name, f"{package.name}:{package.architecture}")
        listing = next(path for owner in owners if (path := information / f"{owner}.list").exists())
        names = (line.lstrip("/") for line in listing.read_text().splitlines() if line != "/.")
        return [name for name in names if os.path.lexists(self._root / name)]

    def _one_of(self, alternatives: list[str]) -> Package:
        for name in alternatives:
            if name in self.installed:
                return self.installed[name]
        raise HostError(f"{' or '.join(alternatives)} is not installed in {self._root}")


def _parse(stanza: str) -> Package:
    """Read `Name: value` lines; lines that go on begin with a blank."""
    lines = re.sub(r"\n[ \t]", " ", stanza.strip()).splitlines()
    fields = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Package(stanza.strip(), fields)


def _names(relations: Iterable[str]) -> list[str]:
    """Return the names without versions, architectures and profiles."""
    return [found.group(1) for relation in relations if (found := NAME.match(relation))]
