"""What the pure part of the API refuses; the server turns each into a `Status` with the error's HTTP code.

lab.errors.ApiError
├── AllocationError       an address or port cannot be allocated: 500 InternalError
├── ApplyError            a configuration cannot be applied: 400 BadRequest
│   └── ApplyConflictError    others manage fields that it would change: 409 Conflict
├── InvalidError          the object cannot be stored, for these fields' sake: 422 Invalid
├── JsonPathError         a JSON path is not of the subset that CRDs may use
├── ProtobufError         the body is no protobuf of a kind that is served: 400 BadRequest
├── QuantityError         a text is no quantity
└── PatchError            the patch itself is no patch: 400 BadRequest
    ├── PatchConflictError    the patch is fine and does not fit the object: 422 Invalid
    └── PatchTooLargeError    the patch has too many operations: 413 RequestEntityTooLarge
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from lab.errors import ApiError
from lab.pocket.api.field import FieldError, aggregate

__all__ = [
    "AllocationError",
    "ApplyConflictError",
    "ApplyError",
    "Conflict",
    "InvalidError",
    "JsonPathError",
    "PatchConflictError",
    "PatchError",
    "PatchTooLargeError",
    "ProtobufError",
    "QuantityError",
]


class AllocationError(ApiError):
    """Every address or port of the range is in use, or the health check's port is."""


class ApplyError(ApiError):
    """The applied configuration is not one, or its lists have no keys."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """One field that another manager owns."""

    message: str
    field: str

    def cause(self) -> dict[str, str]:
        """Return the entry of `status.details.causes`."""
        return {"reason": "FieldManagerConflict", "message": self.message, "field": self.field}


class ApplyConflictError(ApplyError):
    """An apply without force would take fields from their managers."""

    def __init__(self, conflicts: Sequence[Conflict]) -> None:
        self.conflicts = list(conflicts)
        super().__init__(_sentence(self.conflicts))


def _sentence(conflicts: list[Conflict]) -> str:
    if len(conflicts) == 1:
        return f"Apply failed with 1 conflict: {conflicts[0].message}: {conflicts[0].field}"
    lines = []
    for message in dict.fromkeys(conflict.message for conflict in conflicts):
        lines.append(f"conflicts{message.removeprefix('conflict')}:")
        lines += [f"- {conflict.field}" for conflict in conflicts if conflict.message == message]
    return f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(lines)


class InvalidError(ApiError):
    """The object is well-formed and not acceptable; `errors` says which fields are wrong."""

    def __init__(self, errors: Iterable[FieldError]) -> None:
        self.errors = list(errors)
        super().__init__(aggregate(self.errors))


class PatchError(ApiError):
    """The request body is not a patch of the announced type."""

    code: ClassVar[int] = 400


class PatchConflictError(PatchError):
    """The patch cannot be applied to this object: a path is missing, or a test failed."""

    code: ClassVar[int] = 422


class PatchTooLargeError(PatchError):
    """More operations than kube-apiserver accepts."""

    code: ClassVar[int] = 413


class QuantityError(ApiError):
    """The text is not a resource quantity such as `500m` or `1Gi`."""


class ProtobufError(ApiError):
    """The request body is not the protobuf of a known kind."""


class JsonPathError(ApiError):
    """The JSON path has a step that printer columns may not use."""
