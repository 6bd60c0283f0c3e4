"""Manifests of the server's owner, applied at start through the API itself, as anybody would."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import yaml

from lab.errors import ApiError
from lab.kube.client import Client
from lab.kube.config import from_kubeconfig
from lab.kube.resources import Json, Resource
from lab.pocket.apiserver.registry import Registry

log = logging.getLogger(__name__)
FIRST = ("CustomResourceDefinition", "Namespace")  # what other objects of the same directory may need
SUFFIXES = {".yaml", ".yml", ".json"}


async def apply_all(registry: Registry, kubeconfig: Path, directory: Path) -> None:
    """Apply every object in a directory's files; one that is refused is logged, and the others follow."""
    objects = sorted(_objects(directory), key=lambda obj: obj.get("kind") not in FIRST)
    async with Client(from_kubeconfig(kubeconfig), user_agent="lab-manifests") as client:
        for obj in objects:
            name = f"{obj.get('kind')} {obj.get('metadata', {}).get('name')}"
            served = registry.of_kind(str(obj.get("apiVersion")), str(obj.get("kind")))
            if served is None:
                log.error("manifest of %s: no resource of this kind is served", name)
                continue
            resource = Resource(served.group, served.version, served.plural, served.kind, served.namespaced)
            try:
                await _apply(client, resource, obj)
            except ApiError as error:
                log.error("manifest of %s: %s", name, error)  # noqa: TRY400  the API's sentence is enough


async def _apply(client: Client, resource: Resource, obj: Json) -> None:
    metadata = obj.setdefault("metadata", {})
    if resource.namespaced:
        metadata.setdefault("namespace", "default")
    await client.apply(resource, obj, field_manager="lab-manifests", force=True)


def _objects(directory: Path) -> Iterator[Json]:
    for path in sorted(directory.iterdir()):
        if path.suffix in SUFFIXES:
            try:
                documents = list(yaml.safe_load_all(path.read_bytes()))
            except (OSError, yaml.YAMLError) as error:
                log.error("manifest %s: %s", path, error)  # noqa: TRY400
                continue
            for document in documents:
                yield from _flat(document)


def _flat(document: object) -> Iterator[Json]:
    if isinstance(document, dict) and document.get("kind") == "List":
        for item in document.get("items") or ():
            yield from _flat(item)
    elif isinstance(document, dict):
        yield document
