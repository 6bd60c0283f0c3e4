"""Writing a status only when it says something new."""

from __future__ import annotations

from typing import Any

from lab.kube.resources import Json, ObjectKey, Resource
from lab.pocket.controllers.writes import Patch


def status_patch(resource: Resource, item: Json, status: dict[str, Any]) -> list[Patch]:
    """Return the merge patch that makes the given fields of an object's status so, or nothing when they are.

    A count of 0 is written by leaving the field out, as the API's own types do.
    """
    present = item.get("status") or {}
    differences = {
        name: value or None if name not in ZEROES else value
        for name, value in status.items()
        if (present.get(name) or None) != (value or None) or (name in ZEROES and name not in present)
    }
    return [Patch(resource, ObjectKey.of(item), {"status": differences}, "status")] if differences else []


ZEROES = frozenset({
    "replicas", "currentNumberScheduled", "desiredNumberScheduled", "numberMisscheduled", "numberReady",
})  # fmt: skip
"""Fields that are required and therefore written also when they are 0."""
