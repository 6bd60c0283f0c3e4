"""What several controllers ask of API objects: readiness, ownership, selectors, times, quantities."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from lab.kube.resources import Json, Resource

Labels = Mapping[str, str]


def timestamp(moment: datetime) -> str:
    """Return a moment as the API's Time: UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> datetime:
    """Return the moment that a Time or MicroTime of the API names."""
    return datetime.fromisoformat(text)


def condition(item: Json, kind: str) -> Json | None:
    """Return one of the conditions in an object's status."""
    conditions = (item.get("status") or {}).get("conditions") or ()
    return next((each for each in conditions if each["type"] == kind), None)


def is_true(item: Json, kind: str) -> bool:
    found = condition(item, kind)
    return found is not None and found["status"] == "True"


def updated_conditions(item: Json, *new: Json, now: datetime) -> list[Json]:
    """Return an object's conditions with `new` in place of those of their type.

    What a new one does not say anything about stays; the time of transition moves with the status.
    """
    conditions = {each["type"]: each for each in (item.get("status") or {}).get("conditions") or ()}
    for each in new:
        old = conditions.get(each["type"], {})
        if each.items() <= old.items():
            continue
        moved = timestamp(now) if old.get("status") != each["status"] else old["lastTransitionTime"]
        conditions[each["type"]] = {"lastUpdateTime": timestamp(now), **each, "lastTransitionTime": moved}
    return list(conditions.values())


def is_terminating(item: Json) -> bool:
    return "deletionTimestamp" in item["metadata"]


def is_finished(pod: Json) -> bool:
    return (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}


def is_active(pod: Json) -> bool:
    """Whether a pod counts as a replica: it runs, or will, and nobody has asked it to end."""
    return not is_finished(pod) and not is_terminating(pod)


def is_ready(pod: Json) -> bool:
    return is_true(pod, "Ready")


def seconds_until_available(pod: Json, min_ready: int, now: datetime) -> float | None:
    """Return 0 for a pod that has been ready long enough, how long it still has to be, or None when it is not ready."""
    ready = condition(pod, "Ready")
    if not ready or ready["status"] != "True":
        return None
    if not min_ready:
        return 0.0
    since = (now - parse_time(ready["lastTransitionTime"])).total_seconds()
    return max(0.0, min_ready - since)


def owner_reference(owner: Json, resource: Resource) -> Json:
    """Return the reference that makes `owner` the controller of an object."""
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def labels_of(item: Json) -> Labels:
    return item["metadata"].get("labels") or {}


def selects(selector: Mapping[str, Any] | None, labels: Labels) -> bool:
    """Whether a LabelSelector matches; a missing one matches nothing, an empty one everything."""
    if selector is None:
        return False
    wanted = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(requirement_met(each, labels) for each in selector.get("matchExpressions") or ())


def requirement_met(requirement: Mapping[str, Any], labels: Labels) -> bool:
    """Whether one requirement (key, operator, values) of a label or node selector is met."""
    values: Sequence[str] = requirement.get("values") or ()
    return _OPERATORS[requirement["operator"]](labels.get(requirement["key"]), values)


_OPERATORS: Final[Mapping[str, Callable[[str | None, Sequence[str]], bool]]] = {
    "In": lambda value, values: value in values,
    "NotIn": lambda value, values: value not in values,
    "Exists": lambda value, _: value is not None,
    "DoesNotExist": lambda value, _: value is None,
    "Gt": lambda value, values: value is not None and value.isdecimal() and int(value) > int(values[0]),
    "Lt": lambda value, values: value is not None and value.isdecimal() and int(value) < int(values[0]),
}


def share(value: int | str | None, total: int, *, default: int | str, up: bool) -> int:
    """Return an IntOrString as a number: `25%` is a share of `total`, rounded `up` or down."""
    value = default if value is None else value
    if isinstance(value, int):
        return value
    exact = total * int(value.removesuffix("%")) / 100
    return math.ceil(exact) if up else math.floor(exact)


SUFFIXES = {
    "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50, "Ei": 2.0**60,
}  # fmt: skip


def quantity(text: str | float) -> float:
    """Return the value of a resource Quantity such as `250m`, `1e3` or `64Mi`."""
    if not isinstance(text, str):
        return float(text)
    number = text.rstrip("numkKMGTPEi") if not text[-1:].isdigit() else text
    return float(number) * SUFFIXES[text[len(number) :]]
