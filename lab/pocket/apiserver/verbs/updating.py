"""update; and how any new state of an object is stored."""

from __future__ import annotations

from aiohttp import web

from lab.pocket.apiserver import bodies, metadata, ownership, processing, representation, strategies
from lab.pocket.apiserver.errors import bad_request, cause, invalid, not_found
from lab.pocket.apiserver.state import Call
from lab.pocket.apiserver.verbs.creating import check_kind, check_namespace, create_object
from lab.pocket.store import Change, Object, Row

CREATED_BY_UPDATE = {"leases", "events", "endpoints"}  # Kubernetes: AllowCreateOnUpdate


async def update(call: Call) -> web.StreamResponse:
    """Replace an object, or with the subresource `status` its status."""
    obj = await bodies.read_object(call.request)
    check_kind(call, obj)
    metadata.check_types(obj["metadata"], call.about)
    check_namespace(call, obj)
    name = obj["metadata"].setdefault("name", call.info.name)
    if name != call.info.name:
        raise bad_request(
            f"the name of the object ({name}) does not match the name on the URL ({call.info.name})"
        )
    row = call.store.latest(call.key)
    if row is None:
        if call.resource.plural in CREATED_BY_UPDATE and not obj["metadata"].get("resourceVersion"):
            return representation.answer_object(call, await create_object(call, obj), status=201)
        raise not_found(call.about)
    if call.resource.custom and not obj["metadata"].get("resourceVersion"):
        required = cause(
            "Invalid", "metadata.resourceVersion", "Invalid value: 0: must be specified for an update"
        )
        raise invalid(call.resource.about_kind(name), [required])
    obj = processing.process(call, obj, old=row.decoded())
    return representation.answer_object(call, await store_new_state(call, row, obj))


async def store_new_state(call: Call, row: Row, new: Object, *, applied: bool = False) -> Object:
    """Store `new` in place of `row`, by the rules of the call's subresource; returns the object as stored.

    Nothing is written when nothing changes. A state that an apply made has its managed fields already. The last finalizer's removal from an object being deleted deletes it.
    """
    old = row.decoded()
    metadata.carry_over(new, old, call.about)
    if not applied:
        new = ownership.track(call, old, new)
    strategies.prepare_update(call, new, old)
    new["apiVersion"] = call.resource.stored_api_version
    if new == old or call.dry_run:
        return new
    gone = strategies.is_gone(new)
    await call.store.write(Change(call.key, new, delete=gone))
    return new
