"""Silent nodes, taints and evictions; pod ranges."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from lab.kube.resources import LEASES, NODES, PODS, Json, ObjectKey
from lab.pocket.controllers.nodes import NodeLifecycle, PodRanges
from lab.pocket.controllers.objects import condition, is_terminating
from tests.unit.pocket.controllers.world import World, node, pod

PATIENT = {
    "key": "node.kubernetes.io/unreachable",
    "operator": "Exists",
    "effect": "NoExecute",
    "tolerationSeconds": 300,
}


def world(**spec: Any) -> World:
    made = World(NodeLifecycle(grace=40))
    made.add(NODES, node("n1"))
    made.add(LEASES, lease(1))
    made.add(PODS, pod("p", "n1", **spec))
    made.settle(run_pods=False)
    return made


def lease(beat: int) -> Json:
    metadata = {"name": "n1", "namespace": "kube-node-lease", "resourceVersion": str(beat)}
    return {"metadata": metadata, "spec": {"renewTime": f"beat {beat}"}}


def later(made: World, seconds: float, *, beat: int = 0) -> None:
    made.now += timedelta(seconds=seconds)
    if beat:
        made.add(LEASES, lease(beat))
    made.settle(run_pods=False)


def taints(made: World) -> list[str]:
    (found,) = made.items(NODES)
    return [
        f"{each['key'].rpartition('/')[2]}:{each['effect']}" for each in found["spec"].get("taints") or ()
    ]


def test_a_node_that_renews_its_lease_stays():
    made = world()
    for beat in range(2, 8):
        later(made, 30, beat=beat)
    assert taints(made) == []


def test_a_silent_node_is_tainted_and_its_pods_get_no_traffic_then_go():
    made = world(tolerations=[PATIENT])
    later(made, 41)
    assert taints(made) == ["unreachable:NoSchedule", "unreachable:NoExecute"]
    ready = condition(made.items(NODES)[0], "Ready")
    assert ready
    assert (ready["status"], ready["reason"]) == ("Unknown", "NodeStatusUnknown")
    found = condition(made.items(PODS)[0], "Ready")
    assert found
    assert found["status"] == "False"
    assert not is_terminating(made.items(PODS)[0])
    later(made, 301)
    assert is_terminating(made.items(PODS)[0])


def test_a_pod_without_toleration_goes_at_once():
    made = world()
    later(made, 41)
    assert is_terminating(made.items(PODS)[0])


def test_a_node_that_returns_loses_its_taints():
    made = world(tolerations=[PATIENT])
    later(made, 41)
    ready = {"type": "Ready", "status": "True", "lastHeartbeatTime": "now"}
    made.change(NODES, "n1", {"status": {"conditions": [ready]}}, namespace="")
    later(made, 1, beat=9)
    assert taints(made) == []
    later(made, 1000, beat=10)
    assert not is_terminating(made.items(PODS)[0])


def test_cordon_becomes_a_taint():
    made = world()
    made.change(NODES, "n1", {"spec": {"unschedulable": True}}, namespace="")
    later(made, 1)
    assert taints(made) == ["unschedulable:NoSchedule"]
    made.change(NODES, "n1", {"spec": {"unschedulable": False}}, namespace="")
    later(made, 1)
    assert taints(made) == []


def test_foreign_taints_stay():
    made = world()
    made.change(NODES, "n1", {"spec": {"taints": [{"key": "mine", "effect": "NoSchedule"}]}}, namespace="")
    later(made, 41)
    assert taints(made)[0] == "mine:NoSchedule"


@pytest.mark.parametrize(
    ("cidrs", "expected"),
    [
        (["10.244.0.0/16"], [["10.244.0.0/24"], ["10.244.1.0/24"], ["10.244.2.0/24"]]),
        (["10.244.0.0/16", "fd00:10:244::/56"], [["10.244.0.0/24", "fd00:10:244::/64"], ["10.244.1.0/24", "fd00:10:244:1::/64"], ["10.244.2.0/24", "fd00:10:244:2::/64"]]),
    ],
)  # fmt: skip
def test_each_node_gets_its_own_range(cidrs, expected):
    made = World(PodRanges(cidrs))
    for name in ("n1", "n2", "n3"):
        made.add(NODES, node(name))
    made.settle(run_pods=False)
    assert [each["spec"]["podCIDRs"] for each in made.items(NODES)] == expected


def test_ranges_can_run_out():
    made = World(PodRanges(["10.244.0.0/24"]))
    made.add(NODES, node("n1", podCIDR="10.244.0.0/24", podCIDRs=["10.244.0.0/24"]))
    made.add(NODES, node("n2"))
    assert PodRanges(["10.244.0.0/24"]).reconcile(made.cache, ObjectKey("", "n2"), made.now).writes
    made.turn()
    assert "podCIDR" not in made.items(NODES)[1]["spec"]
    assert made.notes == ["CIDRNotAvailable: Node n2 status is now: CIDRNotAvailable"]
