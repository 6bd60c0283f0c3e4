"""Strategic merge patch: a merge patch that knows from the schema which lists merge, and by which key.

Source: https://github.com/kubernetes/community/blob/main/contributors/devel/sig-api-machinery/strategic-merge-patch.md
and k8s.io/apimachinery, util/strategicpatch. Built-in kinds only; Kubernetes answers 415 for custom ones.
"""

from __future__ import annotations

from typing import Any

from lab.pocket.api import values
from lab.pocket.api.errors import PatchError
from lab.pocket.api.schema.model import Node

__all__ = ["apply"]

Object = dict[str, Any]
_DIRECTIVE = "$patch"
_RETAIN_KEYS = "$retainKeys"
_ORDER = "$setElementOrder/"
_DELETE = "$deleteFromPrimitiveList/"


def apply(document: Object, patch: Object, node: Node) -> Object:
    """Return `document` with `patch` merged in as `node`, the kind's resolved schema, says; arguments stay as they were.

    Raises PatchError (400) for directives that contradict each other or the schema.
    """
    return _merge_map(values.copy(document), values.copy(patch), node)


def _merge_map(original: Object, patch: Object, node: Node) -> Object:
    directive = patch.pop(_DIRECTIVE, None)
    if directive == "replace":
        return patch
    if directive == "delete":
        return {}
    if directive is not None:
        raise PatchError(f"unknown patch type: {directive}")
    _retain_keys(original, patch)
    orders = _take_prefixed(patch, _ORDER)
    deletions = _take_prefixed(patch, _DELETE)
    for name, gone in deletions.items():
        kept = original.get(name)
        if isinstance(kept, list):
            original[name] = _subtract(kept, gone)
    for name, value in patch.items():
        _merge_member(original, name, value, _child(node, name), orders.get(name))
    for name in orders.keys() - patch.keys():
        if isinstance(original.get(name), list):
            original[name] = _ordered(original[name], original[name], orders[name], _key(_child(node, name)))
    return original


def _merge_member(original: Object, name: str, value: Any, node: Node, order: list[Any] | None) -> None:
    if value is None:
        original.pop(name, None)
        return
    strategies = node.get("x-kubernetes-patch-strategy", "").split(",")
    before = original.get(name)
    if isinstance(value, dict):
        base = before if isinstance(before, dict) and "replace" not in strategies else {}
        original[name] = _merge_map(base, value, node)
    elif isinstance(value, list) and "merge" in strategies:
        original[name] = _merge_list(before if isinstance(before, list) else [], value, node, order)
    else:
        original[name] = value


def _child(node: Node, name: str) -> Node:
    """Return the schema of a member; {} for one that the schema does not know, which then replaces as a whole."""
    child = node.get("properties", {}).get(name)
    if child is None:
        child = node.get("additionalProperties")
    return child if isinstance(child, dict) else {}


def _key(node: Node) -> str:
    """Return the merge key of a list of objects, or "" for a list of scalars."""
    return str(node.get("x-kubernetes-patch-merge-key", ""))


def _take_prefixed(patch: Object, prefix: str) -> dict[str, list[Any]]:
    taken = {}
    for name in [name for name in patch if name.startswith(prefix)]:
        value = patch.pop(name)
        if not isinstance(value, list):
            raise PatchError(f"{name} must be a list")
        taken[name.removeprefix(prefix)] = value
    return taken


def _retain_keys(original: Object, patch: Object) -> None:
    """Drop from `original` what the directive does not name: a union's other members."""
    retained = patch.pop(_RETAIN_KEYS, None)
    if retained is None:
        return
    if not isinstance(retained, list) or not all(isinstance(name, str) for name in retained):
        raise PatchError("invalid patch format of retainKeys list")
    if not {name for name, value in patch.items() if value is not None and not name.startswith("$")} <= {
        *retained
    }:
        raise PatchError("invalid patch format of retainKeys")
    for name in original.keys() - {*retained}:
        del original[name]


def _subtract(items: list[Any], gone: list[Any]) -> list[Any]:
    return [item for item in items if not any(values.equal(item, other) for other in gone)]


def _merge_list(original: list[Any], patch: list[Any], node: Node, order: list[Any] | None) -> list[Any]:
    key = _key(node)
    listed = [item for item in patch if not (isinstance(item, dict) and _DIRECTIVE in item)]
    if any(isinstance(item, dict) and item.get(_DIRECTIVE) == "replace" for item in patch):
        return listed  # as it is: the addresses of a node have several items of one key
    if not key:
        merged = original + [item for item in _unique(patch) if not _holds(original, item)]
    else:
        merged = _merge_objects(original, patch, node.get("items", {}), key)
    named = [_identity(item, key) for item in order or ()]
    if order is not None and not all(_holds(named, _identity(item, key)) for item in listed):
        raise PatchError("The order in patch list doesn't match $setElementOrder list")
    return _ordered(merged, original, listed if order is None else order, key)


def _merge_objects(original: list[Any], patch: list[Any], node: Node, key: str) -> list[Any]:
    for item in patch:
        if not isinstance(item, dict):
            raise PatchError(f"a list that merges by {key} holds objects only")
    merged = list(original)
    for item in patch:
        position = _position(merged, _merge_key(item, key), key)
        if item.get(_DIRECTIVE) == "delete":
            merged = [have for have in merged if not values.equal(_identity(have, key), item[key])]
        elif position is None:
            merged.append(_merge_map({}, item, node))
        else:
            merged[position] = _merge_map(merged[position], item, node)
    return merged


def _merge_key(item: Object, key: str) -> Any:
    if key not in item:
        raise PatchError(f"map: {item} does not contain declared merge key: {key}")
    return item[key]


def _identity(item: Any, key: str) -> Any:
    return item.get(key) if key and isinstance(item, dict) else item


def _position(items: list[Any], identity: Any, key: str) -> int | None:
    same = (index for index, item in enumerate(items) if values.equal(_identity(item, key), identity))
    return next(same, None)


def _holds(items: list[Any], item: Any) -> bool:
    return any(values.equal(item, other) for other in items)


def _unique(items: list[Any]) -> list[Any]:
    return list({values.key(item): item for item in items}.values())


def _ordered(merged: list[Any], server: list[Any], order: list[Any], key: str) -> list[Any]:
    """Return `merged` with the client's items in the client's order, and the others where they were among them."""
    wanted = [_identity(item, key) for item in order]
    ours = [item for name in wanted for item in merged if values.equal(_identity(item, key), name)]
    others = [item for item in merged if not _holds(wanted, _identity(item, key))]
    result = []
    while others and ours:
        left, right = (_position(server, _identity(items[0], key), key) for items in (others, ours))
        first = others if left is not None and right is not None and left < right else ours
        result.append(first.pop(0))
    return result + others + ours
