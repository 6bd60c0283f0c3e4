"""Field managers: every write leaves in `metadata.managedFields` who owns which field (KEP-555)."""

from __future__ import annotations

from typing import Any

from lab.pocket.api import managed_fields
from lab.pocket.api.errors import ApplyConflictError, ApplyError
from lab.pocket.api.managed_fields import Writer
from lab.pocket.api.schema import Schema
from lab.pocket.apiserver import metadata
from lab.pocket.apiserver.errors import About, StatusError, bad_request, cause, invalid
from lab.pocket.apiserver.processing import schema_of
from lab.pocket.apiserver.state import Call
from lab.pocket.store import Object


def track(call: Call, live: Object | None, new: Object) -> Object:
    """Return `new` with its managed fields after a create, an update or a patch of `live`."""
    return managed_fields.track(live, new, schema_of(call.resource), _writer(call))


def apply(call: Call, live: Object | None, config: Object) -> Object:
    """Return the object after a server-side apply of `config`.

    Raises:
        StatusError: 409 when other managers own a field and the request does not force it; 400 when the configuration
            is not one.

    """
    schema: Schema = schema_of(call.resource)
    try:
        return managed_fields.apply(live, config, schema, _writer(call), force=call.flag("force"))
    except ApplyConflictError as error:
        causes: list[Any] = [conflict.cause() for conflict in error.conflicts]
        raise StatusError(409, "Conflict", error.message, details={"causes": causes}) from error
    except ApplyError as error:
        raise bad_request(error.message) from error


def check_manager(call: Call) -> None:
    """Refuse an apply that does not say whose it is."""
    if not call.query.get("fieldManager"):
        about = About("PatchOptions", "", "meta.k8s.io")
        raise invalid(
            about, [cause("Required", "fieldManager", "Required value: is required for apply patch")]
        )


def _writer(call: Call) -> Writer:
    return Writer(
        manager=call.field_manager,
        api_version=call.resource.api_version,
        now=metadata.now(),
        subresource=call.info.subresource,
        ignored=_ignored(call),
    )


def _ignored(call: Call) -> tuple[tuple[str, ...], ...]:
    """Return the fields that the request's subresource cannot change."""
    if call.info.subresource == "status":
        return (("f:spec",), ("f:metadata",)) if call.resource.custom else (("f:spec",),)
    return (("f:status",),) if call.resource.subresource("status") else ()
