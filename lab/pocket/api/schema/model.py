"""What a schema is to the rest of the API, and what processing an object with it gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lab.pocket.api.field import FieldError

__all__ = ["Node", "Processed", "Schema", "has_rules"]

Node = dict[str, Any]
"""An OpenAPI 3.0 schema whose references are resolved: `node["items"]` is the other node itself, cycles included."""


@dataclass(frozen=True, slots=True)
class Schema:
    """The schema of one kind: a built-in one (`native`) is decoded as Go decodes it, a custom one as a CRD says."""

    root: Node
    native: bool
    name: str = ""
    """The definition's name for a built-in kind, as `io.k8s.api.core.v1.Service`."""


@dataclass(slots=True)
class Processed:
    """An object that went through its schema; `object` is a new one, complete, without unknown fields."""

    object: dict[str, Any]
    malformed: str = ""
    """Why the body cannot be decoded at all (`json: cannot unmarshal …`): answer 400, ignore the rest."""
    errors: list[FieldError] = field(default_factory=list)
    """What is wrong with an object that can be decoded: answer 422."""
    unknown_fields: list[str] = field(default_factory=list)
    """Paths that were pruned: 400 `strict decoding error: unknown field "…"`, or a warning, or nothing."""
    warnings: list[str] = field(default_factory=list)


def has_rules(node: Node) -> bool:
    """Say whether the schema holds a rule anywhere; the answer is kept in the node."""
    known: bool | None = node.get("x-has-rules")
    if known is None:
        known = bool(node.get("x-kubernetes-validations")) or any(map(has_rules, _inner(node)))
        node["x-has-rules"] = known
    return known


def _inner(node: Node) -> Iterator[Node]:
    yield from node.get("properties", {}).values()
    yield from (node[name] for name in ("items", "additionalProperties") if isinstance(node.get(name), dict))
