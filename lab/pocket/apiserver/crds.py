"""CustomResourceDefinitions: accepting their names, and removing their objects before they go themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any

from lab.pocket.api.field import FieldError, forbidden
from lab.pocket.apiserver import metadata
from lab.pocket.apiserver.registry import CRDS
from lab.pocket.apiserver.state import State
from lab.pocket.store import Change, Key, Object, Row, Store

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
RETRY_SECONDS = 5


def errors(crd: Object) -> Iterator[FieldError]:
    """Yield what this server does not do, beside what Kubernetes refuses as well: versions differ by their name only."""
    if (crd["spec"].get("conversion") or {}).get("strategy", "None") != "None":
        yield forbidden("spec.conversion.strategy", "this server calls no webhooks: only None is supported")


def begin(store: Store, crd: Object) -> None:
    """Complete a new CRD: defaults of its names, and the status under which it is served at once."""
    _default_names(crd["spec"]["names"])
    crd["metadata"].setdefault("finalizers", []).append(CLEANUP)
    crd["status"] = {"conditions": [], "acceptedNames": {}, "storedVersions": []}
    accept(store, crd)


def accept(store: Store, crd: Object) -> None:
    """Bring a CRD's status in line with its names, its storage version and the other CRDs of its group."""
    names, status = crd["spec"]["names"], crd.get("status") or {}
    crd["status"] = status
    status |= {name: status.get(name) or [] for name in ("conditions", "storedVersions")}
    _default_names(names)
    clash = _clash(store, crd)
    if clash:
        _set(status, "NamesAccepted", "False", *clash)
        if not status.get("acceptedNames"):
            _set(status, "Established", "False", "NotAccepted", "not all names are accepted")
    else:
        status["acceptedNames"] = dict(names)
        _set(status, "NamesAccepted", "True", "NoConflicts", "no conflicts found")
        _set(status, "Established", "True", "InitialNamesAccepted", "the initial names have been accepted")
    storage = [version["name"] for version in crd["spec"].get("versions") or () if version.get("storage")]
    stored = status["storedVersions"]
    stored += [name for name in storage if name not in stored]


def terminate(crd: Object) -> None:
    """Show that a CRD is being deleted."""
    message = "CustomResource deletion is in progress"
    _set(crd["status"], "Terminating", "True", "InstanceDeletionInProgress", message)


def _default_names(names: dict[str, Any]) -> None:
    names.setdefault("singular", str(names.get("kind", "")).lower())
    names.setdefault("listKind", f"{names.get('kind', '')}List")


def _clash(store: Store, crd: Object) -> tuple[str, str] | None:
    """Return the reason and message of a name that another CRD of the group has, if there is one."""
    names, own = crd["spec"]["names"], crd["metadata"]["name"]
    for row in store.latest_rows(CRDS):
        other = row.decoded()
        if row.key.name == own or other["spec"]["group"] != crd["spec"]["group"]:
            continue
        taken = (other.get("status") or {}).get("acceptedNames") or {}
        for field in ("singular", "kind", "listKind"):
            if taken.get(field) and taken.get(field) == names.get(field):
                return f"{field[0].upper()}{field[1:]}Conflict", f'"{names[field]}" is already in use'
    return None


def _set(status: dict[str, Any], kind: str, value: str, reason: str, message: str) -> None:
    conditions = status["conditions"]
    known = next((condition for condition in conditions if condition["type"] == kind), None)
    if known and (known["status"], known["reason"]) == (value, reason):
        return
    condition = {"type": kind, "status": value, "reason": reason, "message": message}
    condition["lastTransitionTime"] = metadata.now()
    if known:
        known.update(condition)
    else:
        conditions.append(condition)


async def clean_up_forever(state: State) -> None:
    """Delete the objects of CRDs that are being deleted, and then these."""
    while True:
        revision = state.store.resource_revision(CRDS)
        doomed = [row for row in state.store.rows(CRDS) if _is_doomed(row)]
        for row in doomed:
            await _clean_up(state, row)
        try:
            async with asyncio.timeout(RETRY_SECONDS if doomed else None):
                if state.store.resource_revision(CRDS) == revision:
                    await state.store.changed(CRDS)
        except TimeoutError:
            continue


def _is_doomed(row: Row) -> bool:
    meta = row.decoded()["metadata"]
    return "deletionTimestamp" in meta and CLEANUP in meta.get("finalizers", ())


async def _clean_up(state: State, row: Row) -> None:
    crd = row.decoded()
    resource = f"{crd['spec']['names']['plural']}.{crd['spec']['group']}"
    changes = list(_deletions(state.store.latest_rows(resource)))
    if changes:
        await state.store.write(*changes)
    if state.store.latest_rows(resource):
        return  # finalizers hold some of them: their controllers come first
    latest = state.store.latest(Key(CRDS, "", row.key.name))
    if latest is not None:
        obj = latest.decoded()
        obj["metadata"]["finalizers"] = [name for name in obj["metadata"]["finalizers"] if name != CLEANUP]
        await state.store.write(Change(latest.key, obj, delete=not obj["metadata"]["finalizers"]))


def _deletions(rows: Iterable[Row]) -> Iterator[Change]:
    for row in rows:
        obj = row.decoded()
        if not obj["metadata"].get("finalizers"):
            yield Change(row.key, obj, delete=True)
        elif "deletionTimestamp" not in obj["metadata"]:
            obj["metadata"] |= {"deletionTimestamp": metadata.now(), "deletionGracePeriodSeconds": 0}
            yield Change(row.key, obj)
