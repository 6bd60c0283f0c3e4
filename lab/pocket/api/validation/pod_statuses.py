"""What is wrong with a new status of a pod (ValidatePodStatusUpdate of Kubernetes v1.36)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lab.pocket.api import field, names
from lab.pocket.api.field import FieldError
from lab.pocket.api.validation.addresses import ip_errors, parsed

__all__ = ["pod_status_errors"]

Object = dict[str, Any]
_SYSTEM_CONDITIONS = frozenset({"PodScheduled", "Ready", "Initialized"})


def pod_status_errors(new: Object, old: Object) -> Iterator[FieldError]:
    after, before = new.get("status") or {}, old.get("status") or {}
    yield from _conditions(after.get("conditions") or ())
    if after.get("qosClass", "") != before.get("qosClass", ""):
        yield field.invalid("status.qosClass", after.get("qosClass", ""), "field is immutable")
    for kind in ("containerStatuses", "initContainerStatuses"):
        yield from _transitions(after.get(kind) or (), before.get(kind) or (), f"status.{kind}", new["spec"])
    yield from _addresses("status.podIPs", after.get("podIPs") or (), before.get("podIPs") or ())
    host = after.get("hostIPs") or ()
    if host and host[0].get("ip") != after.get("hostIP", ""):
        yield field.invalid("status.hostIPs[0].ip", host[0].get("ip"), "must be equal to `hostIP`")
    yield from _addresses("status.hostIPs", host, before.get("hostIPs") or ())


def _conditions(conditions: Sequence[Object]) -> Iterator[FieldError]:
    for index, condition in enumerate(conditions):
        kind = condition.get("type", "")
        if kind not in _SYSTEM_CONDITIONS:
            for wrong in names.qualified_name(kind):
                yield field.invalid(f"status.conditions[{index}].Type", kind, wrong)


def _transitions(
    new: Sequence[Object], old: Sequence[Object], path: str, spec: Object
) -> Iterator[FieldError]:
    """Yield an error for each container that ended for good and shall not have."""
    after = {each["name"]: each for each in new}
    for index, status in enumerate(old):
        ended = (status.get("state") or {}).get("terminated")
        now = after.get(status["name"])
        goes_on = now and not (now.get("state") or {}).get("terminated")
        if ended and goes_on and not _may_restart(path, status["name"], spec, ended.get("exitCode", 0)):
            yield field.forbidden(f"{path}[{index}].state", "may not be transitioned to non-terminated state")


def _may_restart(path: str, name: str, spec: Object, code: int) -> bool:
    kind = "initContainers" if path.endswith("initContainerStatuses") else "containers"
    containers: Sequence[Object] = spec.get(kind) or ()
    own = next((each.get("restartPolicy") for each in containers if each["name"] == name), None)
    policy = own or spec.get("restartPolicy", "Always")
    return bool(policy == "Always" or (policy == "OnFailure" and code != 0))


def _addresses(path: str, new: Sequence[Object], old: Sequence[Object]) -> Iterator[FieldError]:
    known = [each.get("ip", "") for each in old]
    addresses = [each.get("ip", "") for each in new]
    for index, address in enumerate(addresses):
        yield from ip_errors(address, f"{path}[{index}]", known)
    families = [ip.version for ip in map(parsed, addresses) if ip]
    if len(addresses) > 1 and sorted(families) != [4, 6]:
        shown = [{"IP": address} for address in addresses]
        yield field.invalid(path, shown, "may specify no more than one IP for each IP family")
