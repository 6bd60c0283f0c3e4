"""Trees that took long to make, kept under the user's cache directory and named by the hash of what made them.

An entry is a directory `tree` and a `manifest.json`. It is made under a temporary name and renamed when whole, so
one that has its name is complete; the manifest tells whether it was changed or damaged since. Its time of change is
when it was last used: what nobody used for a month goes when something new comes.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lab.errors import HostError
from lab.kits.files import is_there
from lab.kits.lock import exclusive


def cache_directory() -> Path:
    """Return the lab's cache: $LAB_CACHE_DIR, or `lab` under the XDG cache directory of the user."""
    chosen = os.environ.get("LAB_CACHE_DIR")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lab"


PARTIAL = ".partial."
DAMAGED = ".damaged."
PATIENCE = 900.0
UNUSED = 30 * 86400.0
"""Seconds after which an entry that nobody asked for is removed."""


@dataclass(frozen=True, slots=True)
class Entry:
    path: Path

    @property
    def tree(self) -> Path:
        return self.path / "tree"

    @property
    def manifest(self) -> Path:
        return self.path / "manifest.json"


FORMAT = "3"
"""Changes with what an entry holds or how it is checked: versions of lab that disagree must not share entries."""


class Shelf:
    """One kind of entries, such as bases or layers.

    `digest` decides how thoroughly an entry is checked: contents for small ones, shape alone for large ones.
    While `in_use` says that some lab may stand on an entry, a damaged one is put aside but not deleted.
    """

    def __init__(
        self, directory: Path, *, digest: Callable[[Path], str], in_use: Callable[[], bool] = lambda: False
    ) -> None:
        self.directory = directory / FORMAT
        self._digest = digest
        self._in_use = in_use

    def entry(self, name: str) -> Entry:
        return Entry(self.directory / name)

    def get(self, name: str) -> Entry | None:
        """Return the entry if it is there and as it was made; drop it and return None when it was damaged."""
        entry = self.entry(name)
        try:
            manifest = json.loads(entry.manifest.read_text())
            whole = manifest["digest"] == self._digest(entry.tree)
        except (OSError, ValueError, KeyError):
            whole = False
        if whole:
            with suppress(PermissionError):  # who may only look
                os.utime(entry.path)
            return entry
        if is_there(entry.path):
            self._discard(entry.path)
        return None

    def make(self, name: str, build: Callable[[Path], None]) -> Entry:
        """Let `build` fill a new tree, and put it on the shelf under `name`. Raises HostError when the disk is full.

        Only one process makes something at a time; a second one that wants the same waits for it and takes that.
        """
        with exclusive(self.directory / ".lock", purpose=f"making {name}", wait=PATIENCE):
            self._sweep()
            return self.get(name) or self._make(name, build)

    def _make(self, name: str, build: Callable[[Path], None]) -> Entry:
        partial = self.directory / f"{PARTIAL}{name}"
        try:
            partial.mkdir(parents=True)
            build(partial / "tree")
            manifest = {"digest": self._digest(partial / "tree")}
            (partial / "manifest.json").write_text(json.dumps(manifest))
            partial.rename(self.entry(name).path)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise HostError(
                    f"no space left in {self.directory}",
                    hint="free 1 GB there, or set LAB_CACHE_DIR elsewhere",
                ) from error
            raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return self.entry(name)

    def _sweep(self) -> None:
        """Remove what interrupted makers left behind (under the lock there is no other), what is damaged, what is old."""
        for leftover in self.directory.glob(f"{PARTIAL}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        if not self._in_use():
            old = time.time() - UNUSED
            for entry in self.directory.glob("*"):
                if entry.name.startswith(DAMAGED) or (entry.is_dir() and entry.stat().st_mtime < old):
                    shutil.rmtree(entry, ignore_errors=True)

    @staticmethod
    def _discard(path: Path) -> None:
        """Put a damaged entry aside, so that nobody takes it any more; the next `make` sweeps it away."""
        with suppress(FileNotFoundError):  # another process was first
            path.rename(path.with_name(f"{DAMAGED}{path.name}.{os.getpid()}"))
