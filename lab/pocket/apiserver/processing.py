"""What a body goes through before it is an object: its schema decodes, prunes, defaults and checks it."""

from __future__ import annotations

from lab.pocket.api import defaults, schema
from lab.pocket.api.schema import Processed, Schema
from lab.pocket.apiserver.errors import bad_request, refuse
from lab.pocket.apiserver.registry import ANYTHING, Resource
from lab.pocket.apiserver.state import Call
from lab.pocket.store import Object

STRICT, WARN, IGNORE = "Strict", "Warn", "Ignore"
FREE = schema.from_crd(ANYTHING)


def process(call: Call, obj: Object, *, old: Object | None = None) -> Object:
    """Return a body as the schema of the call's resource has it; see `_process`."""
    return _process(call, obj, schema_of(call.resource), old)


def process_request(call: Call, obj: Object) -> Object:
    """Return the body of a request that is no object of the resource, as the schema of its own kind has it."""
    group, _, version = obj["apiVersion"].rpartition("/")
    found = schema.builtin(group, version, obj["kind"])
    return _process(call, obj, found or FREE, None)


def _process(call: Call, obj: Object, found: Schema, old: Object | None) -> Object:
    """Decode, prune, default and check a body.

    Raises:
        StatusError: 400 when it cannot be decoded, or has unknown fields and `fieldValidation=Strict`; 422 when a
            custom resource breaks its schema.

    """
    processed = schema.process(obj, found, old=old)
    if processed.malformed:
        raise bad_request(_cannot(call, obj["kind"], processed.malformed))
    _report_unknown(call, obj["kind"], processed)
    call.warnings += processed.warnings
    refuse(call.resource.about_kind(call.info.name), processed.errors)
    if found.native:
        defaults.apply(processed.object, found)
    return processed.object


def schema_of(resource: Resource) -> Schema:
    """Return the schema of a resource's kind."""
    if resource.schema is not None:
        return resource.schema
    return schema.builtin(resource.group, resource.version, resource.kind) or FREE


def _report_unknown(call: Call, kind: str, processed: Processed) -> None:
    mode = call.query.get("fieldValidation") or WARN
    if mode not in {STRICT, WARN, IGNORE}:
        supported = '"Ignore", "Strict", "Warn"'
        raise bad_request(f'fieldValidation: Unsupported value: "{mode}": supported values: {supported}')
    unknown = [f'unknown field "{path}"' for path in processed.unknown_fields]
    if unknown and mode == STRICT:
        raise bad_request(_cannot(call, kind, f"strict decoding error: {', '.join(unknown)}"))
    if mode == WARN:
        call.warnings += unknown


def _cannot(call: Call, kind: str, why: str) -> str:
    return f'{kind} in version "{call.info.version}" cannot be handled as a {kind}: {why}'
