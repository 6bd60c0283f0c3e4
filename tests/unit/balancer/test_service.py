from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from lab.balancer.model import Family
from lab.balancer.reasons import NOT_ANNOUNCED_WORDS, POOL_WORDS, NotAnnounced, PoolReason
from lab.balancer.service import Port, decode_endpoint_slice, decode_node, decode_service
from lab.kube.resources import ObjectKey

FULL: dict[str, Any] = {
    "metadata": {
        "name": "web",
        "namespace": "shop",
        "uid": "u",
        "labels": {"team": "red"},
        "annotations": {"metallb.io/allow-shared-ip": "k", "other.io/x": "y"},
    },
    "spec": {
        "type": "LoadBalancer",
        "loadBalancerClass": "c",
        "selector": {"b": "2", "a": "1"},
        "clusterIP": "10.96.0.9",
        "clusterIPs": ["fd00::9", "10.96.0.9"],
        "ipFamilyPolicy": "PreferDualStack",
        "externalTrafficPolicy": "Local",
        "ports": [{"port": 80}, {"port": 53, "protocol": "UDP"}],
        "loadBalancerIP": "1.2.3.4",
    },
    "status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}, {"hostname": "a.example.com"}]}},
}


def test_a_full_service() -> None:
    service = decode_service(FULL)
    assert service.key == ObjectKey("shop", "web")
    assert service.families == (Family.IPV6, Family.IPV4)
    assert service.ports == {Port("TCP", 80), Port("UDP", 53)}
    assert service.annotations == {"metallb.io/allow-shared-ip": "k"}
    assert (service.sharing_key, service.backend_key) == ("k", "a=1,b=2")
    assert service.ingress == ("1.2.3.4", "a.example.com")
    assert service.addresses == (ip_address("1.2.3.4"),)


def test_the_smallest_service() -> None:
    service = decode_service({"metadata": {"name": "web"}})
    assert (service.type, service.cluster_ips, service.backend_key) == ("ClusterIP", (), "")


def test_a_headless_service_has_no_cluster_ips() -> None:
    spec = {"clusterIP": "None", "clusterIPs": ["None"]}
    assert decode_service({"metadata": {"name": "web"}, "spec": spec}).cluster_ips == ()


@pytest.mark.parametrize(
    ("annotations", "value"),
    [
        ({}, ""),
        ({"metallb.universe.tf/address-pool": "old"}, "old"),
        ({"metallb.io/address-pool": "new"}, "new"),
        ({"metallb.universe.tf/address-pool": "old", "metallb.io/address-pool": "new"}, "new"),
    ],
)
def test_the_new_prefix_of_an_annotation_wins(annotations: dict[str, str], value: str) -> None:
    service = decode_service({"metadata": {"name": "web", "annotations": annotations}})
    assert service.annotation("address-pool") == value


@pytest.mark.parametrize(
    ("conditions", "healthy"),
    [
        (None, True),
        ({}, True),
        ({"ready": True}, True),
        ({"ready": True, "serving": False}, True),
        ({"ready": False, "serving": True, "terminating": True}, True),
        ({"ready": False}, False),
        ({"ready": False, "serving": False}, False),
        ({"serving": False}, True),
    ],
)
def test_an_endpoint_is_healthy_when_ready_or_still_serving(
    conditions: dict[str, bool] | None, *, healthy: bool
) -> None:
    item = {
        "metadata": {"name": "web-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
        "endpoints": [{"addresses": ["10.0.0.1"], "nodeName": "n", "conditions": conditions}],
    }
    slice_ = decode_endpoint_slice(item)
    assert slice_.service == ObjectKey("shop", "web")
    assert [(e.address, e.node, e.healthy) for e in slice_.endpoints] == [("10.0.0.1", "n", healthy)]


@pytest.mark.parametrize(
    ("labels", "conditions", "excluded", "unavailable"),
    [
        ({}, [], False, False),
        ({"node.kubernetes.io/exclude-from-external-load-balancers": ""}, [], True, False),
        ({}, [{"type": "NetworkUnavailable", "status": "True"}], False, True),
        (
            {},
            [{"type": "NetworkUnavailable", "status": "False"}, {"type": "Ready", "status": "True"}],
            False,
            False,
        ),
    ],
)
def test_nodes(labels: dict[str, str], conditions: list[Any], *, excluded: bool, unavailable: bool) -> None:
    node = decode_node({"metadata": {"name": "n", "labels": labels}, "status": {"conditions": conditions}})
    assert (node.excluded, node.network_unavailable) == (excluded, unavailable)


def test_every_reason_has_its_words() -> None:
    assert set(POOL_WORDS) == set(PoolReason)
    assert set(NOT_ANNOUNCED_WORDS) == set(NotAnnounced)
