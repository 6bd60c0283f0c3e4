from __future__ import annotations

import pytest

from lab.kube.resources import Json
from lab.pocket.proxy.model import Endpoint, Family, ServicePort
from lab.pocket.proxy.parse import endpoints_of, service_ports
from tests.unit.pocket.proxy.objects import endpoint, endpoint_slice, service

V4, V6 = Family.IPV4, Family.IPV6


def one(item: Json, family: Family = V4) -> ServicePort:
    (port,) = service_ports(item, family)
    return port


@pytest.mark.parametrize(
    "item",
    [
        service(type="ExternalName"),
        service(clusterIPs=["None"]),
        service(clusterIPs=[]),
        service()
        | {
            "metadata": {
                "namespace": "a",
                "name": "b",
                "labels": {"service.kubernetes.io/service-proxy-name": "other"},
            }
        },
    ],
    ids=["external name", "headless", "no address yet", "another proxy's"],
)
def test_services_that_are_not_ours(item):
    assert service_ports(item, V4) == ()


def test_each_family_sees_its_own_addresses():
    item = service(
        type="LoadBalancer",
        clusterIPs=["10.96.0.9", "fd00::9"],
        externalIPs=["10.22.0.0", "2001:db8::1"],
        loadBalancerSourceRanges=["10.0.0.0/8", " 2001:db8::/32"],
        lb=["172.16.254.1", "2001:db8::2"],
    )
    four, six = one(item), one(item, V6)
    assert (four.cluster_ip, four.external_ips, four.load_balancer_ips, four.source_ranges) == (
        "10.96.0.9", ("10.22.0.0",), ("172.16.254.1",), ("10.0.0.0/8",),
    )  # fmt: skip
    assert (six.cluster_ip, six.external_ips, six.load_balancer_ips, six.source_ranges) == (
        "fd00::9", ("2001:db8::1",), ("2001:db8::2",), ("2001:db8::/32",),
    )  # fmt: skip


def test_addresses_of_mode_proxy_are_left_to_the_load_balancer():
    item = service(type="LoadBalancer")
    item["status"]["loadBalancer"]["ingress"] = [{"ip": "172.16.254.1", "ipMode": "Proxy"}, {"hostname": "x"}]
    assert one(item).load_balancer_ips == ()


@pytest.mark.parametrize(
    ("spec", "seconds"),
    [
        ({}, 0),
        ({"sessionAffinity": "ClientIP"}, 10800),
        ({"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 60}}}, 60),
    ],
)
def test_affinity(spec, seconds):
    assert one(service(**spec)).affinity_seconds == seconds


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, (True, True, False)),
        ({"ready": False}, (False, False, False)),
        ({"ready": False, "serving": True, "terminating": True}, (False, True, True)),
    ],
)
def test_conditions(conditions, expected):
    (found,) = endpoints_of([endpoint_slice(endpoint("10.244.1.2", **conditions))], V4, "worker1")["", "tcp"]
    assert (found.ready, found.serving, found.terminating) == expected


def test_endpoints_are_sorted_and_unique_and_know_their_node():
    slices = [
        endpoint_slice(endpoint("10.244.2.2", "worker2"), endpoint("10.244.1.2", ready=False)),
        endpoint_slice(endpoint("10.244.1.2"), endpoint("10.244.2.2", "worker2", ready=False)),
        endpoint_slice(endpoint("fd00::2")),
    ]
    assert endpoints_of(slices, V4, "worker1") == {
        ("", "tcp"): (Endpoint("10.244.1.2", 80, local=True), Endpoint("10.244.2.2", 80))
    }
