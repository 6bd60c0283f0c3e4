"""The built-in kinds' schemas, read once from the tables that scripts/kubernetes_types.py writes."""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from lab.pocket.api.schema.model import Node, Schema

__all__ = ["builtin", "definition", "descriptions", "kinds", "load", "raw_definitions"]

_DATA = Path(__file__).resolve().parent.parent / "data"


def load(name: str) -> Any:
    """Return a generated table by its file name without `.json.gz`."""
    return orjson.loads(gzip.decompress((_DATA / f"{name}.json.gz").read_bytes()))


@cache
def raw_definitions() -> dict[str, Node]:
    """Return every definition by name, references (`$ref`: a name) unresolved."""
    found: dict[str, Node] = load("schemas")["definitions"]
    return found


@cache
def kinds() -> dict[str, str]:
    """Return the definition's name of each kind that has a schema, keyed `apps/v1/Deployment`, `v1/Pod`."""
    found: dict[str, str] = load("schemas")["kinds"]
    return found


def descriptions() -> dict[str, dict[str, str]]:
    """Return the prose of each definition (key "") and of its properties; read anew each time, being large."""
    found: dict[str, dict[str, str]] = load("descriptions")
    return found


@cache
def _resolved() -> dict[str, Node]:
    tables: dict[str, Node] = load("schemas")["definitions"]
    for name, node in tables.items():
        node["x-name"] = name
        if "x-either" in node:
            node["x-either"] = tables[node["x-either"]]
    for node in tables.values():
        for key, value in node.get("properties", {}).items():
            node["properties"][key] = _resolve(value, tables)
    return tables


def _resolve(node: Node, tables: dict[str, Node]) -> Node:
    for inner in ("items", "additionalProperties"):
        if inner in node:
            node[inner] = _resolve(node[inner], tables)
    name = node.pop("$ref", None)
    if name is None:
        return node
    return {**tables[name], **node} if node else tables[name]


def definition(name: str) -> Node:
    """Return a definition by name with its references resolved, as `io.k8s.api.core.v1.PodSpec`."""
    return _resolved()[name]


@cache
def builtin(group: str, version: str, kind: str) -> Schema | None:
    """Return the schema of a built-in kind (group "" is core), or None when there is no such kind."""
    key = f"{group}/{version}/{kind}" if group else f"{version}/{kind}"
    name = kinds().get(key)
    return Schema(definition(name), native=True, name=name) if name else None
