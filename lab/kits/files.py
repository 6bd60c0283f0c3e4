"""Files that are either whole or absent, and fingerprints of trees."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path


def write_atomically(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Replace `path` with `text` in one rename: a reader sees the old file or the new one, never a part."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(text)
    partial.chmod(mode)
    partial.replace(path)


def is_there(path: Path) -> bool:
    """Return whether the path exists, as far as this user may know."""
    try:
        path.stat()
    except OSError:
        return False
    return True


def room(directory: Path) -> tuple[Path, int]:
    """Return where `directory` is or would be made, as far as this user may know, and the bytes that are free there."""
    existing = next(path for path in (directory, *directory.parents) if is_there(path))
    return existing, shutil.disk_usage(existing).free


def walk(top: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Yield (path relative to `top`, its lstat) for everything under `top`, in a fixed order."""
    pending = [""]
    while pending:
        directory = pending.pop()
        with os.scandir(top / directory) as entries:
            for entry in sorted(entries, key=lambda e: e.name):
                status = entry.stat(follow_symlinks=False)
                name = f"{directory}/{entry.name}" if directory else entry.name
                yield name, status
                if stat.S_ISDIR(status.st_mode):
                    pending.append(name)


def shape_digest(top: Path) -> str:
    """Fingerprint of a tree's names, types, modes, owners, sizes and times: no file is read, so it is fast.

    Only files and links count with size and time: those of directories differ between file systems, and those of
    devices change whenever somebody uses the device.
    """
    digest = hashlib.sha256()
    for name, status in walk(top):
        row = [name, status.st_mode, status.st_uid, status.st_gid]
        if stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode):
            row += [status.st_size, status.st_mtime_ns]
        digest.update(repr(row).encode(errors="surrogateescape"))
    return digest.hexdigest()


def content_digest(*tops: Path) -> str:
    """Fingerprint of names, executable bits and contents of files and trees; caches of bytecode do not count."""
    digest = hashlib.sha256()
    for top in tops:
        entries = [(str(top.name), top, s) for s in [top.lstat()] if not stat.S_ISDIR(s.st_mode)] or [
            (name, top / name, status) for name, status in walk(top)
        ]
        for name, path, status in entries:
            if "__pycache__" not in path.parts:
                data = _content(path, status)
                digest.update(
                    f"{name} {stat.S_IFMT(status.st_mode)} {status.st_mode & 0o111} {len(data)}\n".encode()
                )
                digest.update(data)
    return digest.hexdigest()


def _content(path: Path, status: os.stat_result) -> bytes:
    if stat.S_ISLNK(status.st_mode):
        return os.fsencode(path.readlink())
    if stat.S_ISREG(status.st_mode):
        return path.read_bytes()
    return b""
