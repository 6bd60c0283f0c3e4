"""JSON patch, RFC 6902: a list of operations on JSON pointers (RFC 6901), all applied or none.

Sentences of errors are those of the Go library that kube-apiserver uses, since clients show them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import orjson

from lab.pocket.api import values
from lab.pocket.api.errors import PatchConflictError, PatchError, PatchTooLargeError

__all__ = ["MAX_OPERATIONS", "apply"]

MAX_OPERATIONS = 10_000
"""kube-apiserver refuses longer patches with 413."""
MAX_COPIED_BYTES = 3 * 1024 * 1024
"""What all `copy` operations of a patch may add; a short patch could double a document again and again."""

Operation = dict[str, Any]
_MISSING: Any = object()
_INDEX = re.compile(r"-?(0|[1-9][0-9]{0,8})", re.ASCII)


def apply(document: Any, patch: Any) -> Any:
    """Return a copy of `document` after all operations of `patch`; neither argument changes.

    Raises PatchError (400) for a malformed patch, PatchTooLargeError (413), and PatchConflictError (422) when an
    operation does not apply.
    """
    if not isinstance(patch, list):
        raise PatchError("a JSON patch is a list of operations")
    if len(patch) > MAX_OPERATIONS:
        raise PatchTooLargeError(
            f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(patch)}"
        )
    for operation in patch:
        _check(operation)
    try:
        result = _run(document, patch)
        orjson.dumps(result)
    except orjson.JSONEncodeError as error:
        raise PatchConflictError("the patched object is nested too deeply") from error
    return result


def _run(document: Any, patch: list[Operation]) -> Any:
    result = values.copy(document)
    copied = 0
    for operation in patch:
        if operation["op"] == "copy":
            copied += len(orjson.dumps(_source(result, operation)))
        if copied > MAX_COPIED_BYTES:
            raise PatchConflictError(
                f"Unable to complete the copy, the accumulated size increase of copy is {copied}, "
                f"exceeding the limit {MAX_COPIED_BYTES}"
            )
        result = _OPERATIONS[operation["op"]](result, operation)
    return result


def _check(operation: Any) -> None:
    if not isinstance(operation, dict):
        raise PatchError("an operation of a JSON patch is an object")
    kind = operation.get("op")
    if not isinstance(kind, str) or kind not in _OPERATIONS:
        raise PatchError(f"Unexpected kind: {kind}")
    _pointer(operation, "path")
    if kind in {"move", "copy"}:
        _pointer(operation, "from")
    if kind in {"add", "replace", "test"} and "value" not in operation:
        raise PatchError(f'operation "{kind}" has no member "value"')


def _pointer(operation: Operation, member: str) -> list[str]:
    pointer = operation.get(member)
    if not isinstance(pointer, str) or (pointer and not pointer.startswith("/")):
        raise PatchError(f'operation "{operation["op"]}" needs a JSON pointer as "{member}", not {pointer!r}')
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]


def _child(container: Any, token: str) -> Any:
    """Return the member or item that `token` names, or _MISSING."""
    if isinstance(container, dict):
        return container.get(token, _MISSING)
    if isinstance(container, list):
        index = _index(token, len(container))
        return container[index] if index is not None and index < len(container) else _MISSING
    return _MISSING


def _index(token: str, length: int) -> int | None:
    """Return the position that `token` names in a list of `length`; negative ones count from its end."""
    if not _INDEX.fullmatch(token):
        return None
    index = int(token)
    index = index + length if index < 0 else index
    return index if 0 <= index <= length else None


def _find(document: Any, tokens: list[str]) -> Any:
    for token in tokens:
        document = _child(document, token)
    return document


def _missing(operation: Operation, what: str = "path") -> PatchConflictError:
    name = operation["op"]
    return PatchConflictError(
        f'{name} operation does not apply: doc is missing {what}: "{operation["path"]}": missing value'
    )


def _add(document: Any, operation: Operation) -> Any:
    return _put(document, operation, values.copy(operation["value"]))


def _put(document: Any, operation: Operation, value: Any) -> Any:
    tokens = _pointer(operation, "path")
    if not tokens:
        return value
    parent = _find(document, tokens[:-1])
    if isinstance(parent, dict):
        parent[tokens[-1]] = value
        return document
    if not isinstance(parent, list):
        raise _missing(operation)
    position = len(parent) if tokens[-1] == "-" else _index(tokens[-1], len(parent))
    if position is None:
        raise PatchConflictError(
            f"add operation does not apply: Unable to access invalid index: {tokens[-1]}: invalid index referenced"
        )
    parent.insert(position, value)
    return document


def _remove(document: Any, operation: Operation, member: str = "path") -> Any:
    tokens = _pointer(operation, member)
    if not tokens:
        return None
    parent = _find(document, tokens[:-1])
    if _child(parent, tokens[-1]) is _MISSING:
        raise PatchConflictError(
            f"error in {operation['op']} for path: '{operation[member]}': "
            f"Unable to remove nonexistent key: {tokens[-1]}: missing value"
        )
    _delete(parent, tokens[-1])
    return document


def _delete(parent: Any, token: str) -> None:
    if isinstance(parent, dict):
        del parent[token]
    else:
        del parent[_index(token, len(parent))]


def _replace(document: Any, operation: Operation) -> Any:
    tokens = _pointer(operation, "path")
    value = values.copy(operation["value"])
    if not tokens:
        return value
    parent = _find(document, tokens[:-1])
    if _child(parent, tokens[-1]) is _MISSING:
        raise _missing(operation, "key")
    if isinstance(parent, dict):
        parent[tokens[-1]] = value
    else:
        parent[_index(tokens[-1], len(parent))] = value
    return document


def _move(document: Any, operation: Operation) -> Any:
    source, target = _pointer(operation, "from"), _pointer(operation, "path")
    if target[: len(source)] == source and target != source:
        raise PatchConflictError("move operation does not apply: a value cannot be moved into itself")
    value = _find(document, source)
    return _put(_remove(document, operation, "from"), operation, value)


def _source(document: Any, operation: Operation) -> Any:
    value = _find(document, _pointer(operation, "from"))
    if value is _MISSING:
        raise _missing({**operation, "path": operation["from"]})
    return value


def _copy(document: Any, operation: Operation) -> Any:
    return _put(document, operation, values.copy(_source(document, operation)))


def _test(document: Any, operation: Operation) -> Any:
    value = _find(document, _pointer(operation, "path"))
    if not values.equal(None if value is _MISSING else value, operation["value"]):
        raise PatchConflictError(f"testing value {operation['path']} failed: test failed")
    return document


_OPERATIONS: dict[str, Callable[[Any, Operation], Any]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}
