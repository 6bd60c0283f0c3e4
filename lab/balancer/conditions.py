"""Conditions: what a program says about an object in the object's own status.

https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md#typical-status-properties
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from lab.kube.resources import Json

ADDRESS_ASSIGNED: Final = "metallb.io/AddressAssigned"
"""On a Service: whether it has the address that it asks for, and if not, why."""
VALID: Final = "Valid"
"""On our own resources: whether they can be used, and if not, what is wrong."""
MESSAGE_LIMIT: Final = 32768


@dataclass(frozen=True, slots=True)
class Condition:
    """What to say. `reason` is a CamelCase word."""

    type: str
    holds: bool
    reason: str
    message: str

    def is_in(self, conditions: Iterable[Json]) -> bool:
        """Tell whether that is what is said already."""
        mine = (self.type, str(self.holds), self.reason, self.message[:MESSAGE_LIMIT])
        return any(
            (c.get("type"), c.get("status"), c.get("reason"), c.get("message")) == mine for c in conditions
        )

    def put_into(self, conditions: Iterable[Json], *, now: datetime) -> list[Json]:
        """Return the conditions with this one in place of its predecessor, whose time stays if the status does."""
        before = next((c for c in conditions if c.get("type") == self.type), {})
        changed = before.get("status") != str(self.holds)
        since = timestamp(now) if changed else before.get("lastTransitionTime") or timestamp(now)
        condition = {
            "type": self.type,
            "status": str(self.holds),
            "reason": self.reason,
            "message": self.message[:MESSAGE_LIMIT],
            "lastTransitionTime": since,
        }
        return [*without(conditions, self.type), condition]


def without(conditions: Iterable[Json], kind: str) -> list[Json]:
    """Return the conditions of other types."""
    return [condition for condition in conditions if condition.get("type") != kind]


def timestamp(moment: datetime) -> str:
    """Return a moment as the API's Time: UTC, whole seconds, Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
