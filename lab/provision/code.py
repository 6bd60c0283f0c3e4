"""The programs that run on the machines, packed: `python -m lab.provision.code FILE` writes one archive.

Only the rooms that nodes need, the same bytes every time: sorted names, no times, owners or caches. It prints a digest
of the load balancer's part, which its pods carry, so that they are replaced when it changes.
"""

from __future__ import annotations

import io
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import lab
from lab.kits.files import content_digest

ROOMS: Final = ("balancer", "errors.py", "kits", "kube", "links", "pocket", "wire", "__init__.py")
BALANCER_ROOMS: Final = ("balancer", "errors.py", "kits", "kube", "links", "wire", "__init__.py")
DIGITS: Final = 16
PACKAGE: Final = Path(lab.__file__).parent


def pack() -> bytes:
    """Return a tar archive with the package `lab` as far as machines need it."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in files(ROOMS):
            member = tarfile.TarInfo(str(path.relative_to(PACKAGE.parent)))
            member.size, member.mode = path.stat().st_size, 0o644
            with path.open("rb") as content:
                archive.addfile(member, content)
    return output.getvalue()


def files(rooms: Iterable[str]) -> list[Path]:
    """Return the files of some rooms of the package `lab`, without caches."""
    tops = [PACKAGE / name for name in rooms]
    paths = [path for top in tops for path in (top.rglob("*") if top.is_dir() else [top])]
    return sorted(path for path in paths if path.is_file() and "__pycache__" not in path.parts)


def main() -> None:
    target, packed = Path(sys.argv[1]), pack()
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists() or target.read_bytes() != packed:
        target.write_bytes(packed)
    print(content_digest(*files(BALANCER_ROOMS))[:DIGITS])  # noqa: T201  # what the role asks for


if __name__ == "__main__":
    main()
