"""What the pure part of the API refuses; the server turns each into a `Status` with the error's HTTP code.

lab.errors.ApiError
├── AllocationError       an address or port cannot be allocated: 500 InternalError
├── InvalidError          the object cannot be stored, for these fields' sake: 422 Invalid
├── JsonPathError         a JSON path is not of the subset that CRDs may use
├── ProtobufError         the body is no protobuf of a kind that is served: 400 BadRequest
├── QuantityError         a text is no quantity
└── PatchError            the patch itself is no patch: 400 BadRequest
    ├── PatchConflictError    the patch is fine and does not fit the object: 422 Invalid
    └── PatchTooLargeError    the patch has too many operations: 413 RequestEntityTooLarge
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from lab.errors import ApiError
from lab.pocket.api.field import FieldError, aggregate

__all__ = [
    "AllocationError",
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
