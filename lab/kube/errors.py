"""What a Kubernetes API can answer instead of the object.

ApiError                     (lab.errors)
├── Unavailable              no usable answer: cannot connect, timeout, 429, any 5xx; try again later
└── StatusError              the API refused: carries the HTTP code and the Status reason
    ├── Invalid              400, 422: the request or the object is wrong
    ├── Unauthorized         401: who are you?
    ├── Forbidden            403: RBAC says no
    ├── NotFound             404: no such object, or no such resource (a CRD not installed yet)
    ├── AlreadyExists        409, reason AlreadyExists
    ├── Conflict             409: the resourceVersion is not the latest, or another manager owns a field
    └── Gone                 410: the resourceVersion or continue token is too old; list again

Shapes: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from lab.errors import ApiError


class Unavailable(ApiError):
    """No usable answer. `retry_after` is what the server asked for, in seconds, or 0."""

    def __init__(self, message: str, *, retry_after: float = 0.0) -> None:
        super().__init__(message, hint="is the API server running, and can this machine reach it?")
        self.retry_after = retry_after


class StatusError(ApiError):
    """The API answered with a Status of code 4xx."""

    def __init__(self, message: str, *, code: int, reason: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


class Invalid(StatusError): ...


class Unauthorized(StatusError): ...


class Forbidden(StatusError): ...


class NotFound(StatusError): ...


class AlreadyExists(StatusError): ...


class Conflict(StatusError): ...


class Gone(StatusError): ...


BY_CODE: Final[Mapping[int, type[StatusError]]] = {
    400: Invalid,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: Invalid,
}


def error_of_status(
    code: int, status: Mapping[str, Any], *, asked: str, retry_after: float = 0.0
) -> ApiError:
    """Return the exception for a response of `code` whose body is the Status `status`.

    `asked` names the request in the message, because a Status does not always say which one failed.
    """
    reason = str(status.get("reason", ""))
    message = f"{asked}: {status.get('message') or reason or 'no explanation'} ({code})"
    if code == 429 or code >= 500:
        return Unavailable(message, retry_after=retry_after)
    if reason == "AlreadyExists":
        return AlreadyExists(message, code=code, reason=reason)
    return BY_CODE.get(code, StatusError)(message, code=code, reason=reason)
