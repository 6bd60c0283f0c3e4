"""Deployments and ReplicaSets together, in a world where pods take their time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.kube.resources import DEPLOYMENTS, PODS, REPLICA_SETS, Json, ObjectKey
from lab.pocket.controllers.deployments import Deployments, revision_of, template_hash
from lab.pocket.controllers.objects import condition, is_active, is_ready, labels_of
from lab.pocket.controllers.replicasets import ReplicaSets, wanted
from lab.pocket.controllers.rollout import fenceposts
from tests.unit.pocket.controllers.world import World, labelled, merged, names, pod, template, workload


def world(check: Any = None, **spec: Any) -> World:
    made = World(Deployments(), ReplicaSets(), check=check)
    made.add(DEPLOYMENTS, workload(**spec))
    return made


def deployment(made: World) -> Json:
    (found,) = made.items(DEPLOYMENTS)
    return found


def status(made: World) -> Json:
    found: Json = deployment(made)["status"]
    return found


def images(made: World) -> list[str]:
    return [each["spec"]["containers"][0]["image"] for each in made.items(PODS) if is_active(each)]


def image_of(replica_set: Json) -> str:
    image: str = replica_set["spec"]["template"]["spec"]["containers"][0]["image"]
    return image


def roll_to(made: World, image: str) -> None:
    made.change(DEPLOYMENTS, "web", {"metadata": {"generation": 2}, "spec": {"template": template(image)}})


def test_a_new_deployment_gets_its_pods_and_says_so():
    made = world(replicas=3)
    made.settle()
    (replica_set,) = made.items(REPLICA_SETS)
    assert images(made) == ["nginx"] * 3
    assert all(
        labels_of(each)["pod-template-hash"] in replica_set["metadata"]["name"] for each in made.items(PODS)
    )
    assert {
        name: status(made)[name]
        for name in ("replicas", "readyReplicas", "updatedReplicas", "availableReplicas")
    } == dict.fromkeys(("replicas", "readyReplicas", "updatedReplicas", "availableReplicas"), 3)
    assert "unavailableReplicas" not in status(made)
    reasons = {each["type"]: (each["status"], each["reason"]) for each in status(made)["conditions"]}
    assert reasons == {
        "Available": ("True", "MinimumReplicasAvailable"),
        "Progressing": ("True", "NewReplicaSetAvailable"),
    }
    name = replica_set["metadata"]["name"]
    assert made.notes[0] == f"ScalingReplicaSet: Scaled up replica set {name} from 0 to 3"


def test_a_rollout_moves_everything_and_keeps_the_old_revision():
    made = world(replicas=4)
    made.settle()
    roll_to(made, "nginx:2")
    made.settle()
    assert images(made) == ["nginx:2"] * 4
    revisions = {revision_of(each): wanted(each) for each in made.items(REPLICA_SETS)}
    assert revisions == {1: 0, 2: 4}
    assert revision_of(deployment(made)) == 2


def test_undo_revives_the_old_replica_set_as_the_newest_revision():
    made = world(replicas=2)
    made.settle()
    roll_to(made, "nginx:2")
    made.settle()
    roll_to(made, "nginx")
    made.settle()
    assert images(made) == ["nginx"] * 2
    annotations = {revision_of(each): each["metadata"]["annotations"] for each in made.items(REPLICA_SETS)}
    assert set(annotations) == {2, 3}
    assert annotations[3]["deployment.kubernetes.io/revision-history"] == "1"
    assert revision_of(deployment(made)) == 3


def test_a_broken_image_does_not_take_the_service_down():
    made = world(replicas=4)
    made.settle()
    roll_to(made, "broken")
    made.settle()
    assert sum(is_ready(each) for each in made.items(PODS)) == 3
    assert status(made)["unavailableReplicas"] >= 1
    progressing = condition(deployment(made), "Progressing")
    assert progressing
    assert progressing["reason"] == "ReplicaSetUpdated"


def test_a_stuck_rollout_is_reported_after_the_deadline():
    made = world(replicas=1, image="broken", progressDeadlineSeconds=60)
    made.settle()
    result = Deployments().reconcile(made.cache, next(iter(made.cache.all(DEPLOYMENTS))), made.now)
    assert result.again
    assert 55 < result.again < 65
    made.now += made.now.resolution * int(90e6)
    made.settle()
    progressing = condition(deployment(made), "Progressing")
    assert progressing
    assert (progressing["status"], progressing["reason"]) == ("False", "ProgressDeadlineExceeded")


def test_recreate_ends_everything_first():
    def never_both(made: World) -> None:
        assert len(set(images(made))) <= 1

    made = world(never_both, replicas=3, strategy={"type": "Recreate"})
    made.settle()
    roll_to(made, "nginx:2")
    made.settle()
    assert images(made) == ["nginx:2"] * 3


def test_a_paused_deployment_waits():
    made = world(replicas=2)
    made.settle()
    made.change(DEPLOYMENTS, "web", {"spec": {"paused": True}})
    roll_to(made, "nginx:2")
    made.settle()
    assert images(made) == ["nginx"] * 2


def test_a_paused_deployment_can_be_scaled():
    made = world(replicas=2)
    made.settle()
    made.change(DEPLOYMENTS, "web", {"spec": {"paused": True, "replicas": 5}})
    made.settle()
    assert images(made) == ["nginx"] * 5


@pytest.mark.parametrize(
    ("replicas", "old", "new"),
    [
        pytest.param(15, 11, 7, id="the example of Kubernetes' documentation"),
        pytest.param(10, 8, 5, id="unchanged"),
        pytest.param(4, 4, 3, id="fewer"),
        pytest.param(0, 0, 0, id="none"),
    ],
)
def test_revisions_share_a_new_number_of_replicas(replicas, old, new):
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}}
    made = world(replicas=10, strategy=strategy)
    made.settle()
    roll_to(made, "broken")
    made.settle()
    assert sorted(images(made)) == ["broken"] * 5 + ["nginx"] * 8
    made.change(DEPLOYMENTS, "web", {"spec": {"replicas": replicas}})
    made.turn()
    assert {image_of(each): wanted(each) for each in made.items(REPLICA_SETS)} == {
        "nginx": old,
        "broken": new,
    }


@pytest.mark.parametrize(("replicas", "expected"), [(5, 5), (1, 1), (0, 0)])
def test_scaling(replicas, expected):
    made = world(replicas=3)
    made.settle()
    made.change(DEPLOYMENTS, "web", {"spec": {"replicas": replicas}})
    made.settle()
    assert len(images(made)) == expected
    assert status(made).get("availableReplicas", 0) == expected
    assert status(made)["replicas"] == expected


def test_history_is_limited():
    made = world(replicas=1, revisionHistoryLimit=1)
    for image in ("a", "b", "c", "d"):
        roll_to(made, image)
        made.settle()
    assert sorted(revision_of(each) for each in made.items(REPLICA_SETS)) == [3, 4]


@given(
    replicas=st.integers(1, 6),
    surge=st.sampled_from([0, 1, 2, "25%", "100%"]),
    unavailable=st.sampled_from([0, 1, 2, "50%"]),
    last=st.sampled_from(["nginx", "nginx:3"]),
)
@settings(max_examples=60, deadline=None)
def test_a_rolling_update_stays_between_its_fences(replicas, surge, unavailable, last):
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}
    rolling = False

    def fenced(made: World) -> None:
        above, below = fenceposts(deployment(made))
        active = [each for each in made.items(PODS) if is_active(each)]
        assert len(active) <= replicas + above
        if rolling:
            assert sum(map(is_ready, active)) >= replicas - below

    made = world(fenced, replicas=replicas, strategy=strategy)
    made.settle()
    rolling = True
    roll_to(made, "nginx:2")
    made.turn()
    made.run_pods()
    roll_to(made, last)  # another change in the middle
    made.settle()
    assert images(made) == [last] * replicas


def test_orphans_are_adopted_and_strangers_released():
    made = World(ReplicaSets())
    made.add(REPLICA_SETS, workload(replicas=1))
    made.add(PODS, pod("orphan", "n1"))
    made.settle()
    assert names(made.items(PODS)) == ["orphan"]
    assert made.items(PODS)[0]["metadata"]["ownerReferences"][0]["uid"] == "uid-web"
    made.change(PODS, "orphan", {"metadata": {"labels": {"app": "other"}}})
    made.settle()
    assert len(made.items(PODS)) == 2
    assert "ownerReferences" not in made.cache.all(PODS)[ObjectKey("default", "orphan")]["metadata"]


def test_the_least_useful_pods_go_first():
    made = World(ReplicaSets())
    owner = made.add(REPLICA_SETS, workload(replicas=1))
    for name, where, ready in (
        ("idle", "", False),
        ("unready", "n1", False),
        ("good", "n1", True),
        ("spare", "n1", True),
    ):
        made.add(PODS, pod(name, where, ready=ready))
    made.change(
        PODS, "spare", {"metadata": {"annotations": {"controller.kubernetes.io/pod-deletion-cost": "-5"}}}
    )
    made.turn()
    assert [
        name
        for name in names(made.items(PODS))
        if is_active(made.cache.all(PODS)[ObjectKey("default", name)])
    ] == ["good"]
    assert owner["metadata"]["name"] == "web"


def test_min_ready_seconds_delays_availability():
    made = world(replicas=1, minReadySeconds=30)
    made.settle()
    assert "availableReplicas" not in status(made)
    key = next(iter(made.cache.all(REPLICA_SETS)))
    again = ReplicaSets().reconcile(made.cache, key, made.now).again
    assert again
    assert 25 < again <= 30
    made.now += made.now.resolution * int(31e6)
    made.settle()
    assert status(made)["availableReplicas"] == 1


def test_template_hashes_differ_and_are_readable():
    one, two = template_hash(template("a")), template_hash(template("b"))
    assert one != two
    assert set(one) <= set("bcdfghjklmnpqrstvwxz2456789")
    assert template_hash(merged(template("a"), {})) == one


def test_a_stale_event_does_not_undo_our_own_write():
    made = World()
    made.add(REPLICA_SETS, {"metadata": labelled("rs", resourceVersion="9"), "spec": {"replicas": 2}})
    assert not made.cache.put(
        REPLICA_SETS, {"metadata": labelled("rs", resourceVersion="8"), "spec": {"replicas": 1}}
    )
    (found,) = made.items(REPLICA_SETS)
    assert found["spec"]["replicas"] == 2
