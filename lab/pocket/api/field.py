"""Errors about one field of an object, with Kubernetes' types and wording (k8s.io/apimachinery, util/validation/field)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import orjson

__all__ = [
    "OMITTED", "FieldError", "Kind", "aggregate", "duplicate", "forbidden", "internal", "invalid", "not_found", "not_supported",
    "required", "too_long", "too_many",
]  # fmt: skip


class Kind(Enum):
    """What is wrong: (the reason in `status.details.causes`, the words of the message)."""

    NOT_FOUND = ("FieldValueNotFound", "Not found")
    REQUIRED = ("FieldValueRequired", "Required value")
    DUPLICATE = ("FieldValueDuplicate", "Duplicate value")
    INVALID = ("FieldValueInvalid", "Invalid value")
    TYPE_INVALID = ("FieldValueTypeInvalid", "Invalid value")
    NOT_SUPPORTED = ("FieldValueNotSupported", "Unsupported value")
    FORBIDDEN = ("FieldValueForbidden", "Forbidden")
    TOO_LONG = ("FieldValueTooLong", "Too long")
    TOO_MANY = ("FieldValueTooMany", "Too many")
    INTERNAL = ("InternalError", "Internal error")


_WITHOUT_VALUE = {Kind.REQUIRED, Kind.FORBIDDEN, Kind.TOO_LONG, Kind.TOO_MANY, Kind.INTERNAL}


OMITTED: Any = object()
"""The value of an error that does not show one."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One error: its kind, the path as `spec.ports[0].port`, the value refused, and what to write instead."""

    kind: Kind
    path: str
    value: Any = None
    detail: str = ""

    def body(self) -> str:
        """Return the message without the path: `Invalid value: "x": must be …`."""
        words = self.kind.value[1]
        if self.kind not in _WITHOUT_VALUE and self.value is not OMITTED:
            words = f"{words}: {_shown(self.value)}"
        return f"{words}: {self.detail}" if self.detail else words

    def __str__(self) -> str:
        return f"{self.path or '<nil>'}: {self.body()}"

    def cause(self) -> dict[str, str]:
        """Return the entry of `status.details.causes`."""
        return {"reason": self.kind.value[0], "message": self.body(), "field": self.path or "<nil>"}


def aggregate(errors: Iterable[FieldError]) -> str:
    """Return errors as the tail of `X "name" is invalid: …`: the sentence alone, or several in brackets."""
    sentences = list(dict.fromkeys(map(str, errors)))
    return sentences[0] if len(sentences) == 1 else f"[{', '.join(sentences)}]"


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return orjson.dumps(value).decode()


def invalid(path: str, value: Any, detail: str) -> FieldError:
    return FieldError(Kind.INVALID, path, value, detail)


def required(path: str, detail: str = "") -> FieldError:
    return FieldError(Kind.REQUIRED, path, None, detail)


def forbidden(path: str, detail: str) -> FieldError:
    return FieldError(Kind.FORBIDDEN, path, None, detail)


def duplicate(path: str, value: Any) -> FieldError:
    return FieldError(Kind.DUPLICATE, path, value)


def not_found(path: str, value: Any) -> FieldError:
    return FieldError(Kind.NOT_FOUND, path, value)


def not_supported(path: str, value: Any, supported: Iterable[str]) -> FieldError:
    """Return the error for a value outside of an enumeration, listed in the order given."""
    listed = ", ".join(f'"{name}"' for name in supported)
    return FieldError(Kind.NOT_SUPPORTED, path, value, f"supported values: {listed}" if listed else "")


def too_long(path: str, limit: int) -> FieldError:
    return FieldError(Kind.TOO_LONG, path, None, f"may not be more than {limit} bytes")


def too_many(path: str, actual: int, limit: int) -> FieldError:
    return FieldError(
        Kind.TOO_MANY, path, None, f"{actual}: must have at most {limit} item{'' if limit == 1 else 's'}"
    )


def internal(path: str, detail: str) -> FieldError:
    return FieldError(Kind.INTERNAL, path, None, detail)
