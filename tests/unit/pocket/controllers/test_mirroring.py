from __future__ import annotations

from typing import Any

import pytest

from lab.kube.resources import ENDPOINT_SLICES, ENDPOINTS, SERVICES, Json
from lab.pocket.controllers.endpoints import Endpoints
from lab.pocket.controllers.mirroring import Mirroring
from tests.unit.pocket.controllers.world import World, labelled, merged

SUBSET: Json = {
    "addresses": [{"ip": "192.0.2.1", "nodeName": "n1"}, {"ip": "2001:db8::1"}],
    "notReadyAddresses": [{"ip": "192.0.2.2", "hostname": "two"}],
    "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
}


def world(service: Json | None = None, **metadata: Any) -> World:
    made = World(Mirroring(), Endpoints())
    made.add(ENDPOINTS, {"metadata": labelled("web") | metadata, "subsets": [SUBSET]})
    made.add(SERVICES, {"metadata": labelled("web"), "spec": {"ports": [{"port": 80}]} | (service or {})})
    made.settle()
    return made


def test_each_family_has_its_slice():
    made = world(
        labels={"a": "b"},
        annotations={"c": "d", "kubectl.kubernetes.io/last-applied-configuration": "{}"},
    )
    four, six = sorted(made.items(ENDPOINT_SLICES), key=lambda each: each["addressType"])
    assert (four["addressType"], six["addressType"]) == ("IPv4", "IPv6")
    assert four["endpoints"] == [
        {"addresses": ["192.0.2.1"], "conditions": {"ready": True}, "nodeName": "n1"},
        {"addresses": ["192.0.2.2"], "conditions": {"ready": False}, "hostname": "two"},
    ]
    assert four["ports"] == [{"name": "http", "protocol": "TCP", "port": 80}]
    assert four["metadata"]["labels"] == {
        "a": "b",
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io",
    }
    assert four["metadata"]["annotations"] == {"c": "d"}
    assert four["metadata"]["ownerReferences"][0]["kind"] == "Endpoints"


@pytest.mark.parametrize(
    ("service", "metadata"),
    [
        ({"selector": {"app": "web"}}, {}),
        ({}, {"labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}}),
        ({}, {"annotations": {"control-plane.alpha.kubernetes.io/leader": "{}"}}),
    ],
)
def test_what_is_not_mirrored(service: Json, metadata: Json):
    made = world(service, **metadata)
    assert not [
        each
        for each in made.items(ENDPOINT_SLICES)
        if "mirroring" in each["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"]
    ]


def test_a_change_is_followed_in_the_same_slice():
    made = world()
    before = {each["addressType"]: each["metadata"]["name"] for each in made.items(ENDPOINT_SLICES)}
    made.change(ENDPOINTS, "web", {"subsets": [merged(SUBSET, {"addresses": [{"ip": "192.0.2.9"}]})]})
    made.settle()
    (left,) = made.items(ENDPOINT_SLICES)
    assert left["metadata"]["name"] == before["IPv4"]
    assert [each["addresses"] for each in left["endpoints"]] == [["192.0.2.9"], ["192.0.2.2"]]


def test_slices_go_when_the_service_gets_a_selector():
    made = world()
    made.change(SERVICES, "web", {"spec": {"selector": {"app": "web"}}})
    made.settle()
    assert {
        each["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"]
        for each in made.items(ENDPOINT_SLICES)
    } == {"endpointslice-controller.k8s.io"}
