"""Where the scheduler puts pods and what it says when it cannot."""

from __future__ import annotations

from typing import Any

import pytest

from lab.kube.resources import NODES, PODS, Json
from lab.pocket.controllers.objects import condition
from lab.pocket.controllers.placement import Seat, obstacle
from lab.pocket.controllers.scheduler import Scheduler
from tests.unit.pocket.controllers.world import World, node, pod

MASTER = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
ANYWHERE = {"operator": "Exists"}
LABELS = {"zone": "a"}


def affinity(**term: Any) -> Json:
    required = {"nodeSelectorTerms": [term]}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}}


def company(kind: str) -> Json:
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "web"}}}
    return {"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}


def expression(key: str, operator: str, *values: str) -> Json:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("spec", "where", "expected"),
    [
        ({}, node("n", taints=[MASTER]), "had untolerated taint {node-role.kubernetes.io/control-plane: }"),
        ({"tolerations": [ANYWHERE]}, node("n", taints=[MASTER]), ""),
        ({"tolerations": [{"key": MASTER["key"], "operator": "Exists"}]}, node("n", taints=[MASTER]), ""),
        ({"tolerations": [{"key": MASTER["key"], "value": "x"}]}, node("n", taints=[MASTER]), "untolerated"),
        ({}, node("n", taints=[MASTER | {"effect": "PreferNoSchedule"}]), ""),
        ({}, node("n", unschedulable=True), "node(s) were unschedulable"),
        ({"nodeSelector": LABELS}, node("n", labels=LABELS), ""),
        ({"nodeSelector": LABELS}, node("n"), "didn't match Pod's node affinity/selector"),
        (affinity(**expression("zone", "In", "a", "b")), node("n", labels=LABELS), ""),
        (affinity(**expression("zone", "NotIn", "a")), node("n", labels=LABELS), "affinity/selector"),
        (affinity(**expression("zone", "Exists")), node("n", labels=LABELS), ""),
        (affinity(**expression("zone", "DoesNotExist")), node("n", labels=LABELS), "affinity/selector"),
        (affinity(**expression("cores", "Gt", "3")), node("n", labels={"cores": "4"}), ""),
        (affinity(**expression("cores", "Lt", "3")), node("n", labels={"cores": "4"}), "affinity/selector"),
        (affinity(matchFields=[{"key": "metadata.name", "operator": "In", "values": ["n"]}]), node("n"), ""),
        (affinity(), node("n"), "affinity/selector"),
    ],
)  # fmt: skip
def test_one_node(spec, where, expected):
    found = obstacle(pod("p", **spec), Seat(where, []), [Seat(where, [])])
    assert expected in found if expected else not found


def container(**fields: Any) -> Json:
    return {"containers": [{"name": "c", "image": "i"} | fields]}


@pytest.mark.parametrize(
    ("spec", "others", "expected"),
    [
        (container(ports=[{"containerPort": 80, "hostPort": 80}]), container(ports=[{"containerPort": 80, "hostPort": 80}]), "free ports"),
        (container(ports=[{"containerPort": 80}]), container(ports=[{"containerPort": 80}]), ""),
        (container(ports=[{"containerPort": 80, "hostPort": 80, "protocol": "UDP"}]), container(ports=[{"containerPort": 80, "hostPort": 80}]), ""),
        (container(resources={"requests": {"cpu": "1500m"}}), container(resources={"requests": {"cpu": "600m"}}), "Insufficient cpu"),
        (container(resources={"requests": {"cpu": "1"}}), container(resources={"requests": {"cpu": "1"}}), ""),
        (company("podAntiAffinity"), {}, "anti-affinity"),
        (company("podAffinity"), {}, ""),
        ({}, company("podAntiAffinity"), "existing pods anti-affinity"),
    ],
)  # fmt: skip
def test_with_another_pod_on_the_node(spec, others, expected):
    seat = Seat(node("n"), [pod("other", "n", **others)])
    found = obstacle(pod("p", **spec), seat, [seat])
    assert expected in found if expected else not found


def scheduled(*nodes: Json, pods: int, **spec: Any) -> World:
    made = World(Scheduler())
    for each in nodes:
        made.add(NODES, each)
    for index in range(pods):
        body = pod(f"p{index}", **spec)
        body["metadata"]["ownerReferences"] = [
            {"kind": "ReplicaSet", "name": "rs", "uid": "rs", "controller": True}
        ]
        made.add(PODS, body)
    made.turn()
    return made


def test_siblings_spread():
    made = scheduled(node("n1"), node("n2"), node("n3"), pods=6)
    placed = [each["spec"]["nodeName"] for each in made.items(PODS)]
    assert sorted(placed) == ["n1", "n1", "n2", "n2", "n3", "n3"]
    assert made.notes[0] == "Scheduled: Successfully assigned default/p0 to n1"


def test_hard_topology_spread_leaves_the_surplus_pending():
    rule = {
        "maxSkew": 1,
        "topologyKey": "zone",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "web"}},
    }
    full = node("n2", labels={"zone": "b"})
    full["status"]["allocatable"]["pods"] = "1"
    made = scheduled(node("n1", labels=LABELS), full, pods=4, topologySpreadConstraints=[rule])
    placed = [each["spec"].get("nodeName") for each in made.items(PODS)]
    assert sorted(filter(None, placed)) == ["n1", "n1", "n2"]


def test_preferred_affinity_wins_over_spreading():
    term = {"weight": 10, "preference": expression("zone", "In", "a")}
    wish = {"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [term]}}}
    made = scheduled(node("n1"), node("n2", labels=LABELS), pods=2, **wish)
    assert [each["spec"]["nodeName"] for each in made.items(PODS)] == ["n2", "n2"]


def test_nowhere_to_go_is_explained_once():
    made = scheduled(node("n1", taints=[MASTER]), node("n2", unschedulable=True), pods=1)
    made.turn()
    (waiting,) = made.items(PODS)
    found = condition(waiting, "PodScheduled")
    assert found
    assert found["message"] == (
        "0/2 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, "
        "1 node(s) were unschedulable."
    )
    assert len(made.notes) == 1
