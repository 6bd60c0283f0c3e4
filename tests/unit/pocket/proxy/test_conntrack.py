from __future__ import annotations

import pytest

from lab.pocket.proxy.conntrack import stale_flows
from lab.pocket.proxy.model import Endpoint, PortName, ServicePort

DNS = ServicePort(
    name=PortName("kube-system", "kube-dns", "dns"),
    protocol="udp",
    cluster_ip="10.96.0.10",
    port=53,
    node_port=30053,
)
TCP = ServicePort(
    name=PortName("kube-system", "kube-dns", "tcp"), protocol="tcp", cluster_ip="10.96.0.10", port=53
)
A, B = Endpoint("10.244.1.2", 53), Endpoint("10.244.2.2", 53)
LOST_A = [
    ("--orig-dst", "10.96.0.10", "--dst-nat", "10.244.1.2"),
    ("--dport", "30053", "--dst-nat", "10.244.1.2"),
]
BEGAN = [("--orig-dst", "10.96.0.10"), ("--dport", "30053")]


@pytest.mark.parametrize(
    ("before", "after", "flows"),
    [
        ({1: (DNS, (A, B))}, {1: (DNS, (A, B))}, []),
        ({1: (DNS, (A, B))}, {1: (DNS, (B,))}, LOST_A),
        ({1: (DNS, (A,))}, {}, LOST_A),
        ({1: (DNS, ())}, {1: (DNS, (A,))}, BEGAN),
        ({}, {1: (DNS, (A,))}, BEGAN),
        ({1: (DNS, (B,))}, {1: (DNS, (A, B))}, []),
        ({1: (TCP, (A,))}, {1: (TCP, ())}, []),
    ],
    ids=["same", "endpoint lost", "service deleted", "first endpoint", "new service", "one more", "tcp"],
)
def test_flows_to_forget(before, after, flows):
    assert stale_flows(before, after) == flows
