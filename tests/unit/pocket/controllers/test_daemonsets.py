from __future__ import annotations

from typing import Any

from lab.kube.resources import DAEMON_SETS, NODES, PODS
from lab.pocket.controllers.daemonsets import DaemonSets, node_of
from lab.pocket.controllers.objects import is_active, is_ready
from lab.pocket.controllers.scheduler import Scheduler
from tests.unit.pocket.controllers.world import World, node, template, workload

MASTER = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}


def world(check: Any = None, **spec: Any) -> World:
    made = World(DaemonSets(), Scheduler(), check=check)
    made.add(NODES, node("master", taints=[MASTER]))
    for name in ("n1", "n2", "n3"):
        made.add(NODES, node(name))
    made.add(DAEMON_SETS, workload("speaker", **spec))
    made.settle()
    return made


def places(made: World) -> list[str]:
    return sorted(node_of(each) for each in made.items(PODS) if is_active(each))


def test_one_pod_a_node_except_where_a_taint_forbids():
    made = world()
    assert places(made) == ["n1", "n2", "n3"]
    assert all(each["spec"]["nodeName"] == node_of(each) for each in made.items(PODS))
    (found,) = made.items(DAEMON_SETS)
    assert {
        name: found["status"][name]
        for name in ("desiredNumberScheduled", "numberReady", "updatedNumberScheduled")
    } == {
        "desiredNumberScheduled": 3,
        "numberReady": 3,
        "updatedNumberScheduled": 3,
    }
    assert found["status"]["numberMisscheduled"] == 0


def test_pods_say_which_template_they_are_of():
    made = world()
    counted = {"metadata": {"annotations": {"deprecated.daemonset.template.generation": "7"}}}
    assert all("pod-template-generation" not in each["metadata"]["labels"] for each in made.items(PODS))
    made.change(DAEMON_SETS, "speaker", counted)
    made.add(NODES, node("n4"))
    made.settle()
    labels = {node_of(each): each["metadata"]["labels"] for each in made.items(PODS)}
    assert labels["n4"]["pod-template-generation"] == "7"


def test_a_new_node_gets_a_pod_and_a_cordoned_one_too():
    made = world()
    made.add(
        NODES,
        node(
            "n4",
            unschedulable=True,
            taints=[{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}],
        ),
    )
    made.settle()
    assert places(made) == ["n1", "n2", "n3", "n4"]


def test_a_node_that_no_longer_fits_loses_its_pod():
    made = world()
    made.change(NODES, "n1", {"spec": {"taints": [MASTER | {"effect": "NoExecute"}]}}, namespace="")
    made.settle()
    assert places(made) == ["n2", "n3"]


def test_an_update_goes_node_by_node():
    updating = False

    def at_most_one_down(made: World) -> None:
        if updating:
            assert sum(is_ready(each) and is_active(each) for each in made.items(PODS)) >= 2

    made = world(at_most_one_down)
    updating = True
    made.change(DAEMON_SETS, "speaker", {"spec": {"template": template("nginx:2")}})
    made.settle()
    assert {each["spec"]["containers"][0]["image"] for each in made.items(PODS)} == {"nginx:2"}
    assert places(made) == ["n1", "n2", "n3"]


def test_on_delete_waits_for_the_user():
    made = world(updateStrategy={"type": "OnDelete"})
    made.change(DAEMON_SETS, "speaker", {"spec": {"template": template("nginx:2")}})
    made.settle()
    assert {each["spec"]["containers"][0]["image"] for each in made.items(PODS)} == {"nginx"}
