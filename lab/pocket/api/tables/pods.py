"""The row of a pod: what its many states amount to in one word."""

from __future__ import annotations

import datetime as dt
from typing import Any

from lab.pocket.api.tables.ages import age

__all__ = ["pod_cells", "pod_conditions"]

Object = dict[str, Any]
NONE = "<none>"


def pod_cells(pod: Object, now: dt.datetime) -> list[Any]:
    """Return Name, Ready, Status, Restarts, Age, IP, Node, Nominated Node, Readiness Gates."""
    meta, spec, status = pod["metadata"], pod.get("spec", {}), pod.get("status", {})
    summary = _Summary(pod)
    restarts = str(summary.restarts)
    if summary.restarts and summary.last_restart:
        restarts = f"{restarts} ({age(summary.last_restart, now)} ago)"
    addresses = status.get("podIPs") or [{}]
    return [
        meta["name"],
        f"{summary.ready}/{summary.total}",
        summary.reason,
        restarts,
        age(meta.get("creationTimestamp"), now),
        addresses[0].get("ip") or NONE,
        spec.get("nodeName") or NONE,
        status.get("nominatedNodeName") or NONE,
        _gates(spec, status),
    ]


def pod_conditions(pod: Object) -> list[Object]:
    """Return the row's conditions: kubectl hides completed pods where it is told to."""
    phase = pod.get("status", {}).get("phase")
    messages = {"Succeeded": "The pod has completed successfully.", "Failed": "The pod failed."}
    if phase not in messages:
        return []
    return [{"type": "Completed", "status": "True", "reason": phase, "message": messages[phase]}]


def _gates(spec: Object, status: Object) -> str:
    gates = [gate.get("conditionType") for gate in spec.get("readinessGates", ())]
    conditions = {
        condition.get("type"): condition.get("status") for condition in status.get("conditions", ())
    }
    return f"{sum(conditions.get(gate) == 'True' for gate in gates)}/{len(gates)}" if gates else NONE


class _Summary:
    """Readiness, restarts and the one word, from the statuses of all containers."""

    def __init__(self, pod: Object) -> None:
        self._spec, self._status = pod.get("spec", {}), pod.get("status", {})
        initial = self._spec.get("initContainers", [])
        self._sidecars = {one["name"] for one in initial if one.get("restartPolicy") == "Always"}
        self.total = len(self._spec.get("containers", ())) + len(self._sidecars)
        self.ready = 0
        self.restarts = 0
        self.last_restart = ""
        self.reason = self._status.get("reason") or self._status.get("phase") or ""
        if any(one.get("reason") == "SchedulingGated" for one in self._conditions("PodScheduled")):
            self.reason = "SchedulingGated"
        if not self._initializing() or any(
            one.get("status") == "True" for one in self._conditions("Initialized")
        ):
            self._count_containers()
        self._deleting(pod)

    def _conditions(self, kind: str) -> list[Object]:
        return [one for one in self._status.get("conditions", ()) if one.get("type") == kind]

    def _count(self, container: Object) -> None:
        self.restarts += container.get("restartCount", 0)
        ended = container.get("lastState", {}).get("terminated", {}).get("finishedAt") or ""
        self.last_restart = max(self.last_restart, ended)

    def _initializing(self) -> bool:
        statuses = self._status.get("initContainerStatuses", [])
        for index, container in enumerate(statuses):
            self._count(container)
            state = container.get("state", {})
            ended = state.get("terminated")
            sidecar = container.get("name") in self._sidecars
            if ended is not None and not ended.get("exitCode"):
                continue
            if sidecar and container.get("started"):
                self.ready += bool(container.get("ready"))
                continue
            waiting = state.get("waiting", {}).get("reason", "")
            if ended is not None:
                self.reason = f"Init:{_ending(ended)}"
            elif waiting and waiting != "PodInitializing":
                self.reason = f"Init:{waiting}"
            else:
                self.reason = f"Init:{index}/{len(self._spec.get('initContainers', ()))}"
            return True
        return False

    def _count_containers(self) -> None:
        self.restarts, self.last_restart = 0, ""
        for container in self._status.get("initContainerStatuses", ()):
            if container.get("name") in self._sidecars:
                self._count(container)
        running, error = False, ""
        for container in reversed(self._status.get("containerStatuses", [])):
            self._count(container)
            state = container.get("state", {})
            ended = state.get("terminated")
            if state.get("waiting", {}).get("reason"):
                self.reason = state["waiting"]["reason"]
            elif ended is not None:
                self.reason = _ending(ended)
                error = self.reason if ended.get("exitCode") else error
            elif container.get("ready") and "running" in state:
                running = True
                self.ready += 1
        if self.reason == "Completed":
            self._completed(error, running=running)

    def _completed(self, error: str, *, running: bool) -> None:
        if running and any(one.get("status") == "True" for one in self._conditions("Ready")):
            self.reason = "Running"
        elif error:
            self.reason = error
        elif running:
            self.reason = "NotReady"

    def _deleting(self, pod: Object) -> None:
        if not pod["metadata"].get("deletionTimestamp"):
            return
        if self._status.get("reason") == "NodeLost":
            self.reason = "Unknown"
        elif self._status.get("phase") not in {"Succeeded", "Failed"}:
            self.reason = "Terminating"


def _ending(ended: Object) -> str:
    if ended.get("reason"):
        return str(ended["reason"])
    if ended.get("signal"):
        return f"Signal:{ended['signal']}"
    return f"ExitCode:{ended.get('exitCode', 0)}"
