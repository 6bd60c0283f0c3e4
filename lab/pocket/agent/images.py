"""The node's images: those loaded from archives, and those made of the machine itself.

Nothing is pulled: what is not here is refused with the list of what is. A loaded image is a JSON file that names its
layers, top first; a layer is an unpacked directory in overlayfs' own notation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import orjson

from lab.kits.files import write_atomically
from lab.pocket.agent.errors import ImageUnknown

DEFAULT_REGISTRY = "docker.io"
DEFAULT_TAG = "latest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image that containers can be made of."""

    id: str
    names: tuple[str, ...]
    layers: tuple[Path, ...]
    """Directories of the root file system, the uppermost first."""
    over_machine: Path | None = None
    """For images made of the machine: what lies over its /usr."""
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    directory: str = "/"
    stop_signal: str = ""

    @classmethod
    def of_config(
        cls, *, digest: str, names: Iterable[str], layers: Iterable[Path], config: Mapping[str, Any]
    ) -> Self:
        """Return the image that an OCI image configuration's `config` describes."""
        return cls(
            id=digest,
            names=tuple(names),
            layers=tuple(layers),
            entrypoint=tuple(config.get("Entrypoint") or ()),
            command=tuple(config.get("Cmd") or ()),
            environment=dict(each.partition("=")[::2] for each in config.get("Env") or ()),
            user=config.get("User") or "",
            directory=config.get("WorkingDir") or "/",
            stop_signal=config.get("StopSignal") or "",
        )


def canonical(reference: str) -> str:
    """Return a reference in full: `nginx` is `docker.io/library/nginx:latest`. A digest stays as it is."""
    name, at, digest = reference.partition("@")
    first, slash, rest = name.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        first, rest = DEFAULT_REGISTRY, name
    if first == DEFAULT_REGISTRY and "/" not in rest:
        rest = f"library/{rest}"
    if not at and ":" not in rest.rpartition("/")[2]:
        rest = f"{rest}:{DEFAULT_TAG}"
    return f"{first}/{rest}{at}{digest}"


def familiar(reference: str) -> str:
    """Return a reference as people write it, without what is the default."""
    short = canonical(reference).removeprefix(f"{DEFAULT_REGISTRY}/").removeprefix("library/")
    return short.removesuffix(f":{DEFAULT_TAG}")


def repository(reference: str) -> str:
    """Return a reference without its tag and digest."""
    name = canonical(reference).partition("@")[0]
    head, _, last = name.rpartition("/")
    return f"{head}/{last.partition(':')[0]}"


class Images:
    """The store in a directory, and built-in images beside it."""

    def __init__(self, directory: Path, built_in: Iterable[Image] = ()) -> None:
        self.directory = directory
        self._built_in = tuple(built_in)

    def find(self, reference: str) -> Image:
        """Return the image of a reference; raises ImageUnknown that names what there is.

        A built-in image answers to its repository's name with any tag: the machine has one version of everything.
        """
        wanted = canonical(reference)
        for image in self.loaded():
            if wanted in {*image.names, image.id} or wanted.endswith(f"@{image.id}"):
                return image
        for image in self._built_in:
            if repository(reference) in image.names:
                return image
        raise ImageUnknown(
            f'image "{reference}" is not on this node and nothing is downloaded; there is: '
            f"{', '.join(self.names())}. Load others with: lab image load FILE"
        )

    def names(self) -> list[str]:
        """Return how people would write the images that there are."""
        names = [name for image in (*self._built_in, *self.loaded()) for name in image.names]
        return sorted(map(familiar, names))

    def loaded(self) -> list[Image]:
        """Return the images that were loaded from archives; reads the directory anew."""
        return [self._read(path) for path in sorted(self.directory.glob("*.json"))]

    def add(
        self, *, digest: str, names: Iterable[str], layers: Iterable[str], config: Mapping[str, Any]
    ) -> None:
        """Register an image whose layers, topmost first, are in `layer_directory`."""
        document = {
            "id": digest,
            "names": [canonical(each) for each in names],
            "layers": list(layers),
            "config": config,
        }
        name = hashlib.sha256(digest.encode()).hexdigest()[:24]
        write_atomically(self.directory / f"{name}.json", orjson.dumps(document).decode())

    def layer_directory(self, digest: str) -> Path:
        return self.directory / "layers" / digest.replace(":", "-")

    def _read(self, path: Path) -> Image:
        document = orjson.loads(path.read_bytes())
        layers = [self.layer_directory(digest) for digest in document["layers"]]
        return Image.of_config(
            digest=document["id"], names=document["names"], layers=layers, config=document["config"]
        )
