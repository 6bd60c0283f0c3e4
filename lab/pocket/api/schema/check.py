"""Values against a CRD's OpenAPI schema, with the sentences of Kubernetes (go-openapi's, as kube-openapi keeps them)."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import orjson

from lab.pocket.api import field, values
from lab.pocket.api.field import FieldError
from lab.pocket.api.formats import FORMATS
from lab.pocket.api.schema.model import Node

__all__ = ["check", "json_type", "regular_expression"]


def check(value: Any, node: Node, path: str = "") -> Iterator[FieldError]:
    """Yield what is wrong with `value`; `path` is its own path, "" for the object itself."""
    if value is None and (node.get("nullable") or not node.get("type")):
        return
    mistyped = _type_error(value, node, path)
    if mistyped:
        yield mistyped
        if isinstance(value, float) and node.get("type") == "integer":
            yield field.invalid("", "", f"Checked value must be of type integer (default format) in {path}")
    if "enum" in node and not any(values.equal(value, allowed) for allowed in node["enum"]):
        yield _not_in_enumeration(path, value, node["enum"])
    if not mistyped:
        rule = _RULES.get(json_type(value))
        if rule is not None:
            yield from rule(value, node, path)
        yield from _junctors(value, node, path)


def json_type(value: Any) -> str:
    """Return the JSON schema name of a value's type; a whole float is a number here."""
    return _TYPES[type(value)]


_TYPES = {
    dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null",
}  # fmt: skip


def _type_error(value: Any, node: Node, path: str) -> FieldError | None:
    allowed = ["integer", "string"] if node.get("x-kubernetes-int-or-string") else [node.get("type")]
    found = json_type(value)
    if allowed == [None] or found in allowed or (found == "integer" and "number" in allowed):
        return None
    words = f"{path} in body must be of type {','.join(map(str, allowed))}: {_quoted(found)}"
    return FieldError(field.Kind.TYPE_INVALID, path, found, words)


def _not_in_enumeration(path: str, value: Any, allowed: list[Any]) -> FieldError:
    listed = ", ".join(
        _quoted(item if isinstance(item, str) else orjson.dumps(item).decode()) for item in allowed
    )
    return FieldError(field.Kind.NOT_SUPPORTED, path, value, f"supported values: {listed}")


def _quoted(text: str) -> str:
    return orjson.dumps(text).decode()


def _string(value: str, node: Node, path: str) -> Iterator[FieldError]:
    pattern = node.get("pattern")
    if len(value) > node.get("maxLength", len(value)):
        yield field.too_long(path, node["maxLength"])
    elif len(value) < node.get("minLength", 0):
        yield field.invalid(path, value, f"{path} in body should be at least {node['minLength']} chars long")
    elif pattern and not _matches(pattern, value):
        yield field.invalid(path, value, f"{path} in body should match '{pattern}'")
    known = FORMATS.get(node.get("format", ""))
    if known is not None and not known(value):
        words = f"{path} in body must be of type {node['format']}: {_quoted(value)}"
        yield FieldError(field.Kind.TYPE_INVALID, path, value, words)


def _matches(pattern: str, value: str) -> bool:
    """Say whether the pattern is in the value; one that Python cannot express is taken to match."""
    compiled = regular_expression(pattern)
    return compiled is None or compiled.search(value) is not None


def _number(value: float, node: Node, path: str) -> Iterator[FieldError]:
    low, high = node.get("minimum"), node.get("maximum")
    if high is not None and (value >= high if node.get("exclusiveMaximum") else value > high):
        than = "less than" if node.get("exclusiveMaximum") else "less than or equal to"
        yield field.invalid(path, value, f"{path} in body should be {than} {high}")
    if low is not None and (value <= low if node.get("exclusiveMinimum") else value < low):
        than = "greater than" if node.get("exclusiveMinimum") else "greater than or equal to"
        yield field.invalid(path, value, f"{path} in body should be {than} {low}")
    factor = node.get("multipleOf")
    if factor and value % factor:
        yield field.invalid(path, value, f"{path} in body should be a multiple of {factor}")
    bits = {"int32": 31, "int64": 63}.get(node.get("format", ""))
    if bits and not -(2**bits) <= value < 2**bits:
        yield field.invalid(
            "", "", f"Checked value must be of type integer with format {node['format']} in {path}"
        )


def _array(value: list[Any], node: Node, path: str) -> Iterator[FieldError]:
    if len(value) > node.get("maxItems", len(value)):
        yield field.too_many(path, len(value), node["maxItems"])
    if len(value) < node.get("minItems", 0):
        yield field.invalid(path, len(value), f"{path} in body should have at least {node['minItems']} items")
    items = node.get("items")
    if items:
        for index, item in enumerate(value):
            yield from check(item, items, f"{path}[{index}]")
    yield from _uniqueness(value, node, path)


def _uniqueness(value: list[Any], node: Node, path: str) -> Iterator[FieldError]:
    kind = node.get("x-kubernetes-list-type")
    if kind not in {"set", "map"}:
        return
    names, properties = (
        node.get("x-kubernetes-list-map-keys", []),
        node.get("items", {}).get("properties", {}),
    )
    seen = set()
    for index, item in enumerate(value):
        if kind == "map" and not isinstance(item, dict):
            continue
        identity = item if kind == "set" else _identity(item, names, properties)
        if values.key(identity) in seen:
            yield field.duplicate(f"{path}[{index}]", identity)
        seen.add(values.key(identity))


def _identity(item: dict[str, Any], names: list[str], properties: dict[str, Node]) -> dict[str, Any]:
    given = {name: item.get(name, properties.get(name, {}).get("default")) for name in names}
    return {name: value for name, value in given.items() if value is not None}


def _object(value: dict[str, Any], node: Node, path: str) -> Iterator[FieldError]:
    if len(value) > node.get("maxProperties", len(value)):
        yield field.too_many(path, len(value), node["maxProperties"])
    if len(value) < node.get("minProperties", 0):
        yield field.invalid(
            path, len(value), f"{path} in body should have at least {node['minProperties']} properties"
        )
    for name in node.get("required", ()):
        if name not in value:
            yield field.required(_join(path, name))
    if node.get("x-kubernetes-embedded-resource"):
        for name in ("apiVersion", "kind"):
            if not value.get(name):
                yield field.required(_join(path, name))
    properties, rest = node.get("properties", {}), node.get("additionalProperties")
    for name, item in value.items():
        child = properties.get(name, rest)
        if isinstance(child, dict):
            yield from check(item, child, _join(path, name))


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


_RULES: dict[str, Callable[[Any, Node, str], Iterator[FieldError]]] = {
    "string": _string,
    "integer": _number,
    "number": _number,
    "array": _array,
    "object": _object,
}


def _junctors(value: Any, node: Node, path: str) -> Iterator[FieldError]:
    """Yield what allOf, anyOf, oneOf and not say; their own sentences have no path, and follow with the first part's."""
    if "anyOf" in node:
        errors = _outcomes(value, node["anyOf"], path)
        if all(errors):
            yield field.invalid("", "", f'"{path}" must validate at least one schema (anyOf)')
            yield from errors[0]
    if "oneOf" in node:
        errors = _outcomes(value, node["oneOf"], path)
        fitting = errors.count([])
        if fitting != 1:
            found = f"Found {fitting} valid alternatives" if fitting else "Found none valid"
            yield field.invalid("", "", f'"{path}" must validate one and only one schema (oneOf). {found}')
            yield from errors[0]
    if "allOf" in node:
        errors = _outcomes(value, node["allOf"], path)
        yield from itertools.chain(*errors)
        if any(errors):
            none = ". None validated" if all(errors) else ""
            yield field.invalid("", "", f'"{path}" must validate all the schemas (allOf){none}')
    if "not" in node and not any(True for _ in check(value, node["not"], path)):
        yield field.invalid("", "", f'"{path}" must not validate the schema (not)')


def _outcomes(value: Any, schemas: list[Node], path: str) -> list[list[FieldError]]:
    return [list(check(value, schema, path)) for schema in schemas]


@lru_cache(maxsize=1024)
def regular_expression(pattern: str) -> re.Pattern[str] | None:
    r"""Return a Go (RE2) pattern compiled for Python, or None when Python cannot express it.

    The two dialects differ for what schemas use only in `$`, which in Go is the very end of the text, and in `\z`.
    """
    text = re.sub(
        r"\\.|\[(?:\\.|\^?\]|[^\]\\])*\]|\$", lambda m: r"\Z" if m[0] in {"$", r"\z"} else m[0], pattern
    )
    try:
        return re.compile(text, re.ASCII)
    except (re.error, OverflowError, RecursionError):
        return None
