"""A container image as an OCI archive: the same bytes for the same content, wherever and whenever it is written.

Sources: https://github.com/opencontainers/image-spec v1.1 (image-layout.md, manifest.md, config.md, layer.md). Layers
are not compressed: what a compressor writes differs between its versions, and with it would the image's digest.
"""

from __future__ import annotations

import hashlib
import io
import json
import stat
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, Final

from lab.errors import UsageError

MEDIA: Final = "application/vnd.oci.image"
REFERENCE: Final = "org.opencontainers.image.ref.name"
CONTAINERD_REFERENCE: Final = "io.containerd.image.name"
"""containerd asks this first: it allows a whole reference here, where others expect a tag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file, directory or symbolic link; it belongs to root."""

    mode: int
    """Type and permissions, as in `st_mode`."""
    content: bytes = b""
    target: str = ""
    mtime: int | None = None
    """Seconds since 1970; None for the archive's own time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What an image is made of."""

    reference: str
    architecture: str
    """As Go names it: amd64, arm64."""
    created: int
    """Seconds since 1970."""
    layers: Sequence[tuple[str, bytes]]
    """How each came to be, and its tar archive; the lowest first."""
    config: Mapping[str, Any]
    """`Entrypoint`, `Env`, `Labels` … of the image configuration."""


def file(content: bytes, *, mode: int = 0o644, mtime: int | None = None) -> Entry:
    return Entry(mode=stat.S_IFREG | mode, content=content, mtime=mtime)


def directory(*, mode: int = 0o755) -> Entry:
    return Entry(mode=stat.S_IFDIR | mode)


def tar(entries: Mapping[str, Entry], *, mtime: int) -> bytes:
    """Return a tar archive of entries by relative name, sorted, and of the directories above them."""
    parents = (str(parent) for name in entries for parent in PurePosixPath(name).parents)
    whole = {name: directory() for name in parents if name != "."} | dict(entries)
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, entry in sorted(whole.items()):
            archive.addfile(_member(name, entry, mtime), io.BytesIO(entry.content))
    return output.getvalue()


def archive(image: Image) -> bytes:
    """Return the image as a tar archive of an OCI image layout with this one image in it."""
    blobs: dict[str, bytes] = {}

    def blob(content: bytes, media: str) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = content
        return {"mediaType": f"{MEDIA}.{media}", "digest": f"sha256:{digest}", "size": len(content)}

    layers = [blob(layer, "layer.v1.tar") for _, layer in image.layers]
    config = blob(_json(_config(image, layers)), "config.v1+json")
    manifest = blob(_json(_document("manifest", config=config, layers=layers)), "manifest.v1+json")
    names = {REFERENCE: image.reference, CONTAINERD_REFERENCE: image.reference}
    platform = {"architecture": image.architecture, "os": "linux"}
    index = _document("index", manifests=[manifest | {"annotations": names, "platform": platform}])
    files = blobs | {"index.json": _json(index), "oci-layout": _json({"imageLayoutVersion": "1.0.0"})}
    return tar({name: file(content) for name, content in files.items()}, mtime=image.created)


def references(path: Path) -> list[str]:
    """Return the names of the images in an archive, an OCI layout or one of `docker save`; raises UsageError."""
    try:
        with tarfile.open(path) as archive:
            names = {name.removeprefix("./"): name for name in archive.getnames()}
            which = "manifest.json" if "manifest.json" in names else "index.json"
            stream = archive.extractfile(names[which])
            described = json.load(stream) if stream else {}
    except (OSError, tarfile.TarError, KeyError, ValueError) as error:
        raise UsageError(f"{path} is not an image archive: {error}") from error
    if which == "manifest.json":
        return [name for image in described for name in image.get("RepoTags") or ()]
    annotations = [image.get("annotations") or {} for image in described.get("manifests", ())]
    return [
        name for noted in annotations if (name := noted.get(CONTAINERD_REFERENCE) or noted.get(REFERENCE))
    ]


def _config(image: Image, layers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    created = datetime.fromtimestamp(image.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "architecture": image.architecture,
        "os": "linux",
        "created": created,
        "config": dict(image.config),
        # Layers that are not compressed have one digest, as blobs and as differences.
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]},
        "history": [{"created": created, "created_by": origin} for origin, _ in image.layers],
    }


def _document(kind: str, **content: Any) -> dict[str, Any]:
    return {"schemaVersion": 2, "mediaType": f"{MEDIA}.{kind}.v1+json", **content}


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _member(name: str, entry: Entry, mtime: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.mode = stat.S_IMODE(entry.mode)
    member.mtime = mtime if entry.mtime is None else entry.mtime
    if stat.S_ISDIR(entry.mode):
        member.type = tarfile.DIRTYPE
    elif stat.S_ISLNK(entry.mode):
        member.type, member.linkname = tarfile.SYMTYPE, entry.target
    else:
        member.size = len(entry.content)
    return member
