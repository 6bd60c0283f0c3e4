"""Image archives, as `docker save`, `podman save` and `skopeo copy` write them, into the store.

Formats: https://github.com/opencontainers/image-spec (image-layout.md, layer.md) and docker's manifest.json. Whiteouts
of layers become those of overlayfs: a character device 0:0 for a removed file, an attribute for an opaque directory.
"""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final

import orjson

from lab.errors import UsageError
from lab.pocket.agent.images import Images

WHITEOUT: Final = ".wh."
OPAQUE: Final = ".wh..wh..opq"
REFERENCE: Final = "org.opencontainers.image.ref.name"


def load(path: Path, images: Images) -> list[str]:
    """Load every image of an archive and return their names; raises UsageError for anything that is not one."""
    try:
        with tarfile.open(path) as archive:
            members = {each.name.removeprefix("./"): each for each in archive.getmembers()}
            read = _Reader(archive, members)
            manifests = _docker(read) if "manifest.json" in members else _oci(read)
            return [name for manifest in manifests for name in _add(read, manifest, images)]
    except (OSError, tarfile.TarError, KeyError, orjson.JSONDecodeError) as error:
        raise UsageError(f"{path} is not an image archive: {error}") from error


class _Reader:
    def __init__(self, archive: tarfile.TarFile, members: Mapping[str, tarfile.TarInfo]) -> None:
        self._archive = archive
        self._members = members

    def open(self, name: str) -> IO[bytes]:
        file = self._archive.extractfile(self._members[name])
        if file is None:
            raise KeyError(f"{name} is not a file")
        return file

    def json(self, name: str) -> Any:
        return orjson.loads(self.open(name).read())


Manifest = dict[str, Any]
"""config: name of the configuration's file; layers: names of the layers' files, bottom first; names: references."""


def _docker(read: _Reader) -> list[Manifest]:
    return [
        {"config": each["Config"], "layers": each["Layers"], "names": each.get("RepoTags") or []}
        for each in read.json("manifest.json")
    ]


def _oci(read: _Reader) -> list[Manifest]:
    found = []
    for entry in read.json("index.json")["manifests"]:
        manifest = read.json(_blob(entry["digest"]))
        name = (entry.get("annotations") or {}).get(REFERENCE)
        found.append(
            {
                "config": _blob(manifest["config"]["digest"]),
                "layers": [_blob(layer["digest"]) for layer in manifest["layers"]],
                "names": [name] if name else [],
            }
        )
    return found


def _blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/', 1)}"


def _add(read: _Reader, manifest: Manifest, images: Images) -> list[str]:
    config = read.json(manifest["config"])
    digests: list[str] = config["rootfs"]["diff_ids"]
    for digest, layer in zip(digests, manifest["layers"], strict=True):
        target = images.layer_directory(digest)
        if not target.exists():
            _unpack(read.open(layer), target)
    identity = "sha256:" + PurePosixPath(manifest["config"]).name.removesuffix(".json")
    names: list[str] = manifest["names"] or [identity]
    images.add(digest=identity, names=names, layers=reversed(digests), config=config.get("config") or {})
    return names


def _unpack(file: IO[bytes], target: Path) -> None:
    """Unpack a layer. What is half-made is never seen under its name."""
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    with tarfile.open(fileobj=file) as layer:
        layer.extraction_filter = _as_it_is  # Python before 3.11.4 has no filters, and does the same
        for member in layer:
            _extract(layer, member, partial)
    partial.rename(target)


def _as_it_is(member: tarfile.TarInfo, path: str) -> tarfile.TarInfo:
    """Extract owners, modes and links as the image has them; `_extract` has refused what leaves its root."""
    del path
    return member


def _extract(layer: tarfile.TarFile, member: tarfile.TarInfo, root: Path) -> None:
    path = root / member.name.lstrip("/")
    if path == root:  # `.`: the image's root itself
        return
    parent = path.parent.resolve()
    if not parent.is_relative_to(root.resolve()):
        raise tarfile.TarError(f"{member.name} leaves the image")
    if path.name == OPAQUE:
        parent.mkdir(parents=True, exist_ok=True)
        os.setxattr(parent, "trusted.overlay.opaque", b"y")
    elif path.name.startswith(WHITEOUT):
        parent.mkdir(parents=True, exist_ok=True)
        os.mknod(parent / path.name.removeprefix(WHITEOUT), stat.S_IFCHR, os.makedev(0, 0))
    else:
        layer.extract(member, root, numeric_owner=True)
