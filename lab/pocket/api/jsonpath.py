r"""The part of JSONPath that printer columns, selectable fields and scale subresources of CRDs use.

`.spec.replicas`, `.metadata.labels.app\.kubernetes\.io/name`, `['key']`, `[0]`, `[-1]`, `[*]`, and filters such as
`[?(@.type=="Ready")]`. Source: https://kubernetes.io/docs/reference/kubectl/jsonpath/
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from lab.pocket.api import values
from lab.pocket.api.errors import JsonPathError

__all__ = ["find", "parse"]

Step = Callable[[Any], Iterable[Any]]
_TOKEN = re.compile(
    r"""
    \.(?P<name>(?:\\.|[^.\[\]\\])+)
    | \[\s*(?P<index>-?\d{1,9})\s*\]
    | (?:\[\s*\*\s*\]|\.\*)(?P<all>)
    | \[\s*(?P<quote>['"])(?P<key>.*?)(?P=quote)\s*\]
    | \[\?\(\s*@(?P<path>[^=!<>]*?)\s*(?:(?P<compare>==|!=|<=|>=|<|>)\s*(?P<value>.*?)\s*)?\)\]
    """,
    re.VERBOSE,
)
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": values.equal,
    "!=": lambda left, right: not values.equal(left, right),
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def find(path: str, obj: Any) -> list[Any]:
    """Return all values that `path` finds in an object; raises JsonPathError for a path outside of the subset."""
    found = [obj]
    for step in parse(path):
        found = [inner for value in found for inner in step(value)]
    return found


@lru_cache(maxsize=1024)
def parse(path: str) -> tuple[Step, ...]:
    """Return the steps of a path, with or without its braces."""
    text = path.strip().removeprefix("{").removesuffix("}").removeprefix("$")
    text = text if not text or text[0] in ".[" else f".{text}"
    steps, position = [], 0
    while position < len(text) and text != ".":
        match = _TOKEN.match(text, position)
        if match is None:
            raise JsonPathError(f"unrecognized JSON path {path!r} at {text[position:]!r}")
        steps.append(_step(match))
        position = match.end()
    return tuple(steps)


def _step(match: re.Match[str]) -> Step:
    if match["all"] is not None:
        return _members
    if match["index"] is not None:
        return _item(int(match["index"]))
    if match["path"] is not None:
        return _filter(match["path"].strip(), match["compare"] or "", match["value"] or "")
    name = match["key"] if match["key"] is not None else re.sub(r"\\(.)", r"\1", match["name"])
    return lambda value: [value[name]] if isinstance(value, dict) and name in value else []


def _members(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else []


def _item(index: int) -> Step:
    return lambda value: value[index:][:1] if isinstance(value, list) and -len(value) <= index else []


def _filter(path: str, compare: str, text: str) -> Step:
    inner = parse(path or ".")
    wanted = _literal(text) if compare else None

    def matches(item: Any) -> bool:
        found = [item]
        for step in inner:
            found = [value for one in found for value in step(one)]
        if not compare:
            return bool(found)
        try:
            return any(_COMPARISONS[compare](value, wanted) for value in found)
        except TypeError:
            return False

    return lambda value: [item for item in _members(value) if matches(item)]


def _literal(text: str) -> Any:
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    if text in {"true", "false"}:
        return text == "true"
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        raise JsonPathError(f"unrecognized literal {text!r}") from None
