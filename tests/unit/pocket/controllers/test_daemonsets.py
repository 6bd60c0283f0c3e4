from __future__ import annotations

from typing import Any

from lab.kube.resources import CONTROLLER_REVISIONS, DAEMON_SETS, NODES, PODS
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


def revisions(made: World) -> dict[int, str]:
    """Return the image of each revision's template by its number."""
    return {
        each["revision"]: each["data"]["spec"]["template"]["spec"]["containers"][0]["image"]
        for each in made.items(CONTROLLER_REVISIONS)
    }


def set_image(made: World, image: str) -> None:
    made.change(DAEMON_SETS, "speaker", {"spec": {"template": template(image)}})
    made.settle()


def test_each_template_is_a_revision_and_an_older_one_comes_back_as_the_newest():
    made = world()
    assert revisions(made) == {1: "nginx"}
    (first,) = made.items(CONTROLLER_REVISIONS)
    assert first["data"]["spec"]["template"]["$patch"] == "replace"
    set_image(made, "nginx:2")
    assert revisions(made) == {1: "nginx", 2: "nginx:2"}
    set_image(made, "nginx")
    assert revisions(made) == {2: "nginx:2", 3: "nginx"}
    (again,) = [each for each in made.items(CONTROLLER_REVISIONS) if each["revision"] == 3]
    assert again["metadata"]["name"] == first["metadata"]["name"]
    fingerprint = again["metadata"]["labels"]["controller-revision-hash"]
    assert {each["metadata"]["labels"]["controller-revision-hash"] for each in made.items(PODS)} == {
        fingerprint
    }


def test_old_revisions_go():
    made = world(revisionHistoryLimit=1)
    for number in range(4):
        set_image(made, f"nginx:{number}")
    assert revisions(made) == {4: "nginx:2", 5: "nginx:3"}


def test_a_surge_starts_the_new_pod_before_the_old_one_goes():
    updating = False

    def all_served_and_one_more(made: World) -> None:
        if updating:
            pods = [each for each in made.items(PODS) if is_active(each)]
            assert {node_of(each) for each in pods if is_ready(each)} == {"n1", "n2", "n3"}
            assert len(pods) <= 4

    surge = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    made = world(all_served_and_one_more, updateStrategy=surge)
    updating = True
    set_image(made, "nginx:2")
    assert places(made) == ["n1", "n2", "n3"]
    images = {each["spec"]["containers"][0]["image"] for each in made.items(PODS) if is_active(each)}
    assert images == {"nginx:2"}
