"""CEL rules of CRDs (`x-kubernetes-validations`), evaluated by the optional package common-expression-language.

The package is imported when the first rule is met. A rule that it cannot compile or that calls what Kubernetes adds
to CEL and this module does not (quantities, IP addresses, optionals) is not enforced, and a warning says so.
Source: https://kubernetes.io/docs/reference/using-api/cel/ and KEP-2876.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from types import ModuleType
from typing import Any, NamedTuple

from lab.pocket.api import values
from lab.pocket.api.field import OMITTED, FieldError, Kind
from lab.pocket.api.schema.check import json_type
from lab.pocket.api.schema.model import Node

__all__ = ["Verdict", "evaluate", "has_rules", "syntax_error"]

_ABSENT: Any = object()
_REASONS = {kind.value[0]: kind for kind in Kind if kind is not Kind.TYPE_INVALID}
_ERRORS = (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError)
_UNKNOWN = "Undefined variable or function"
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
    program, why = _compiled(text)
    if program is None or rule.get("optionalOldSelf"):
        verdict.warnings.append(_not_enforced(text, path, why or "it uses optionalOldSelf"))
        return
    variables = {"self": _presented(value, node)}
    if "oldSelf" in program.variables():
        if old is _ABSENT or old is None:
            return
        variables["oldSelf"] = _presented(old, node)
    try:
        holds = program.execute(_context(variables))
    except _ERRORS as error:
        if str(error).startswith(_UNKNOWN):
            verdict.warnings.append(_not_enforced(text, path, str(error)))
        else:
            words = f"{_go_words(error)} evaluating rule: {_said(rule)}"
            verdict.errors.append(FieldError(Kind.INVALID, path, json_type(value), words))
        return
    if holds is not True:
        where = path + rule.get("fieldPath", "") if path else rule.get("fieldPath", "").lstrip(".")
        kind = _REASONS.get(rule.get("reason", ""), Kind.INVALID)
        verdict.errors.append(FieldError(kind, where, OMITTED, _message(rule, variables)))


def _not_enforced(text: str, path: str, why: str) -> str:
    reason = re.split(r"[.] |\n", why, maxsplit=1)[0]
    return f"{path or 'object'}: CEL rule {text!r} is not enforced: {reason}"


def _go_words(error: Exception) -> str:
    return f"no such key: {error.args[0]}" if isinstance(error, KeyError) else str(error)


def _said(rule: dict[str, Any]) -> str:
    return str(rule.get("message") or rule["rule"]).strip()


def _message(rule: dict[str, Any], variables: dict[str, Any]) -> str:
    program, _ = _compiled(rule.get("messageExpression", ""))
    if program is not None:
        try:
            text = program.execute(_context(variables))
        except _ERRORS:
            text = None
        if isinstance(text, str) and text.strip() and "\n" not in text:
            return text
    return str(rule.get("message") or f"failed rule: {rule['rule']}").strip()


@cache
def _library() -> ModuleType | None:
    try:
        import cel  # noqa: PLC0415  # 165 ms and 20 MiB, paid only by CRDs with rules
    except ImportError:
        return None
    return cel  # type: ignore[no-any-return,unused-ignore]


@lru_cache(maxsize=4096)
def _compiled(text: str) -> tuple[Any, str]:
    """Return (program, "") or (None, why not)."""
    library = _library()
    if library is None:
        return None, "the package common-expression-language is not installed"
    try:
        program = library.compile(text)
    except _ERRORS as error:
        return None, str(error)
    return program, ""


def syntax_error(text: str) -> str:
    """Return why a rule can be no CEL at all, or "" when it is fine or only not known here."""
    _, why = _compiled(text)
    return why[why.index("ERROR:") :] if "Syntax error:" in why else ""


def _context(variables: dict[str, Any]) -> Any:
    library = _library()
    assert library is not None  # noqa: S101  # a compiled program exists
    context = library.Context()
    for name, value in variables.items():
        context.add_variable(name, value)
    for name, function in _FUNCTIONS.items():
        context.add_function(name, function)
    return context


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
        return [_presented(item, node.get("items", {})) for item in value]
    if isinstance(value, str) and node.get("format") == "date-time":
        return dt.datetime.fromisoformat(value)
    return value


def _escaped(name: str) -> str:
    if name in _KEYWORDS:
        return f"__{name}__"
    if "__" not in name and name.isidentifier():
        return name
    for letters, word in (("__", "__underscores__"), (".", "__dot__"), ("-", "__dash__"), ("/", "__slash__")):
        name = name.replace(letters, word)
    return name


def _substring(text: str, start: int, end: int | None = None) -> str:
    if not 0 <= start <= (len(text) if end is None else end) <= len(text):
        raise ValueError("invalid substring range")
    return text[start:end]


def _found(text: str, pattern: str) -> str:
    match = re.search(pattern, text)
    return match[0] if match else ""


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "charAt": lambda text, index: text[index : index + 1],
    "find": _found,
    "findAll": lambda text, pattern: [match[0] for match in re.finditer(pattern, text)],
    "indexOf": lambda whole, part: whole.find(part) if isinstance(whole, str) else _index(whole, part),
    "isSorted": lambda items: items == sorted(items),
    "isURL": lambda text: re.match(r"[a-z][a-z0-9+.-]*://[^\s]+|/", text, re.IGNORECASE) is not None,
    "join": lambda items, separator="": separator.join(items),
    "lastIndexOf": lambda whole, part: whole.rfind(part),
    "max": max,
    "min": min,
    "lowerAscii": lambda text: text.lower(),
    "replace": lambda text, old, new, count=-1: text.replace(old, new, count),
    "split": lambda text, separator, count=-1: text.split(separator, count - 1 if count > 0 else -1),
    "substring": _substring,
    "sum": sum,
    "trim": lambda text: text.strip(),
    "upperAscii": lambda text: text.upper(),
}


def _index(items: list[Any], item: Any) -> int:
    return items.index(item) if item in items else -1
