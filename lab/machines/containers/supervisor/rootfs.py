"""A machine's root file system: the base and its converged layer below, a writable layer above, in memory.

The writable layer survives the machine's reboots and power cuts, as a disk would, and ends with the lab.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.kits.shell import run
from lab.machines.forget import FORGET


class Rootfs:
    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @property
    def root(self) -> Path:
        return self.directory / "root"

    @property
    def upper(self) -> Path:
        return self.directory / "upper"

    def mount(self, lower: Sequence[str], files: Mapping[str, str]) -> None:
        """Mount the layers `lower` (topmost first) and write `files`; nothing happens when it is mounted already."""
        if self.root.is_mount():
            return
        for directory in (self.root, self.upper, self.directory / "work"):
            directory.mkdir(parents=True, exist_ok=True)
        options = f"lowerdir={':'.join(lower)},upperdir={self.upper},workdir={self.directory / 'work'}"
        run(["mount", "-t", "overlay", "overlay", "-o", options, str(self.root)])
        for name, content in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            path.touch(mode=0o600 if name.startswith("etc/netplan/") else 0o644)
            path.write_text(content)

    def capture(self, target: Path) -> None:
        """Copy the writable layer to `target`, whiteouts and extended attributes included, less what it must forget."""
        run(["cp", "--archive", str(self.upper), str(target)], timeout=60)
        for name in FORGET:
            path = target / name
            if path.is_symlink() or path.is_file():
                path.unlink()
            elif path.is_dir():
                shutil.rmtree(path)

    def discard(self) -> None:
        """Unmount, and forget everything that was written."""
        if self.root.is_mount():
            run(["umount", "--lazy", str(self.root)])
        if self.directory.exists():
            shutil.rmtree(self.directory)


def prepare(filesystems: Path, host_proc: Path) -> None:
    """Make this mount namespace the lab's: private, with its own /proc, netns names and place for file systems.

    Must run once, first of all, in new mount and PID namespaces. A tmpfs over /run/systemd spares the host's
    own systemd what nspawn writes there.
    """
    run(["mount", "--make-rprivate", "/"])
    filesystems.mkdir(exist_ok=True)
    run(["mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", str(filesystems)])
    host_proc.mkdir()
    run(["mount", "--rbind", "/proc", str(host_proc)])
    run(["mount", "-t", "proc", "proc", "/proc"])
    for directory in ("/run/netns", "/run/systemd"):
        Path(directory).mkdir(parents=True, exist_ok=True)
        run(["mount", "-t", "tmpfs", "tmpfs", directory])
    Path("/run/systemd/nspawn").mkdir()
