"""A pod's status from the states of its containers. Pure.

https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from lab.kube.resources import Json

Moment = datetime


def timestamp(moment: Moment) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse(text: str) -> Moment:
    """Return the moment that a timestamp names."""
    return datetime.fromisoformat(text)


@dataclass(slots=True)
class Ended:
    """How a container ended."""

    code: int
    reason: str
    started: Moment | None
    finished: Moment
    message: str = ""
    container_id: str = ""


@dataclass(slots=True)
class ContainerState:
    """One container as the agent knows it."""

    name: str
    image: str
    image_id: str = ""
    container_id: str = ""
    waiting: str = "ContainerCreating"
    """Why it does not run yet, or does not run again; meaningful while neither `running` nor finally `ended`."""
    message: str = ""
    running: Moment | None = None
    ended: Ended | None = None
    """The present state, if it will not be started again, or not yet."""
    last: Ended | None = None
    restarts: int = 0
    started: bool = False
    ready: bool = False

    def as_status(self) -> Json:
        """Return the ContainerStatus."""
        last = {"terminated": _terminated(self.last)} if self.last else {}
        return {
            "name": self.name,
            "image": self.image,
            "imageID": self.image_id,
            **({"containerID": self.container_id} if self.container_id else {}),
            "ready": self.ready,
            "started": self.started,
            "restartCount": self.restarts,
            "state": self._state(),
            "lastState": last,
        }

    def _state(self) -> Json:
        if self.running:
            return {"running": {"startedAt": timestamp(self.running)}}
        if self.ended:
            return {"terminated": _terminated(self.ended)}
        return {"waiting": {"reason": self.waiting} | ({"message": self.message} if self.message else {})}


def _terminated(ended: Ended) -> Json:
    return {
        "exitCode": ended.code,
        "reason": ended.reason,
        "startedAt": timestamp(ended.started or ended.finished),
        "finishedAt": timestamp(ended.finished),
        **({"message": ended.message} if ended.message else {}),
        **({"containerID": ended.container_id} if ended.container_id else {}),
    }


@dataclass(slots=True)
class PodState:
    """A pod as the agent knows it."""

    started: Moment
    init: Sequence[ContainerState]
    containers: Sequence[ContainerState]
    ips: Sequence[str] = ()
    host_ips: Sequence[str] = ()
    sandbox: bool = False
    """Whether network and volumes are ready."""
    initialized: bool = False
    over: bool = False
    """Whether no container will run any more."""
    problem: str = ""
    reason: str = ""
    gates: Mapping[str, bool] = field(default_factory=dict)
    """Readiness gates: conditions that others set."""


QOS_RESOURCES: Final = ("cpu", "memory")


def quality(pod: Json) -> str:
    """Return the pod's class of service: https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/."""
    containers = [*pod["spec"]["containers"], *(pod["spec"].get("initContainers") or ())]
    resources: list[Mapping[str, Any]] = [each.get("resources") or {} for each in containers]
    if not any(each.get("requests") or each.get("limits") for each in resources):
        return "BestEffort"
    for each in resources:
        limits = each.get("limits") or {}
        requests = {**limits, **(each.get("requests") or {})}
        if any(name not in limits or requests[name] != limits[name] for name in QOS_RESOURCES):
            return "Burstable"
    return "Guaranteed"


def pod_status(pod: Json, state: PodState, now: Moment) -> Json:
    """Return the status to publish; conditions that others own are left out."""
    phase = _phase(state)
    ready = all(each.ready for each in state.containers) and phase == "Running"
    unready = [each.name for each in state.containers if not each.ready]
    gates = all(state.gates.values())
    why = {} if ready else _why_not(phase, unready)
    finished = phase == "Succeeded"
    initialized = state.initialized or finished
    conditions = [
        _condition("PodReadyToStartContainers", state.sandbox and not state.over),
        _condition("Initialized", initialized, {} if initialized else _uninitialized(state)),
        _condition(
            "Ready",
            ready and gates,
            why if not ready else {} if gates else {"reason": "ReadinessGatesNotReady"},
        ),
        _condition("ContainersReady", ready, why),
    ]
    return {
        "phase": phase,
        "conditions": [_with_time(pod, each, now) for each in conditions],
        **({"message": state.problem} if state.problem else {}),
        **({"reason": state.reason} if state.reason else {}),
        **(
            {"hostIP": state.host_ips[0], "hostIPs": [{"ip": ip} for ip in state.host_ips]}
            if state.host_ips
            else {}
        ),
        **({"podIP": state.ips[0], "podIPs": [{"ip": ip} for ip in state.ips]} if state.ips else {}),
        "startTime": timestamp(state.started),
        **({"initContainerStatuses": [each.as_status() for each in state.init]} if state.init else {}),
        "containerStatuses": [each.as_status() for each in state.containers],
        "qosClass": quality(pod),
    }


def _phase(state: PodState) -> str:
    if state.over:
        every = (*state.init, *state.containers)
        good = all(each.ended is not None and each.ended.code == 0 for each in every)
        return "Succeeded" if good else "Failed"
    begun = any(each.running or each.ended or each.last for each in state.containers)
    return "Running" if state.initialized and begun else "Pending"


def _why_not(phase: str, unready: Sequence[str]) -> Json:
    if phase == "Succeeded":
        return {"reason": "PodCompleted"}
    if phase == "Failed":
        return {"reason": "PodFailed"}
    return {
        "reason": "ContainersNotReady",
        "message": f"containers with unready status: [{' '.join(unready)}]",
    }


def _uninitialized(state: PodState) -> Json:
    names = [each.name for each in state.init if each.ended is None or each.ended.code]
    return {
        "reason": "ContainersNotInitialized",
        "message": f"containers with incomplete status: [{' '.join(names)}]",
    }


def _condition(kind: str, value: bool, why: Json | None = None) -> Json:  # noqa: FBT001 -- the value is the subject
    return {"type": kind, "status": str(value), **(why or {})}


def _with_time(pod: Json, condition: Json, now: Moment) -> Json:
    known: Sequence[Json] = (pod.get("status") or {}).get("conditions") or ()
    old: Json = next((each for each in known if each["type"] == condition["type"]), {})
    same = old.get("status") == condition["status"] and old.get("lastTransitionTime")
    # Conditions are merged by their type: what shall not stay must be named.
    forgotten: Json = {name: None for name in ("reason", "message") if name in old and name not in condition}
    return {**condition, **forgotten, "lastTransitionTime": same or timestamp(now)}
