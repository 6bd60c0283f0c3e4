from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lab.kube.resources import Json
from lab.pocket.agent.probing import ProbeKind, Schedule, Verdict
from lab.pocket.agent.status import ContainerState, Ended, PodState, pod_status, quality

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
POD: Json = {"spec": {"containers": [{"name": "c"}]}}


def container(**fields: Any) -> ContainerState:
    state = ContainerState("c", "nginx")
    for name, value in fields.items():
        setattr(state, name, value)
    return state


def ended(code: int) -> Ended:
    return Ended(code, "Completed" if code == 0 else "Error", NOW, NOW)


RUNNING: dict[str, Any] = {"running": NOW, "ready": True, "started": True}


def pod(*containers: ContainerState, pod: Json | None = None, **fields: Any) -> Json:
    values: dict[str, Any] = {
        "sandbox": True,
        "initialized": True,
        "ips": ["10.244.1.2"],
        "host_ips": ["10.0.0.51"],
    } | fields
    return pod_status(pod or POD, PodState(NOW, [], containers, **values), NOW)


def conditions(status: Json) -> dict[str, tuple[str, str | None]]:
    return {each["type"]: (each["status"], each.get("reason")) for each in status["conditions"]}


@pytest.mark.parametrize(
    ("status", "phase", "ready"),
    [
        (pod(container(), initialized=False), "Pending", ("False", "ContainersNotReady")),
        (pod(container()), "Pending", ("False", "ContainersNotReady")),
        (pod(container(**RUNNING)), "Running", ("True", None)),
        (pod(container(running=NOW)), "Running", ("False", "ContainersNotReady")),
        (
            pod(container(waiting="CrashLoopBackOff", last=ended(1))),
            "Running",
            ("False", "ContainersNotReady"),
        ),
        (pod(container(ended=ended(0)), over=True), "Succeeded", ("False", "PodCompleted")),
        (
            pod(container(ended=ended(0)), container(ended=ended(3)), over=True),
            "Failed",
            ("False", "PodFailed"),
        ),
        (pod(container(**RUNNING), gates={"x/ready": False}), "Running", ("False", "ReadinessGatesNotReady")),
        (pod(container(**RUNNING), gates={"x/ready": True}), "Running", ("True", None)),
    ],
)
def test_phases(status, phase, ready):
    assert status["phase"] == phase
    assert conditions(status)["Ready"] == ready


def test_a_running_container():
    status = pod(
        container(**RUNNING, restarts=2, last=ended(1), image_id="built-in:nginx", container_id="crun://1")
    )
    assert status["podIPs"] == [{"ip": "10.244.1.2"}]
    assert status["hostIP"] == "10.0.0.51"
    (found,) = status["containerStatuses"]
    assert found["state"] == {"running": {"startedAt": "2026-11-20T12:00:00Z"}}
    assert found["lastState"]["terminated"]["exitCode"] == 1
    assert (found["restartCount"], found["ready"], found["started"]) == (2, True, True)


def test_a_waiting_container_says_why():
    (found,) = pod(container(waiting="ErrImagePull", message="there is: nginx"))["containerStatuses"]
    assert found["state"] == {"waiting": {"reason": "ErrImagePull", "message": "there is: nginx"}}
    assert "containerID" not in found


def test_times_of_transition_stay_until_the_status_changes():
    known = pod(container(**RUNNING))
    later = NOW + timedelta(minutes=5)
    state = PodState(NOW, [], [container(running=NOW)], sandbox=True, initialized=True)
    again = pod_status(POD | {"status": known}, state, later)
    times = {each["type"]: each["lastTransitionTime"] for each in again["conditions"]}
    assert times["Initialized"] == "2026-11-20T12:00:00Z"
    assert times["Ready"] == "2026-11-20T12:05:00Z"


def test_a_reason_that_no_longer_holds_is_taken_back():
    known = pod(container())
    found = next(
        each
        for each in pod(container(**RUNNING), pod=POD | {"status": known})["conditions"]
        if each["type"] == "Ready"
    )
    assert (found["reason"], found["message"]) == (None, None)


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}, "Burstable"),
    ],
)
def test_quality_of_service(resources, expected):
    assert quality({"spec": {"containers": [{"resources": resources}]}}) == expected


@pytest.mark.parametrize(
    ("kind", "answers", "expected"),
    [
        (ProbeKind.READINESS, [], None),
        (ProbeKind.READINESS, [True], True),
        (ProbeKind.READINESS, [True, False, False], True),
        (ProbeKind.READINESS, [True, False, False, False], False),
        (ProbeKind.READINESS, [False, False, True], True),
        (ProbeKind.LIVENESS, [False, False], True),
        (ProbeKind.LIVENESS, [False, False, True, False, False], True),
        (ProbeKind.LIVENESS, [False, False, False], False),
        (ProbeKind.STARTUP, [False, True], True),
    ],
)
def test_probe_verdicts(kind, answers, expected):
    verdict = Verdict(kind, Schedule.of({}))
    for answer in answers:
        verdict.hear(success=answer)
    assert verdict.value is expected


def test_defaults_of_a_probe():
    assert Schedule.of({"periodSeconds": 3}) == Schedule(
        delay=0, period=3, timeout=1, successes=1, failures=3
    )
