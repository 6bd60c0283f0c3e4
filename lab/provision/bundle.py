"""A bundle: one tar archive with everything that a lab takes from elsewhere, and a manifest of checksums in front."""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Final

from lab.errors import UsageError
from lab.provision.artefacts import VERSION, Artefact, Difference, Fault, Kind

MANIFEST: Final = "manifest.json"
CHUNK: Final = 1 << 20


def write(file: Path, top: Path, artefacts: Sequence[Artefact]) -> None:
    """Write the bundle `file` of the artefacts below `top`: whole or not at all, the same bytes every time."""
    manifest = {"version": VERSION, "artefacts": [asdict(artefact) for artefact in artefacts]}
    text = (json.dumps(manifest, indent=1) + "\n").encode()
    partial = file.with_name(f".{file.name}.partial")
    try:
        with tarfile.open(partial, "w", format=tarfile.PAX_FORMAT) as archive:
            archive.addfile(_member(MANIFEST, len(text)), BytesIO(text))
            for artefact in artefacts:
                with (top / artefact.path).open("rb") as stream:
                    archive.addfile(_member(artefact.path, artefact.size), stream)
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


def read_manifest(file: Path) -> list[Artefact]:
    """Return what the bundle says that it holds. Raises UsageError when it is no bundle."""
    with _opened(file) as archive:
        first = archive.next()
        stream = archive.extractfile(first) if first and first.name == MANIFEST else None
        if stream is None:
            raise UsageError(f"{file} is not a bundle: it does not begin with {MANIFEST}")
        raw = json.loads(stream.read())
    if raw.get("version") != VERSION:
        raise UsageError(f"{file} is a bundle of another version", hint="lab bundle create")
    return [Artefact(**artefact) for artefact in raw["artefacts"]]


def damage(file: Path) -> list[Difference]:
    """Read the whole bundle and return every file that is not what the manifest says."""
    wanted = {artefact.path: artefact for artefact in read_manifest(file)}
    found: dict[str, str] = {}
    with _opened(file) as archive:
        for member in archive:
            stream = archive.extractfile(member)
            if stream and member.name != MANIFEST:
                found[member.name] = hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]  # a readable stream
    differences = [Difference(path=path, fault=Fault.UNKNOWN) for path in found if path not in wanted]
    for path, artefact in wanted.items():
        if path not in found:
            differences.append(Difference(path=path, fault=Fault.MISSING))
        elif found[path] != artefact.sha256:
            differences.append(Difference(path=path, fault=Fault.WRONG, detail=f"SHA-256 {found[path]}"))
    return differences


def unpack(file: Path, top: Path, *kinds: Kind) -> None:
    """Unpack the files of `kinds` below `top`."""
    prefixes = tuple(f"{kind}/" for kind in kinds)
    with _opened(file) as archive:
        for member in archive:
            stream = archive.extractfile(member) if member.name.startswith(prefixes) else None
            if stream and ".." not in Path(member.name).parts:
                target = top / member.name
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("wb") as output:
                    shutil.copyfileobj(stream, output, CHUNK)


@contextmanager
def _opened(file: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(file) as archive:
            yield archive
    except FileNotFoundError as error:
        raise UsageError(f"there is no {file}", hint="lab bundle create") from error
    except tarfile.TarError as error:
        raise UsageError(f"{file} is not a bundle, or cut off", hint="lab bundle create") from error


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o644
    return member
