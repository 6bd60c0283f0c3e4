from __future__ import annotations

from datetime import timedelta

from lab.kube.resources import CONFIG_MAPS, NAMESPACES, NODES, PODS, SERVICE_ACCOUNTS
from lab.pocket.controllers.housekeeping import PodCollector, ServiceAccounts
from tests.unit.pocket.controllers.world import World, names, node, pod


def namespace(name: str, **metadata: str) -> dict[str, object]:
    return {"metadata": {"name": name, "uid": name, "resourceVersion": "1"} | metadata}


def test_a_new_namespace_gets_its_account_and_the_ca():
    made = World(ServiceAccounts("PEM"))
    made.add(NAMESPACES, namespace("web"))
    made.add(NAMESPACES, namespace("going", deletionTimestamp="now"))
    made.settle(run_pods=False)
    assert [each["metadata"]["namespace"] for each in made.items(SERVICE_ACCOUNTS)] == ["web"]
    (config,) = made.items(CONFIG_MAPS)
    assert (config["metadata"]["name"], config["data"]) == ("kube-root-ca.crt", {"ca.crt": "PEM"})


def test_a_changed_ca_is_published():
    made = World(ServiceAccounts("NEW"))
    made.add(NAMESPACES, namespace("web"))
    made.add(
        CONFIG_MAPS, {"metadata": {"name": "kube-root-ca.crt", "namespace": "web"}, "data": {"ca.crt": "OLD"}}
    )
    made.settle(run_pods=False)
    assert made.items(CONFIG_MAPS)[0]["data"] == {"ca.crt": "NEW"}


def test_pods_of_a_node_that_is_gone_go_after_a_while():
    made = World(PodCollector(quarantine=40))
    made.add(NODES, node("n1"))
    for name, where in (("here", "n1"), ("lost", "n2")):
        made.add(PODS, pod(name, where))
    made.turn()
    assert all("deletionTimestamp" not in each["metadata"] for each in made.items(PODS))
    made.now += timedelta(seconds=41)
    made.turn()
    assert names([each for each in made.items(PODS) if "deletionTimestamp" in each["metadata"]]) == ["lost"]


def test_a_pod_that_ended_before_it_had_a_node_goes():
    made = World(PodCollector())
    waiting = pod("waiting")
    waiting["metadata"]["deletionTimestamp"] = "now"
    made.add(PODS, waiting)
    result = PodCollector().reconcile(made.cache, next(iter(made.cache.all(PODS))), made.now)
    assert [getattr(write, "grace_period", None) for write in result.writes] == [0]
