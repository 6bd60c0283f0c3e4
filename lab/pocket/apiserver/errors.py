"""Refusals, worded as Kubernetes words them.

Clients act on `reason` and people read `message`, so both follow apimachinery's `pkg/api/errors`. Raise one from any depth;
the server answers with its Status object.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.errors import ApiError
from lab.pocket.api.field import FieldError

MAX_BODY = 3 << 20  # bytes, as in kube-apiserver


@dataclass(frozen=True, slots=True)
class About:
    """What a refusal is about: `kind` is the plural resource name, or the Kind for invalid objects."""

    kind: str
    name: str = ""
    group: str = ""

    @property
    def qualified(self) -> str:
        return f"{self.kind}.{self.group}" if self.group else self.kind


class StatusError(ApiError):
    """A refusal with its HTTP code, its Kubernetes reason and its details."""

    def __init__(
        self, code: int, reason: str, message: str, *, details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.details = dict(details or {})

    def status(self) -> dict[str, Any]:
        """Return the meta/v1 Status object."""
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            status["reason"] = self.reason
        if self.details:
            status["details"] = self.details
        return status | {"code": self.code}


def _details(about: About) -> dict[str, Any]:
    pairs = {"name": about.name, "group": about.group, "kind": about.kind}
    return {key: value for key, value in pairs.items() if value}


def not_found(about: About) -> StatusError:
    return StatusError(
        404, "NotFound", f'{about.qualified} "{about.name}" not found', details=_details(about)
    )


def already_exists(about: About) -> StatusError:
    message = f'{about.qualified} "{about.name}" already exists'
    return StatusError(409, "AlreadyExists", message, details=_details(about))


def conflict(about: About, why: str) -> StatusError:
    message = f'Operation cannot be fulfilled on {about.qualified} "{about.name}": {why}'
    return StatusError(409, "Conflict", message, details=_details(about))


def modified(about: About) -> StatusError:
    return conflict(
        about, "the object has been modified; please apply your changes to the latest version and try again"
    )


def forbidden(about: About, why: str, *, causes: Sequence[Mapping[str, str]] = ()) -> StatusError:
    subject = f'{about.qualified} "{about.name}"' if about.name else about.qualified
    details = _details(about)
    if causes:
        details["causes"] = list(causes)
    return StatusError(403, "Forbidden", f"{subject} is forbidden: {why}", details=details)


def invalid(about: About, causes: Sequence[Mapping[str, str]]) -> StatusError:
    """Refuse an object; `causes` have `reason`, `message` and `field`."""
    lines = list(dict.fromkeys(f"{cause['field']}: {cause['message']}" for cause in causes))
    text = lines[0] if len(lines) == 1 else "[" + ", ".join(lines) + "]"
    message = f'{about.qualified} "{about.name}" is invalid: {text}'
    return StatusError(422, "Invalid", message, details=_details(about) | {"causes": list(causes)})


def refuse(about: About, errors: Iterable[FieldError]) -> None:
    """Refuse an object when there is any error in its fields."""
    causes = [error.cause() for error in errors]
    if causes:
        raise invalid(about, causes)


def cause(kind: str, field: str, message: str) -> dict[str, str]:
    """Return one StatusCause; `kind` is its reason without the prefix, such as Required or Invalid."""
    return {"reason": f"FieldValue{kind}", "message": message, "field": field}


def bad_request(message: str) -> StatusError:
    return StatusError(400, "BadRequest", message)


def unauthorized() -> StatusError:
    return StatusError(401, "Unauthorized", "Unauthorized")


def method_not_allowed() -> StatusError:
    message = "the server does not allow this method on the requested resource"
    return StatusError(405, "MethodNotAllowed", message)


def not_acceptable() -> StatusError:
    message = "only the following media types are accepted: application/json, application/yaml"
    return StatusError(406, "NotAcceptable", message)


def unsupported_media_type(accepted: Sequence[str]) -> StatusError:
    message = "the body of the request was in an unknown format - accepted media types include: "
    return StatusError(415, "UnsupportedMediaType", message + ", ".join(accepted))


def expired(message: str) -> StatusError:
    return StatusError(410, "Expired", message)


def too_large() -> StatusError:
    message = f"Request entity too large: limit is {MAX_BODY}"
    return StatusError(413, "RequestEntityTooLarge", message)


def too_large_resource_version(asked: int, current: int) -> StatusError:
    details = {
        "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
        "retryAfterSeconds": 1,
    }
    message = f"Timeout: Too large resource version: {asked}, current: {current}"
    return StatusError(504, "Timeout", message, details=details)


def unavailable(message: str) -> StatusError:
    return StatusError(503, "ServiceUnavailable", message)


def timeout(message: str) -> StatusError:
    return StatusError(504, "Timeout", message)
