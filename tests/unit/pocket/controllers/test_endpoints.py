from __future__ import annotations

from typing import Any

import pytest

from lab.kube.resources import ENDPOINT_SLICES, ENDPOINTS, NODES, PODS, SERVICES, Json, ObjectKey
from lab.pocket.controllers.endpoints import MAX_PER_SLICE, Endpoints, OlderEndpoints
from tests.unit.pocket.controllers.world import World, labelled, node, pod


def world(**spec: Any) -> World:
    made = World(Endpoints(), OlderEndpoints())
    made.add(NODES, node("n1", labels={"topology.kubernetes.io/zone": "z"}))
    base: Json = {
        "selector": {"app": "web"},
        "ipFamilies": ["IPv4"],
        "ports": [{"port": 80, "targetPort": "http", "protocol": "TCP"}],
    }
    made.add(SERVICES, {"metadata": labelled("web"), "spec": base | spec})
    return made


def backend(
    name: str, *ips: str, port: int = 8080, ready: bool = True, ending: bool = False, **spec: Any
) -> Json:
    container = {"name": "c", "image": "i", "ports": [{"name": "http", "containerPort": port}]}
    made = pod(name, "n1", ready=ready, containers=[container], **spec)
    made["status"] |= {"podIP": ips[0], "podIPs": [{"ip": ip} for ip in ips]} if ips else {}
    if ending:
        made["metadata"]["deletionTimestamp"] = "2026-11-20T12:00:00Z"
    return made


def slices(made: World) -> list[Json]:
    made.settle(run_pods=False)
    return made.items(ENDPOINT_SLICES)


def test_a_ready_pod_becomes_an_endpoint():
    made = world()
    made.add(PODS, backend("a", "10.244.1.2"))
    (found,) = slices(made)
    assert found["metadata"]["labels"] == {
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    }
    assert found["metadata"]["ownerReferences"][0]["kind"] == "Service"
    assert found["ports"] == [{"name": "", "protocol": "TCP", "port": 8080}]
    assert found["endpoints"] == [
        {
            "addresses": ["10.244.1.2"],
            "conditions": {"ready": True, "serving": True, "terminating": False},
            "nodeName": "n1",
            "targetRef": {"kind": "Pod", "name": "a", "namespace": "default", "uid": "uid-a"},
            "zone": "z",
        }
    ]
    (old,) = made.items(ENDPOINTS)
    assert old["subsets"][0]["ports"] == [{"port": 8080, "protocol": "TCP"}]
    assert [each["ip"] for each in old["subsets"][0]["addresses"]] == ["10.244.1.2"]


@pytest.mark.parametrize(
    ("fields", "spec", "expected"),
    [
        ({"ready": False}, {}, (False, False, False)),
        ({"ready": True, "ending": True}, {}, (False, True, True)),
        ({"ready": False, "ending": True}, {}, (False, False, True)),
        ({"ready": False}, {"publishNotReadyAddresses": True}, (True, True, False)),
    ],
)
def test_conditions(fields, spec, expected):
    made = world(**spec)
    made.add(PODS, backend("a", "10.244.1.2", **fields))
    (found,) = slices(made)
    assert tuple(found["endpoints"][0]["conditions"].values()) == expected


@pytest.mark.parametrize(
    "item",
    [
        backend("a"),
        backend("a", "10.244.1.2") | {"status": {"phase": "Succeeded", "podIPs": [{"ip": "10.244.1.2"}]}},
        backend("a", "10.244.1.2") | {"metadata": labelled("a", labels={"app": "other"})},
    ],
    ids=["no address", "finished", "not selected"],
)
def test_what_is_no_endpoint(item):
    made = world()
    made.add(PODS, item)
    (found,) = slices(made)
    assert found["endpoints"] == []


def test_both_families():
    made = world(ipFamilies=["IPv4", "IPv6"])
    made.add(PODS, backend("a", "10.244.1.2", "fd00::2"))
    found = {each["addressType"]: each["endpoints"][0]["addresses"] for each in slices(made)}
    assert found == {"IPv4": ["10.244.1.2"], "IPv6": ["fd00::2"]}


def test_pods_with_other_port_numbers_get_a_slice_of_their_own():
    made = world()
    made.add(PODS, backend("a", "10.244.1.2"))
    made.add(PODS, backend("b", "10.244.1.3", port=9090))
    assert sorted(each["ports"][0]["port"] for each in slices(made)) == [8080, 9090]


def test_large_services_are_cut():
    made = world()
    for index in range(MAX_PER_SLICE + 5):
        made.add(PODS, backend(f"p{index:03}", f"10.244.1.{index + 2}"))
    assert sorted(len(each["endpoints"]) for each in slices(made)) == [5, MAX_PER_SLICE]


def test_what_is_left_of_a_deleted_service_goes():
    made = world()
    made.add(PODS, backend("a", "10.244.1.2"))
    assert slices(made)
    made.cache.remove(SERVICES, ObjectKey("default", "web"), uid="uid-web")
    for controller in (Endpoints(), OlderEndpoints()):
        for write in controller.reconcile(made.cache, ObjectKey("default", "web"), made.now).writes:
            made.perform(write)
    assert made.items(ENDPOINT_SLICES) == made.items(ENDPOINTS) == []


@pytest.mark.parametrize("spec", [{"selector": None}, {"type": "ExternalName"}])
def test_services_without_selector_are_left_alone(spec):
    made = world(**spec)
    made.add(PODS, backend("a", "10.244.1.2"))
    assert slices(made) == []
