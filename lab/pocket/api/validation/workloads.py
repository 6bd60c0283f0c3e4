"""Deployments, ReplicaSets, DaemonSets and ControllerRevisions (pkg/apis/apps/validation of Kubernetes v1.36)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lab.pocket.api import field, names
from lab.pocket.api.field import FieldError
from lab.pocket.api.validation.metadata import immutable, label_selector
from lab.pocket.api.validation.pods import template_errors
from lab.pocket.api.validation.rules import checked, non_negative

__all__ = [
    "daemon_set_errors", "daemon_set_status_errors", "deployment_errors", "deployment_status_errors",
    "replica_set_errors", "replica_set_status_errors", "revision_errors", "revision_update_errors",
    "selector_update_errors",
]  # fmt: skip

Object = dict[str, Any]
_OPERATORS = {"In", "NotIn", "Exists", "DoesNotExist"}


def deployment_errors(deployment: Object) -> Iterator[FieldError]:
    spec = deployment["spec"]
    yield from _replicated(spec)
    yield from _strategy(spec["strategy"])
    yield from non_negative(spec.get("revisionHistoryLimit"), "spec.revisionHistoryLimit")
    deadline, path = spec.get("progressDeadlineSeconds"), "spec.progressDeadlineSeconds"
    yield from non_negative(deadline, path)
    if deadline is not None and deadline <= spec.get("minReadySeconds", 0):
        yield field.invalid(path, deadline, "must be greater than minReadySeconds")


def replica_set_errors(replica_set: Object) -> Iterator[FieldError]:
    yield from _replicated(replica_set["spec"])


def daemon_set_errors(daemon_set: Object) -> Iterator[FieldError]:
    spec = daemon_set["spec"]
    selector = spec.get("selector")
    yield from label_selector(selector or {}, "spec.selector")
    if selector != {} and _well_formed(selector) and not _selects(selector, spec["template"]):
        yield _mismatch(spec["template"])
    if selector == {}:
        yield field.invalid("spec.selector", selector, "empty selector is invalid for daemonset")
    yield from _template(spec["template"], "DaemonSet")
    yield from non_negative(spec.get("minReadySeconds"), "spec.minReadySeconds")
    yield from _update_strategy(spec["updateStrategy"])
    yield from non_negative(spec.get("revisionHistoryLimit"), "spec.revisionHistoryLimit")


def _replicated(spec: Object) -> Iterator[FieldError]:
    selector = spec.get("selector")
    yield from non_negative(spec.get("replicas"), "spec.replicas")
    yield from non_negative(spec.get("minReadySeconds"), "spec.minReadySeconds")
    if selector is None:
        yield field.required("spec.selector")
    else:
        yield from label_selector(selector, "spec.selector")
        if selector == {}:
            yield field.invalid("spec.selector", selector, "empty selector is invalid for deployment")
    if not _well_formed(selector):
        yield field.invalid("spec.selector", selector, "invalid label selector")
        return
    if selector != {} and not _selects(selector, spec["template"]):
        yield _mismatch(spec["template"])
    yield from _template(spec["template"], "ReplicaSet")


def _well_formed(selector: Object | None) -> bool:
    return not any(True for _ in label_selector(selector or {}, ""))


def _selects(selector: Object | None, template: Object) -> bool:
    """Say whether a well-formed selector matches a template's labels; the one that is not there matches nothing."""
    labels = template.get("metadata", {}).get("labels", {})
    if selector is None:
        return False
    wanted = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    return wanted and all(_meets(one, labels) for one in selector.get("matchExpressions", ()))


def _meets(expression: Object, labels: Object) -> bool:
    key, listed = expression["key"], expression.get("values", [])
    return {
        "In": labels.get(key) in listed,
        "NotIn": labels.get(key) not in listed,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }[expression["operator"]]


def _mismatch(template: Object) -> FieldError:
    labels = template.get("metadata", {}).get("labels")
    return field.invalid(
        "spec.template.metadata.labels", labels, "`selector` does not match template `labels`"
    )


def _template(template: Object, kind: str) -> Iterator[FieldError]:
    spec = template["spec"]
    yield from template_errors(template, "spec.template")
    if spec.get("restartPolicy") in {"OnFailure", "Never"}:
        yield field.not_supported("spec.template.spec.restartPolicy", spec["restartPolicy"], ("Always",))
    if "activeDeadlineSeconds" in spec:
        path = "spec.template.spec.activeDeadlineSeconds"
        yield field.forbidden(path, f"activeDeadlineSeconds in {kind} is not Supported")


def _strategy(strategy: Object) -> Iterator[FieldError]:
    kind, rolling, path = strategy.get("type", ""), strategy.get("rollingUpdate"), "spec.strategy"
    if kind == "Recreate":
        if rolling is not None:
            detail = "may not be specified when strategy `type` is 'Recreate'"
            yield field.forbidden(f"{path}.rollingUpdate", detail)
    elif kind != "RollingUpdate":
        yield field.not_supported(path, {"Type": kind, "RollingUpdate": None}, ("Recreate", "RollingUpdate"))
    else:
        yield from _rolling(rolling or {}, f"{path}.rollingUpdate")


def _rolling(rolling: Object, path: str) -> Iterator[FieldError]:
    unavailable, surge = rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)
    yield from _amount(unavailable, f"{path}.maxUnavailable")
    yield from _amount(surge, f"{path}.maxSurge")
    if _number(unavailable) == 0 and _number(surge) == 0:
        yield field.invalid(f"{path}.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0")
    yield from _at_most_all(unavailable, f"{path}.maxUnavailable")


def _amount(value: int | str, path: str) -> Iterator[FieldError]:
    if isinstance(value, str):
        yield from checked(value, names.percent, path)
    else:
        yield from non_negative(value, path)


def _number(value: int | str) -> int | None:
    """Return a count or a percentage as a number, None for what is neither."""
    text = str(value).removesuffix("%")
    return int(text) if re.fullmatch("-?[0-9]{1,9}", text) else None


def _at_most_all(value: int | str, path: str) -> Iterator[FieldError]:
    if isinstance(value, str) and (_number(value) or 0) > 100:
        yield field.invalid(path, value, "must not be greater than 100%")


def _update_strategy(strategy: Object) -> Iterator[FieldError]:
    kind, rolling = strategy.get("type", ""), strategy.get("rollingUpdate")
    path = "spec.updateStrategy.rollingUpdate"
    if kind == "OnDelete":
        return
    if kind != "RollingUpdate":
        shown = {"Type": kind, "RollingUpdate": None}
        yield field.not_supported("spec.updateStrategy", shown, ("RollingUpdate", "OnDelete"))
    elif rolling is None:
        yield field.required(path)
    else:
        yield from _daemon_rolling(rolling, path)


def _daemon_rolling(rolling: Object, path: str) -> Iterator[FieldError]:
    unavailable, surge = rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)
    for name, value in (("maxUnavailable", unavailable), ("maxSurge", surge)):
        yield from _amount(value, f"{path}.{name}")
        yield from _at_most_all(value, f"{path}.{name}")
    if _number(unavailable) and _number(surge):
        yield field.invalid(f"{path}.maxSurge", surge, "may not be set when maxUnavailable is non-zero")
    elif _number(unavailable) == 0 and _number(surge) == 0:
        yield field.required(f"{path}.maxUnavailable", "cannot be 0 when maxSurge is 0")


def selector_update_errors(new: Object, old: Object) -> Iterator[FieldError]:
    """Yield an error when an update of a workload changes what it selects."""
    yield from immutable(new["spec"].get("selector"), old["spec"].get("selector"), "spec.selector")


def _counts(status: Object, fields: tuple[str, ...]) -> Iterator[FieldError]:
    for name in fields:
        yield from non_negative(status.get(name), f"status.{name}")


def deployment_status_errors(new: Object, _old: Object) -> Iterator[FieldError]:
    status = new.get("status", {})
    replicas = ("updatedReplicas", "readyReplicas", "availableReplicas")
    yield from _counts(
        status, ("observedGeneration", "replicas", *replicas, "unavailableReplicas", "collisionCount")
    )
    yield from _at_most(status, replicas)


def replica_set_status_errors(new: Object, _old: Object) -> Iterator[FieldError]:
    status = new.get("status", {})
    replicas = ("fullyLabeledReplicas", "readyReplicas", "availableReplicas")
    yield from _counts(status, ("replicas", *replicas, "observedGeneration"))
    yield from _at_most(status, replicas)


def _at_most(status: Object, fields: tuple[str, ...]) -> Iterator[FieldError]:
    total, ready = status.get("replicas", 0), status.get("readyReplicas", 0)
    for name in fields:
        if status.get(name, 0) > total:
            yield field.invalid(
                f"status.{name}", status.get(name, 0), "cannot be greater than status.replicas"
            )
    if status.get("availableReplicas", 0) > ready:
        detail = "cannot be greater than readyReplicas"
        yield field.invalid("status.availableReplicas", status.get("availableReplicas", 0), detail)


def daemon_set_status_errors(new: Object, _old: Object) -> Iterator[FieldError]:
    fields = (
        "currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady", "observedGeneration",
        "updatedNumberScheduled", "numberAvailable", "numberUnavailable", "collisionCount",
    )  # fmt: skip
    yield from _counts(new.get("status", {}), fields)


def revision_errors(revision: Object) -> Iterator[FieldError]:
    if revision.get("data") is None:
        yield field.required("data", "data is mandatory")
    yield from non_negative(revision.get("revision", 0), "revision")


def revision_update_errors(new: Object, old: Object) -> Iterator[FieldError]:
    yield from revision_errors(new)
    yield from immutable(new.get("data"), old.get("data"), "data")
