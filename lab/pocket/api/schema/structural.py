"""Is a CRD's schema structural? Kubernetes accepts no other, since pruning and defaulting need one type per field.

Source: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from lab.pocket.api import field
from lab.pocket.api.field import FieldError
from lab.pocket.api.schema.check import check, regular_expression
from lab.pocket.api.schema.model import Node

__all__ = ["structural_errors"]

_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_FORBIDDEN = ("$ref", "additionalItems", "definitions", "dependencies", "id", "patternProperties")
_TYPELESS = ("x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields")
_OUTSIDE_ONLY = (
    "additionalProperties", "default", "description", "nullable", "title", "type", "x-kubernetes-embedded-resource",
    "x-kubernetes-int-or-string", "x-kubernetes-list-map-keys", "x-kubernetes-list-type", "x-kubernetes-map-type",
    "x-kubernetes-preserve-unknown-fields", "x-kubernetes-validations",
)  # fmt: skip
_JUNCTORS = ("allOf", "anyOf", "oneOf")


def structural_errors(root: Node, path: str) -> Iterator[FieldError]:
    """Yield why a schema is not structural; `path` is that of the schema, `spec.versions[0].schema.openAPIV3Schema`."""
    if not root.get("type"):
        yield field.required(f"{path}.type", "must not be empty at the root")
    elif root["type"] != "object":
        yield field.invalid(f"{path}.type", root["type"], "must be object at the root")
    yield from _metadata(root, path)
    yield from _node(root, path, "at the root")


def _node(node: Node, path: str, what: str) -> Iterator[FieldError]:
    yield from _type(node, path, what)
    yield from _own(node, path)
    yield from _list_type(node, path)
    yield from _default(node, path)
    for name, part in _junctor_parts(node):
        yield from _value_validation(part, node, f"{path}.{name}")
    for name, child in node.get("properties", {}).items():
        yield from _node(child, f"{path}.properties[{name}]", "for specified object fields")
    if isinstance(node.get("items"), dict):
        yield from _node(node["items"], f"{path}.items", "for specified array items")
    if isinstance(node.get("additionalProperties"), dict):
        yield from _node(
            node["additionalProperties"], f"{path}.additionalProperties", "for specified object fields"
        )


def _type(node: Node, path: str, what: str) -> Iterator[FieldError]:
    kind = node.get("type")
    if kind is None:
        free = any(name in node for name in (*_FORBIDDEN, *_TYPELESS))
        if what != "at the root" and not free:
            yield field.required(f"{path}.type", f"must not be empty {what}")
    elif kind not in _TYPES:
        yield field.not_supported(f"{path}.type", kind, _TYPES)
    if kind == "array" and not isinstance(node.get("items"), dict):
        yield field.required(f"{path}.items", "must be specified")


def _own(node: Node, path: str) -> Iterator[FieldError]:
    for name in _FORBIDDEN:
        if name in node:
            yield field.forbidden(f"{path}.{name}", f"{name} is not supported")
    if node.get("uniqueItems"):
        yield field.forbidden(
            f"{path}.uniqueItems",
            "uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
        )
    if "properties" in node and node.get("additionalProperties"):
        yield field.forbidden(
            f"{path}.additionalProperties", "additionalProperties and properties are mutual exclusive"
        )
    if node.get("x-kubernetes-preserve-unknown-fields") is False:
        yield field.invalid(
            f"{path}.x-kubernetes-preserve-unknown-fields", False, "must be true or undefined"
        )
    pattern = node.get("pattern")
    if pattern and regular_expression(pattern) is None:
        yield field.invalid(f"{path}.pattern", pattern, "must be a valid regular expression")
    if node.get("x-kubernetes-embedded-resource"):
        yield from _embedded(node, path)
    for index, rule in enumerate(node.get("x-kubernetes-validations") or ()):
        yield from _rule(rule, f"{path}.x-kubernetes-validations[{index}].rule")


def _embedded(node: Node, path: str) -> Iterator[FieldError]:
    if node.get("type") != "object":
        yield field.invalid(
            f"{path}.type", node.get("type"), "must be object if x-kubernetes-embedded-resource is true"
        )
    if not node.get("properties") and not node.get("x-kubernetes-preserve-unknown-fields"):
        yield field.required(
            f"{path}.properties",
            "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields",
        )
    yield from _metadata(node, path)


def _metadata(node: Node, path: str) -> Iterator[FieldError]:
    """Yield an error when a resource's schema says more of its metadata than the two fields it may restrict."""
    if node.get("properties", {}).get("metadata", {}).get("properties", {}).keys() - {"name", "generateName"}:
        yield field.forbidden(
            f"{path}.properties[metadata]",
            "must not specify anything other than name and generateName, but metadata is implicitly specified",
        )


def _rule(rule: dict[str, Any], path: str) -> Iterator[FieldError]:
    from lab.pocket.api.schema.rules import compilation_error  # noqa: PLC0415  # CEL, paid only by CRDs with rules

    text = rule.get("rule", "").strip()
    wrong = compilation_error(text) if text else ""
    if not text:
        yield field.required(path, "rule is not specified")
    elif wrong:
        yield field.invalid(path, rule, f"compilation failed: {wrong}")


def _list_type(node: Node, path: str) -> Iterator[FieldError]:
    kind, keys = node.get("x-kubernetes-list-type"), node.get("x-kubernetes-list-map-keys")
    if kind is None:
        if keys:
            yield field.required(
                f"{path}.x-kubernetes-list-type", "must be map if x-kubernetes-list-map-keys is non-empty"
            )
        return
    if kind not in {"atomic", "map", "set"}:
        detail = 'supported values: "atomic", "set", "map"'
        yield FieldError(field.Kind.NOT_SUPPORTED, f"{path}.x-kubernetes-list-type", kind, detail)
    if node.get("type") != "array":
        yield field.invalid(
            f"{path}.type", node.get("type") or "", "must be array if x-kubernetes-list-type is specified"
        )
    if kind == "map":
        yield from _map_keys(node, keys or [], path)


def _map_keys(node: Node, keys: list[str], path: str) -> Iterator[FieldError]:
    if not keys:
        yield field.required(
            f"{path}.x-kubernetes-list-map-keys", "must not be empty if x-kubernetes-list-type is map"
        )
    items = node.get("items") or {}
    properties = items.get("properties", {})
    if not properties.keys() >= set(keys):
        where = f"{path}.x-kubernetes-list-map-keys"
        yield field.invalid(where, keys, "entries must all be names of item properties")
    for name in keys:
        if name in properties and name not in items.get("required", ()) and "default" not in properties[name]:
            yield field.required(
                f"{path}.items.properties[{name}].default",
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property",
            )


def _default(node: Node, path: str) -> Iterator[FieldError]:
    if node.get("default") is not None:
        for error in check(node["default"], node):
            where = f"{path}.default.{error.path}" if error.path else f"{path}.default"
            yield replace(error, path=where)


def _junctor_parts(node: Node) -> Iterator[tuple[str, Any]]:
    for name in _JUNCTORS:
        for index, part in enumerate(node.get(name) or ()):
            yield f"{name}[{index}]", part
    if "not" in node:
        yield "not", node["not"]


def _value_validation(part: Node, outside: Node, path: str) -> Iterator[FieldError]:
    """Inside of allOf, anyOf, oneOf and not there are only value validations; types and defaults stand outside."""
    for name in _OUTSIDE_ONLY:
        if name in part and not (outside.get("x-kubernetes-int-or-string") and name == "type"):
            yield field.forbidden(f"{path}.{name}", "must be empty to be structural")
    for name, child in part.get("properties", {}).items():
        declared = outside.get("properties", {}).get(name, {})
        yield from _value_validation(child, declared, f"{path}.properties[{name}]")
    if isinstance(part.get("items"), dict):
        yield from _value_validation(part["items"], outside.get("items") or {}, f"{path}.items")
    for name, inner in _junctor_parts(part):
        yield from _value_validation(inner, outside, f"{path}.{name}")
