"""Objects compared, merged and cut along a schema, as server-side apply does it: sets, maps by key, atomic parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import orjson

from lab.pocket.api.errors import ApplyError
from lab.pocket.api.managed_fields.paths import Path, Paths
from lab.pocket.api.schema.model import Node
from lab.pocket.api.schema.native import zero

__all__ = ["Comparison", "compare", "field_set", "merge", "remove"]

_ABSENT: Any = object()
Compare = Callable[[Any, Any, Node, Path, "Comparison"], None]


class Comparison(NamedTuple):
    """The paths that differ between two objects."""

    added: set[Path]
    modified: set[Path]
    removed: set[Path]


def _is_map(value: Any, node: Node) -> bool:
    """Say whether the members of a value have owners of their own."""
    return isinstance(value, dict) and node.get("x-kubernetes-map-type") != "atomic"


def _is_list(value: Any, node: Node) -> bool:
    return isinstance(value, list) and node.get("x-kubernetes-list-type") in {"map", "set"}


def _members(value: dict[str, Any], node: Node) -> Iterator[tuple[str, Any, Node]]:
    properties, rest = node.get("properties", {}), node.get("additionalProperties")
    for name, item in value.items():
        child = properties.get(name, rest)
        yield f"f:{name}", item, child if isinstance(child, dict) else {}


def _entries(value: list[Any], node: Node) -> dict[str, Any]:
    """Return the entries of a list of type map or set by their path elements."""
    found: dict[str, Any] = {}
    for item in value:
        found.setdefault(_entry(item, node), item)
    return found


def _entry(item: Any, node: Node) -> str:
    if node.get("x-kubernetes-list-type") == "set":
        return f"v:{orjson.dumps(item).decode()}"
    if not isinstance(item, dict):
        raise ApplyError("associative list with keys may not have non-map elements")
    properties = node.get("items", {}).get("properties", {})
    names = node.get("x-kubernetes-list-map-keys", [])
    key = {name: item[name] if name in item else _default(properties.get(name, {})) for name in names}
    key = {name: value for name, value in key.items() if value is not None}
    if not key:
        raise ApplyError("associative list with keys has an element that omits key field")
    return f"k:{orjson.dumps(key, option=orjson.OPT_SORT_KEYS).decode()}"


def _default(node: Node) -> Any:
    return node.get("default", zero(node) if "x-always" in node else None)


def field_set(value: Any, node: Node, path: Path = ()) -> Iterator[Path]:
    """Yield the paths that an applied configuration sets."""
    if _is_map(value, node):
        declared = node.get("properties", {})
        for element, item, child in _members(value, node):
            inner = (*path, element)
            yield from field_set(item, child, inner)
            if item is None or item == {} or element[2:] not in declared:
                yield inner
    elif _is_list(value, node):
        for element, item in _entries(value, node).items():
            inner = (*path, element)
            yield from field_set(item, node.get("items", {}), inner)
            yield inner
    elif path:
        yield path


def compare(old: Any, new: Any, node: Node) -> Comparison:
    """Return what is added, modified and removed from `old` to `new`."""
    comparison = Comparison(set(), set(), set())
    _compare(old, new, node, (), comparison)
    return comparison


def _compare(old: Any, new: Any, node: Node, path: Path, result: Comparison) -> None:
    if old is not _ABSENT and new is not _ABSENT and old == new:
        return  # most of an update; Python's own comparison, several times faster, may take true for 1
    inner = _inner(old, new, node)
    if inner is not None:
        inner(old, new, node, path, result)
    elif old is not _ABSENT and new is not _ABSENT:
        result.modified.add(path)
        return
    if old is _ABSENT:
        result.added.add(path)
    if new is _ABSENT:
        result.removed.add(path)


def _inner(old: Any, new: Any, node: Node) -> Compare | None:
    """Return how to compare what is inside of two values, None when they are leaves or have one owner as a whole.

    Null and absence go with anything, as long as the other side has members or entries.
    """
    left, right = (None if value is _ABSENT else value for value in (old, new))
    one = right if left is None else left
    other = one if right is None else right
    if _is_map(one, node) and _is_map(other, node) and (one or other):
        return _compare_members
    return _compare_entries if _is_list(one, node) and _is_list(other, node) else None


def _compare_members(old: Any, new: Any, node: Node, path: Path, result: Comparison) -> None:
    before, after = _or({}, old), _or({}, new)
    properties, rest = node.get("properties", {}), node.get("additionalProperties")
    for name in before.keys() | after.keys():
        left, right = before.get(name, _ABSENT), after.get(name, _ABSENT)
        if left != right:
            child = properties.get(name, rest)
            _compare(left, right, child if isinstance(child, dict) else {}, (*path, f"f:{name}"), result)


def _compare_entries(old: Any, new: Any, node: Node, path: Path, result: Comparison) -> None:
    before, after = _entries(_or([], old), node), _entries(_or([], new), node)
    for element in before.keys() | after.keys():
        left, right = before.get(element, _ABSENT), after.get(element, _ABSENT)
        _compare(left, right, node.get("items", {}), (*path, element), result)


def _or(empty: Any, value: Any) -> Any:
    return empty if value is _ABSENT or value is None else value


def merge(live: Any, config: Any, node: Node) -> Any:
    """Return `live` with an applied configuration merged in."""
    if _is_map(live, node) and _is_map(config, node):
        merged = dict(live)
        for element, item, child in _members(config, node):
            name = element[2:]
            merged[name] = merge(live[name], item, child) if name in live else item
        return merged
    if _is_list(live, node) and _is_list(config, node):
        return _merge_lists(_entries(live, node), _entries(config, node), node.get("items", {}))
    return config


def _merge_lists(live: dict[str, Any], config: dict[str, Any], node: Node) -> list[Any]:
    """Return the entries of both, in an order that keeps to that of `config` and, where it is free, of `live`."""
    merged: list[Any] = []
    done: set[str] = set()
    left, right = list(live), list(config)
    shared = [element for element in right if element in live]
    while left or right:
        if left and right and left[0] != right[0] and left[0] in config and shared and shared[0] != left[0]:
            left.pop(0)  # its turn comes with `config`
        elif left and left[0] not in config:
            merged.append(live[left.pop(0)])
        elif left and left[0] in done:
            left.pop(0)
        elif right:
            element = right.pop(0)
            done.add(element)
            merged.append(merge(live[element], config[element], node) if element in live else config[element])
            shared = [one for one in shared if one != element]
            left = left[1:] if left and left[0] == element else left
    return merged


def remove(value: Any, paths: Paths, node: Node) -> Any:
    """Return `value` without what is at `paths`, and without maps and lists that this empties; at worst {}."""
    return (
        _remove(value, {path[:length] for path in paths for length in range(len(path))}, paths, node, ())
        or {}
    )


def _remove(value: Any, above: set[Path], paths: Paths, node: Node, path: Path) -> Any:
    """Return what is left of a value, None when that is nothing; `above` are the paths that lead to removals."""
    if path not in above:
        return value
    if _is_map(value, node):
        members = {
            element[2:]: _remove(item, above, paths, child, (*path, element))
            for element, item, child in _members(value, node)
            if (*path, element) not in paths
        }
        return {
            name: item for name, item in members.items() if item is not None or value[name] is None
        } or None
    if _is_list(value, node):
        inner = node.get("items", {})
        entries = [((*path, _entry(item, node)), item) for item in value]
        return [_remove(item, above, paths, inner, one) for one, item in entries if one not in paths] or None
    return value
