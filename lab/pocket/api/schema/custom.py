"""Custom resources, completed as a CRD's structural schema says: pruned and defaulted.

Source: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
"""

from __future__ import annotations

from typing import Any

from lab.pocket.api import values
from lab.pocket.api.schema.model import Node
from lab.pocket.api.schema.native import decode

__all__ = ["complete"]

_TYPE_META = ("apiVersion", "kind")


def complete(value: Any, node: Node, meta: Node, unknown: list[str]) -> Any:
    """Return a custom resource without unknown fields and with its defaults; `meta` is ObjectMeta's node.

    Paths that were pruned go to `unknown`. Raises MalformedError when `metadata` is no ObjectMeta.
    """
    return _Completion(meta, unknown).resource(value, node, "")


class _Completion:
    __slots__ = ("_meta", "_unknown")

    def __init__(self, meta: Node, unknown: list[str]) -> None:
        self._meta = meta
        self._unknown = unknown

    def resource(self, value: dict[str, Any], node: Node, path: str) -> dict[str, Any]:
        """Complete an object that has apiVersion, kind and metadata of its own, whatever the schema says of them."""
        own = {name: value[name] for name in _TYPE_META if name in value}
        if isinstance(value.get("metadata"), dict):
            where = f"{path}.metadata" if path else "metadata"
            own["metadata"] = decode(value["metadata"], self._meta, self._unknown, where)
        rest = {name: item for name, item in value.items() if name not in {*_TYPE_META, "metadata"}}
        properties = {
            k: v for k, v in node.get("properties", {}).items() if k not in {*_TYPE_META, "metadata"}
        }
        return own | self.object(rest, {**node, "properties": properties}, path)

    def value(self, value: Any, node: Node, path: str) -> Any:
        if not node:
            return value  # below what preserves unknown fields, nothing is known and all is kept
        if isinstance(value, dict):
            if node.get("x-kubernetes-embedded-resource"):
                return self.resource(value, node, path)
            return self.object(value, node, path)
        if isinstance(value, list) and isinstance(node.get("items"), dict):
            return [self.value(item, node["items"], f"{path}[{index}]") for index, item in enumerate(value)]
        if isinstance(value, float) and node.get("type") == "integer" and value.is_integer():
            return int(value)
        return value

    def object(self, value: dict[str, Any], node: Node, path: str) -> dict[str, Any]:
        result: dict[str, Any] = {}
        properties: dict[str, Node] = node.get("properties", {})
        for name, item in value.items():
            where = f"{path}.{name}" if path else name
            child = _child(name, node)
            if child is None:
                self._unknown.append(where)
            elif item is not None or child.get("nullable") or not child:
                result[name] = self.value(item, child, where)
        for name, child in properties.items():
            if name not in result and child.get("default") is not None:
                where = f"{path}.{name}" if path else name
                result[name] = self.value(values.copy(child["default"]), child, where)
        return result


def _child(name: str, node: Node) -> Node | None:
    """Return the schema of a member: {} when anything goes, None when it is unknown."""
    child: Node | None = node.get("properties", {}).get(name)
    if child is not None:
        return child
    rest = node.get("additionalProperties")
    if isinstance(rest, dict):
        return rest
    if rest is True or node.get("x-kubernetes-preserve-unknown-fields"):
        return {}
    return None
