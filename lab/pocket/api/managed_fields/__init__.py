"""Who manages which field: server-side apply with its conflicts, and the bookkeeping for every other write.

Source: https://kubernetes.io/docs/reference/using-api/server-side-apply/, KEP-555. Ownership is tracked on the object
as the client sent it, decoded and defaulted, before the server adds addresses or anything of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any

import orjson

from lab.pocket.api.errors import ApplyConflictError, ApplyError, Conflict
from lab.pocket.api.managed_fields.paths import Path, Paths, from_fields_v1, shown, to_fields_v1, with_parents
from lab.pocket.api.managed_fields.typed import Comparison, compare, field_set, merge, remove
from lab.pocket.api.schema.model import Schema
from lab.pocket.api.schema.native import zero

__all__ = ["Writer", "apply", "track"]

Object = dict[str, Any]
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
MAX_UPDATERS = 10
_NOT_TRACKED = {("f:apiVersion",), ("f:kind",), ("f:metadata",)} | {
    ("f:metadata", f"f:{name}")
    for name in (
        "clusterName", "creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "generation", "managedFields",
        "name", "namespace", "resourceVersion", "selfLink", "uid",
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Who writes: the request's field manager, what it writes to, and when (RFC 3339)."""

    manager: str
    api_version: str
    now: str
    subresource: str = ""
    ignored: Collection[Path] = ()
    """Paths that this request cannot change, as `(("f:status",),)` for the main resource of most kinds."""


@dataclass(frozen=True, slots=True)
class _Key:
    """What makes two entries the same manager's: an applier is one whatever version it uses."""

    manager: str
    operation: str
    api_version: str
    subresource: str

    def __str__(self) -> str:
        words = orjson.dumps(self.manager).decode()
        if self.subresource:
            words += f' with subresource "{self.subresource}"'
        return f"{words} using {self.api_version}" if self.operation == "Update" else words


@dataclass(frozen=True, slots=True)
class _Entry:
    paths: Paths
    api_version: str
    time: str


_Managers = dict[_Key, _Entry]


def apply(
    live: Object | None, config: Object, schema: Schema, writer: Writer, *, force: bool = False
) -> Object:
    """Return the object after `config` is applied to `live` (None: it is created), its managedFields included.

    When nothing changes, managedFields keep their times. Raises ApplyConflictError (409), ApplyError (400).
    """
    if config.get("metadata", {}).get("managedFields"):
        raise ApplyError("metadata.managedFields must be nil")
    base = _without_managers(live) if live is not None else _empty(config, schema)
    managers = _read(live) if live is not None else {}
    if live is not None and not managers:
        managers = {
            _before_first_apply(writer): _Entry(_owned(base, schema, writer), writer.api_version, writer.now)
        }
    key = _Key(writer.manager, "Apply", "", writer.subresource)
    last = managers.get(key)
    paths = _tracked(field_set(config, schema.root), writer)
    merged = merge(base, config, schema.root)
    claimed = {**managers, key: _Entry(paths, writer.api_version, last.time if last else "")}
    if last is not None:
        kept = with_parents(path for entry in claimed.values() for path in entry.paths)
        merged = remove(merged, frozenset(last.paths - kept), schema.root)
    comparison = compare(base, merged, schema.root)
    after = _settle(
        claimed, key, comparison, allowed=force or _was_client_side(live, claimed, key, comparison, schema)
    )
    if live is not None and not any(comparison):
        return _write(base, after)
    after[key] = replace(after[key], time=writer.now)
    if writer.manager == "kubectl" and _last_applied(live):
        merged["metadata"]["annotations"][LAST_APPLIED] = _as_last_applied(config)
    return _write(merged, after)


def track(live: Object | None, new: Object, schema: Schema, writer: Writer) -> Object:
    """Return `new`, what a create, update or patch (not an apply) leaves, with its managedFields brought up to date."""
    given = new.get("metadata", {}).get("managedFields")
    if given == [{}]:
        return _without_managers(new)
    old = live if live is not None else _empty(new, schema)
    managers = _read(new) if given and live is not None else _read(old)
    if live is not None and not managers:
        return _without_managers(new)  # somebody reset them; only an apply starts them anew
    try:
        comparison = compare(_without_managers(old), _without_managers(new), schema.root)
    except ApplyError:  # entries without keys: what cannot be tracked is stored all the same
        return _write(_without_managers(new), managers)
    key = _Key(writer.manager, "Update", writer.api_version, writer.subresource)
    after = _settle(managers, key, comparison, allowed=True)
    taken = _tracked(comparison.modified | comparison.added, writer)
    before = after.get(key)
    if taken:
        held = before.paths if before else frozenset()
        after[key] = _Entry((held - comparison.removed) | taken, writer.api_version, writer.now)
    elif before:
        after[key] = replace(before, paths=before.paths - comparison.removed)
    return _write(
        _without_managers(new), _capped({one: entry for one, entry in after.items() if entry.paths})
    )


def _settle(managers: _Managers, key: _Key, comparison: Comparison, *, allowed: bool) -> _Managers:
    """Take what has changed from all other managers; raises ApplyConflictError unless that is `allowed`."""
    changed = comparison.modified | comparison.added
    conflicts = {one: entry.paths & changed for one, entry in managers.items() if one != key}
    if not allowed and any(conflicts.values()):
        raise ApplyConflictError(
            [
                Conflict(f"conflict with {one}", shown(path))
                for one, paths in sorted(conflicts.items(), key=lambda pair: str(pair[0]))
                for path in sorted(paths)
            ]
        )
    after = {}
    for one, entry in managers.items():
        paths = entry.paths if one == key else entry.paths - changed - comparison.removed
        if paths or one == key:
            after[one] = replace(entry, paths=paths)
    return after


def _last_applied(live: Object | None) -> str:
    annotations = (live or {}).get("metadata", {}).get("annotations") or {}
    return str(annotations.get(LAST_APPLIED, ""))


def _as_last_applied(config: Object) -> str:
    """Return what kubectl's client-side apply would note down, so that one can go back to it."""
    metadata = config.get("metadata", {})
    annotations = {
        name: value for name, value in metadata.get("annotations", {}).items() if name != LAST_APPLIED
    }
    metadata = {name: value for name, value in metadata.items() if name != "annotations"}
    noted = {**config, "metadata": metadata | ({"annotations": annotations} if annotations else {})}
    return orjson.dumps(noted, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE).decode()


def _was_client_side(
    live: Object | None, managers: _Managers, key: _Key, comparison: Comparison, schema: Schema
) -> bool:
    """Say whether all conflicts are with kubectl's own client-side apply, from which it is moving to this one."""
    text = _last_applied(live)
    if not text or key.manager != "kubectl":
        return False
    try:
        applied = frozenset(field_set(orjson.loads(text), schema.root))
    except (orjson.JSONDecodeError, ApplyError):
        return False
    changed = comparison.modified | comparison.added
    return all((entry.paths & changed) <= applied for one, entry in managers.items() if one != key)


def _tracked(paths: Iterable[Path], writer: Writer) -> Paths:
    kept = (path for path in paths if path not in _NOT_TRACKED)
    if not writer.ignored:
        return frozenset(kept)
    return frozenset(
        path for path in kept if not any(path[: len(other)] == other for other in writer.ignored)
    )


def _owned(obj: Object, schema: Schema, writer: Writer) -> Paths:
    comparison = compare(_empty(obj, schema), obj, schema.root)
    return _tracked(comparison.added | comparison.modified, writer)


def _before_first_apply(writer: Writer) -> _Key:
    return _Key("before-first-apply", "Update", writer.api_version, "")


def _empty(obj: Object, schema: Schema) -> Object:
    """Return what a kind is before anything is set: for a built-in one, the structs that are always there."""
    made = {name: obj[name] for name in ("apiVersion", "kind") if name in obj}
    return (zero(schema.root) if schema.native else {}) | made | {"metadata": {}}


def _without_managers(obj: Object) -> Object:
    metadata = {name: value for name, value in obj.get("metadata", {}).items() if name != "managedFields"}
    return {**obj, "metadata": metadata}


def _read(obj: Object) -> _Managers:
    managers: _Managers = {}
    for entry in obj.get("metadata", {}).get("managedFields") or ():
        operation, version = entry.get("operation", ""), entry.get("apiVersion", "")
        key = _Key(
            entry.get("manager", ""),
            operation,
            "" if operation == "Apply" else version,
            entry.get("subresource", ""),
        )
        managers[key] = _Entry(from_fields_v1(entry.get("fieldsV1") or {}), version, entry.get("time") or "")
    return managers


def _write(obj: Object, managers: _Managers) -> Object:
    entries = [_written(key, entry) for key, entry in managers.items() if entry.paths]
    entries.sort(
        key=lambda one: tuple(one.get(name, "") for name in ("operation", "time", "manager", "apiVersion"))
    )
    made = _without_managers(obj)
    if entries:
        made["metadata"]["managedFields"] = entries
    return made


def _written(key: _Key, entry: _Entry) -> Object:
    made: Object = {"manager": key.manager, "operation": key.operation, "apiVersion": entry.api_version}
    if entry.time:
        made["time"] = entry.time
    made |= {"fieldsType": "FieldsV1", "fieldsV1": to_fields_v1(entry.paths)}
    return made | ({"subresource": key.subresource} if key.subresource else {})


def _capped(managers: _Managers) -> _Managers:
    """Merge the oldest updaters into one when there are too many, as Kubernetes does."""
    updaters = sorted(
        (key for key in managers if key.operation == "Update"), key=lambda key: managers[key].time
    )
    surplus = updaters[: max(0, len(updaters) - MAX_UPDATERS + 1)] if len(updaters) > MAX_UPDATERS else []
    if not surplus:
        return managers
    version = managers[surplus[-1]].api_version
    ancient = _Key("ancient-changes", "Update", version, "")
    paths = frozenset().union(*(managers[key].paths for key in surplus))
    rest = {key: entry for key, entry in managers.items() if key not in surplus}
    return {**rest, ancient: _Entry(paths, version, managers[surplus[-1]].time)}
