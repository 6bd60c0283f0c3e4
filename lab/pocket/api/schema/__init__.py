"""Schemas of built-in kinds and of CRDs, and what they do to an object: prune, default, validate.

schema = builtin("apps", "v1", "Deployment") or from_crd(version["schema"]["openAPIV3Schema"])
processed = process(body, schema, old=stored)
"""

from __future__ import annotations

from typing import Any

from lab.pocket.api import values
from lab.pocket.api.field import FieldError, Kind, invalid
from lab.pocket.api.schema.check import check
from lab.pocket.api.schema.custom import complete
from lab.pocket.api.schema.data import builtin, definition, kinds
from lab.pocket.api.schema.model import Node, Processed, Schema, has_rules
from lab.pocket.api.schema.native import MalformedError, decode, zero
from lab.pocket.api.schema.structural import structural_errors

__all__ = [
    "FieldError",
    "Node",
    "Processed",
    "Schema",
    "builtin",
    "definition",
    "from_crd",
    "kinds",
    "process",
    "structural_errors",
    "unset",
]

_BLOCKING = {Kind.NOT_SUPPORTED, Kind.REQUIRED, Kind.TOO_LONG, Kind.TOO_MANY, Kind.TYPE_INVALID}
_UNCHECKED = (
    "some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation"
)
OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


def from_crd(schema: Node) -> Schema:
    """Return the schema of a CRD's version (`schema.openAPIV3Schema`), which must be structural; a copy of it."""
    return Schema(values.copy(schema), native=False)


def unset(schema: Schema, field: str) -> Any:
    """Return what Kubernetes writes for a kind's field that nobody set, None when it writes nothing.

    `status` of a DaemonSet, for example, always holds its four counters.
    """
    node = schema.root.get("properties", {}).get(field, {})
    return zero(node) if schema.native and "x-always" in node else None


def process(obj: dict[str, Any], schema: Schema, *, old: dict[str, Any] | None = None) -> Processed:
    """Prune, default and validate a decoded body; the argument stays as it was.

    `old` is the stored object of an update, for CEL's transition rules; for a built-in kind the result shares with it
    what has not changed. For such a kind this is only the decoding: `lab.pocket.api.defaults` and `.validation` come
    after it. Look at `malformed` first, then at `unknown_fields` as
    the request's fieldValidation says, then at `errors`.
    """
    unknown: list[str] = []
    try:
        if schema.native:
            return Processed(decode(obj, schema.root, unknown, known=old), unknown_fields=unknown)
        result = complete(obj, schema.root, definition(OBJECT_META), unknown)
    except MalformedError as error:
        return Processed({}, malformed=error.message)
    errors = [error for error in check(result, schema.root) if not error.path.startswith("metadata.")]
    processed = Processed(result, errors=errors, unknown_fields=sorted(unknown))
    if has_rules(schema.root):
        _judge(processed, schema, old)
    return processed


def _judge(processed: Processed, schema: Schema, old: dict[str, Any] | None) -> None:
    """Add what CEL rules say, unless the object is too wrong for them to be evaluated."""
    if any(error.kind in _BLOCKING for error in processed.errors):
        processed.errors.append(invalid("", None, _UNCHECKED))
        return
    from lab.pocket.api.schema.rules import evaluate  # noqa: PLC0415  # CEL, paid only by CRDs with rules

    verdict = evaluate(processed.object, schema.root, old)
    processed.errors += verdict.errors
    processed.warnings += verdict.warnings
