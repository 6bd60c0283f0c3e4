"""Tables for `kubectl get`."""

from __future__ import annotations

from collections.abc import Sequence

from lab.pocket.apiserver.registry import Resource
from lab.pocket.store import Object

COLUMNS = (
    {"name": "Name", "type": "string", "format": "name", "description": "", "priority": 0},
    {"name": "Created At", "type": "date", "format": "", "description": "", "priority": 0},
)


def table(_resource: Resource, objects: Sequence[Object], *, include: str, api_version: str) -> Object:
    """Return a meta.k8s.io Table without its metadata; `include` is Object, Metadata or None."""
    return {
        "kind": "Table",
        "apiVersion": api_version,
        "columnDefinitions": [*COLUMNS],
        "rows": [_row(obj, include, api_version) for obj in objects],
    }


def _row(obj: Object, include: str, api_version: str) -> Object:
    metadata = obj["metadata"]
    row: Object = {"cells": [metadata["name"], metadata.get("creationTimestamp")]}
    if include == "Object":
        row["object"] = obj
    elif include != "None":
        row["object"] = {"kind": "PartialObjectMetadata", "apiVersion": api_version, "metadata": metadata}
    return row
