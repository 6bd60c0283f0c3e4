"""Sets of field paths, and FieldsV1, the JSON in which `metadata.managedFields` keeps them.

A path is a tuple of elements in FieldsV1's own spelling: `f:spec`, `k:{"name":"web"}` for an entry of a list of type
map, `v:"x"` for one of a set, `i:0`. A set of paths is a Python set of such tuples.
Source: https://kubernetes.io/docs/reference/using-api/server-side-apply/ and sigs.k8s.io/structured-merge-diff.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import orjson

__all__ = ["Path", "Paths", "from_fields_v1", "shown", "to_fields_v1", "with_parents"]

Path = tuple[str, ...]
Paths = frozenset[Path]


def from_fields_v1(fields: dict[str, Any]) -> Paths:
    """Return the paths in FieldsV1: every leaf, and every inner element that has a "." beside its children."""
    found: list[Path] = []
    _collect(fields, (), found)
    return frozenset(found)


def _collect(fields: dict[str, Any], path: Path, found: list[Path]) -> None:
    for element, inner in fields.items():
        if element == ".":
            found.append(path)
        elif isinstance(inner, dict) and inner:
            _collect(inner, (*path, element), found)
        else:
            found.append((*path, element))


@lru_cache(maxsize=1024)
def to_fields_v1(paths: Paths) -> dict[str, Any]:
    """Return FieldsV1 of a set of paths; a member that has members below it is marked with ".".

    Objects of one kind that one client writes mostly have the same fields: what is returned is shared, not to be changed.
    """
    fields: dict[str, Any] = {}
    members = sorted(paths)
    for path, following in zip(members, [*members[1:], ()], strict=False):
        inner = fields
        for element in path:
            inner = inner.setdefault(element, {})
        if following[: len(path)] == path:  # sorted: what is below a path comes right after it
            inner["."] = {}
    return fields


def with_parents(paths: Iterable[Path]) -> Paths:
    """Return the paths and all that lead to them."""
    return frozenset(path[:length] for path in paths for length in range(1, len(path) + 1))


def shown(path: Path) -> str:
    """Return a path as conflicts show it: `.spec.containers[name="web"].image`."""
    return "".join(map(_element, path))


def _element(element: str) -> str:
    kind, _, text = element.partition(":")
    if kind == "f":
        return f".{text}"
    if kind == "k":
        pairs = (
            f"{name}={orjson.dumps(value).decode()}" for name, value in sorted(orjson.loads(text).items())
        )
        return f"[{','.join(pairs)}]"
    return f"[={text}]" if kind == "v" else f"[{text}]"
