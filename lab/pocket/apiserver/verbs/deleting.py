"""delete and deletecollection."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from lab.pocket.apiserver import bodies, metadata, representation, strategies
from lab.pocket.apiserver.errors import bad_request, conflict
from lab.pocket.apiserver.state import Call
from lab.pocket.apiserver.verbs.reading import selected, selector_of
from lab.pocket.store import Change, Object, Row

ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"
POLICIES = {"", "Orphan", "Background", "Foreground"}
RETURNED = {"pods", "serviceaccounts", "services"}  # Kubernetes: ReturnDeletedObject
Options = dict[str, Any]


async def delete(call: Call) -> web.StreamResponse:
    """Delete an object, or begin to: finalizers and grace periods come first."""
    options = await _options(call)
    row = call.latest()
    obj, gone = await delete_row(call, row, options)
    if not gone or call.resource.qualified in RETURNED:
        return representation.answer_object(call, obj)
    details = {"name": call.info.name, "group": call.resource.group, "kind": call.resource.plural}
    details["uid"] = obj["metadata"]["uid"]
    return representation.answer_status(details={key: value for key, value in details.items() if value})


async def delete_collection(call: Call) -> web.StreamResponse:
    """Delete every object that the selectors match; answers with the list of them."""
    options = await _options(call)
    namespace = call.info.namespace if call.resource.namespaced else ""
    rows = selected(call.store.rows(call.resource.qualified, namespace=namespace), selector_of(call))
    for row in rows:
        one = Call(call.state, call.request, call.info, call.user, call.resource, call.query)
        one.info = type(call.info)(
            "delete",
            "",
            call.info.group,
            call.info.version,
            call.info.resource,
            row.key.namespace,
            row.key.name,
        )
        current = call.store.latest(row.key)
        if current is not None:
            await delete_row(one, current, options)
    return representation.answer(
        call, representation.listed(call, rows, {"resourceVersion": str(call.store.revision)})
    )


async def delete_row(call: Call, row: Row, options: Options) -> tuple[Object, bool]:
    """Delete one object by the rules of DeleteOptions; returns its last state and whether it is gone."""
    obj = row.decoded()
    _check_preconditions(call, obj, options.get("preconditions") or {})
    strategies.check_delete(call, obj)
    meta = obj["metadata"]
    _set_policy_finalizers(meta, options)
    grace = strategies.grace_period(call.resource, obj, options.get("gracePeriodSeconds"))
    gone = not grace and strategies.is_gone(obj, deleting=True)
    if not gone:
        _mark(obj, grace)
        strategies.mark_deleting(call.resource, obj)
    if call.dry_run:
        return obj, gone
    if gone or obj != row.decoded():
        await call.store.write(Change(call.key, obj, delete=gone))
    return obj, gone


def _mark(obj: Object, grace: int) -> None:
    """Set the deletion time; a later request may only bring it nearer."""
    meta = obj["metadata"]
    if "deletionTimestamp" in meta and meta.get("deletionGracePeriodSeconds", 0) <= grace:
        return
    if "generation" in meta and "deletionTimestamp" not in meta:
        meta["generation"] += 1
    meta["deletionTimestamp"] = metadata.timestamp(datetime.now(UTC) + timedelta(seconds=grace))
    meta["deletionGracePeriodSeconds"] = grace


def _set_policy_finalizers(meta: dict[str, Any], options: Options) -> None:
    policy = options.get("propagationPolicy", "")
    finalizers = list(meta.get("finalizers") or ())
    if policy:
        finalizers = [name for name in finalizers if name not in {ORPHAN, FOREGROUND}]
    if policy == "Orphan":
        finalizers.append(ORPHAN)
    if policy == "Foreground":
        finalizers.append(FOREGROUND)
    if finalizers:
        meta["finalizers"] = finalizers
    else:
        meta.pop("finalizers", None)


async def _options(call: Call) -> Options:
    options: Options = {}
    if call.request.body_exists:
        body = await bodies.read(call.request)
        decoded = bodies.decode(body, call.request.content_type or bodies.JSON) if body else {}
        if not isinstance(decoded, dict):
            raise bad_request("the body is not a DeleteOptions object")
        options = decoded
    for name in ("propagationPolicy", "gracePeriodSeconds"):
        if name in call.query:
            options[name] = call.integer(name) if name == "gracePeriodSeconds" else call.query[name]
    if options.get("orphanDependents") is not None and not options.get("propagationPolicy"):
        options["propagationPolicy"] = "Orphan" if options["orphanDependents"] else "Background"
    _check_options(options)
    return options


def _check_options(options: Options) -> None:
    policy, grace = options.get("propagationPolicy") or "", options.get("gracePeriodSeconds")
    if not isinstance(policy, str) or policy not in POLICIES:
        raise bad_request(f'propagationPolicy: Unsupported value: "{policy}"')
    if grace is not None and (not isinstance(grace, int) or not 0 <= grace < 1 << 31):
        raise bad_request(f"gracePeriodSeconds: Invalid value: {grace}")
    if not isinstance(options.get("preconditions") or {}, dict):
        raise bad_request("preconditions: Invalid value: must be an object")


def _check_preconditions(call: Call, obj: Object, preconditions: dict[str, Any]) -> None:
    for key, label in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
        wanted, have = preconditions.get(key), obj["metadata"][key]
        if wanted is not None and wanted != have:
            raise conflict(
                call.about,
                f"Precondition failed: {label} in precondition: {wanted}, {label} in object meta: {have}",
            )
