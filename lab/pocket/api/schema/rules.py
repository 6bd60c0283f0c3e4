"""CEL rules of CRDs (`x-kubernetes-validations`). Source: KEP-2876 and the pages that `lab.pocket.api.cel` names."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from lab.pocket.api import values
from lab.pocket.api.cel import (
    NONE,
    CelError,
    ExpressionError,
    MapList,
    Optional,
    Program,
    SetList,
    compile_expression,
    parse_duration,
)
from lab.pocket.api.field import OMITTED, FieldError, Kind
from lab.pocket.api.schema.check import json_type
from lab.pocket.api.schema.model import Node, has_rules

__all__ = ["Verdict", "compilation_error", "evaluate"]

_ABSENT: Any = object()
_VARIABLES = ("self", "oldSelf")
_REASONS = {kind.value[0]: kind for kind in Kind if kind is not Kind.TYPE_INVALID}
_KEYWORDS = frozenset({
    "as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let", "loop",
    "namespace", "null", "package", "return", "true", "var", "void", "while",
})  # fmt: skip


class Verdict(NamedTuple):
    """What the rules say: errors, and warnings about rules that were not evaluated."""

    errors: list[FieldError]
    warnings: list[str]


def evaluate(value: Any, node: Node, old: Any = None) -> Verdict:
    """Return what all rules of the schema say of a whole object; `old` is the stored one on update."""
    verdict = Verdict([], [])
    if has_rules(node):
        _walk(value, node, _ABSENT if old is None else old, "", verdict)
    return verdict


def _walk(value: Any, node: Node, old: Any, path: str, verdict: Verdict) -> None:
    if value is None or not has_rules(node):
        return
    for rule in node.get("x-kubernetes-validations", ()):
        _apply(rule, value, node, old=old, path=path, verdict=verdict)
    for where, item, child, before in _members(value, node, old, path):
        _walk(item, child, before, where, verdict)


def _members(value: Any, node: Node, old: Any, path: str) -> Iterator[tuple[str, Any, Node, Any]]:
    """Yield (path, value, schema, old value) of what is inside."""
    if isinstance(value, dict):
        properties, rest = node.get("properties", {}), node.get("additionalProperties")
        for name, item in value.items():
            child = properties.get(name, rest)
            if isinstance(child, dict):
                before = old.get(name, _ABSENT) if isinstance(old, dict) else _ABSENT
                yield (f"{path}.{name}" if path else name), item, child, before
    elif isinstance(value, list) and isinstance(node.get("items"), dict):
        for index, item in enumerate(value):
            yield f"{path}[{index}]", item, node["items"], _counterpart(item, node, old)


def _counterpart(item: Any, node: Node, old: Any) -> Any:
    """Return the old item that is the same entry of a list of type map, or _ABSENT: other lists have no identity."""
    if not isinstance(old, list) or node.get("x-kubernetes-list-type") != "map" or not isinstance(item, dict):
        return _ABSENT
    names = node.get("x-kubernetes-list-map-keys", [])
    same = (
        before
        for before in old
        if isinstance(before, dict) and all(values.equal(before.get(name), item.get(name)) for name in names)
    )
    return next(same, _ABSENT)


def _apply(rule: dict[str, Any], value: Any, node: Node, *, old: Any, path: str, verdict: Verdict) -> None:
    text = rule.get("rule", "")
    program = _compiled(text)
    if isinstance(program, ExpressionError):  # it was stored before this was checked
        verdict.warnings.append(f"{path or 'object'}: CEL rule {text!r} is not enforced: {program.text}")
        return
    variables = {"self": _presented(value, node)}
    if "oldSelf" in program.names:
        known = old is not _ABSENT and old is not None
        if rule.get("optionalOldSelf"):
            variables["oldSelf"] = Optional(_presented(old, node)) if known else NONE
        elif not known:
            return
        else:
            variables["oldSelf"] = _presented(old, node)
    try:
        holds = program.evaluate(variables)
    except CelError as error:
        words = f"{error} evaluating rule: {_said(rule)}"
        verdict.errors.append(FieldError(Kind.INVALID, path, json_type(value), words))
        return
    if holds is not True:
        where = path + rule.get("fieldPath", "") if path else rule.get("fieldPath", "").lstrip(".")
        kind = _REASONS.get(rule.get("reason", ""), Kind.INVALID)
        verdict.errors.append(FieldError(kind, where, OMITTED, _message(rule, variables)))


def _said(rule: dict[str, Any]) -> str:
    return str(rule.get("message") or rule["rule"]).strip()


def _message(rule: dict[str, Any], variables: dict[str, Any]) -> str:
    program = _compiled(rule.get("messageExpression") or '""')
    if isinstance(program, Program):
        try:
            text = program.evaluate(variables)
        except CelError:
            text = None
        if isinstance(text, str) and text.strip() and "\n" not in text:
            return text
    return str(rule.get("message") or f"failed rule: {rule['rule']}").strip()


@lru_cache(maxsize=4096)
def _compiled(text: str) -> Program | ExpressionError:
    try:
        return compile_expression(text, variables=_VARIABLES)
    except ExpressionError as error:
        return error.with_traceback(None)


def compilation_error(text: str) -> str:
    """Return why a rule can be no CEL, or names what there is not, in cel-go's form; "" when it is fine."""
    program = _compiled(text)
    return program.text if isinstance(program, ExpressionError) else ""


def _presented(value: Any, node: Node) -> Any:
    """Return a value as rules see it: names escaped, times as times, no unknown members."""
    if isinstance(value, dict):
        properties = node.get("properties")
        if properties is None:
            rest = node.get("additionalProperties")
            inner = rest if isinstance(rest, dict) else {}
            return {name: _presented(item, inner) for name, item in value.items()}
        return {_escaped(name): _presented(item, properties.get(name, {})) for name, item in value.items()}
    if isinstance(value, list):
        return _presented_list(value, node)
    if isinstance(value, str):
        return _presented_text(value, node.get("format", ""))
    if node.get("type") == "number" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def _presented_list(value: list[Any], node: Node) -> list[Any]:
    items = [_presented(item, node.get("items", {})) for item in value]
    kind = node.get("x-kubernetes-list-type")
    if kind == "set":
        return SetList(items)
    if kind == "map":
        return MapList(items, tuple(map(_escaped, node.get("x-kubernetes-list-map-keys", ()))))
    return items


def _presented_text(text: str, form: str) -> Any:
    """Return a text as what its format says; one that does not fit it was refused for that."""
    try:
        match form:
            case "date-time" | "date":
                moment = dt.datetime.fromisoformat(text)
                return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
            case "byte":
                return base64.b64decode(text, validate=True)
            case "duration":
                return parse_duration(text)
    except (ValueError, binascii.Error, CelError):
        return text
    return text


def _escaped(name: str) -> str:
    if name in _KEYWORDS:
        return f"__{name}__"
    if "__" not in name and name.isidentifier():
        return name
    for letters, word in (("__", "__underscores__"), (".", "__dot__"), ("-", "__dash__"), ("/", "__slash__")):
        name = name.replace(letters, word)
    return name
