from __future__ import annotations

import pytest

from lab.kube.resources import DEPLOYMENTS, PODS, REPLICA_SETS, Json, Resource
from lab.pocket.controllers.garbage import Graph, Member, Verdict, judge
from tests.unit.pocket.controllers.world import labelled


def member(resource: Resource, name: str, *owners: str, ending: str = "", blocks: bool = True) -> Member:
    references = [
        {"uid": f"uid-{each}", "apiVersion": "v1", "kind": "X", "name": each, "blockOwnerDeletion": blocks}
        for each in owners
    ]
    metadata: Json = labelled(name, ownerReferences=references)
    if ending:
        metadata |= {"deletionTimestamp": "now", "finalizers": [ending]}
    return Member.of(resource, {"metadata": metadata})


@pytest.mark.parametrize(
    ("owners", "present", "gone", "verdict"),
    [
        ([], [], [], Verdict.KEEP),
        (["a"], ["a"], [], Verdict.KEEP),
        (["a"], [], [], Verdict.KEEP),
        (["a"], [], ["a"], Verdict.DELETE),
        (["a", "b"], ["b"], ["a"], Verdict.FORGET_OWNERS),
        (["a", "b"], [], ["a", "b"], Verdict.DELETE),
    ],
    ids=["no owner", "owner lives", "not seen yet", "owner gone", "one of two gone", "both gone"],
)
def test_verdicts(owners, present, gone, verdict):
    graph = Graph()
    for name in present:
        graph.put(member(REPLICA_SETS, name))
    pod = member(PODS, "p", *owners)
    graph.put(pod)
    assert judge(graph, pod, frozenset(f"uid-{name}" for name in gone)) is verdict


def test_foreground_deletion_goes_down_and_waits():
    graph = Graph()
    top = member(DEPLOYMENTS, "d", ending="foregroundDeletion")
    middle = member(REPLICA_SETS, "r", "d")
    for each in (top, middle):
        graph.put(each)
    assert judge(graph, middle, frozenset()) is Verdict.DELETE_FOREGROUND
    assert graph.blockers(top) == [middle]
    graph.remove(middle.uid)
    assert graph.blockers(top) == []


def test_a_dependent_that_does_not_block_holds_nothing_up():
    graph = Graph()
    top = member(DEPLOYMENTS, "d", ending="foregroundDeletion")
    graph.put(top)
    graph.put(member(PODS, "p", "d", blocks=False))
    assert graph.blockers(top) == []
    assert len(graph.dependents(top.uid)) == 1


def test_what_is_being_deleted_is_left_alone():
    pod = member(PODS, "p", "a", ending="wait")
    graph = Graph()
    graph.put(pod)
    assert judge(graph, pod, frozenset({"uid-a"})) is Verdict.KEEP
