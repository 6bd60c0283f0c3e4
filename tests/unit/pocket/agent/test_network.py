from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import UsageError
from lab.kube.resources import Json
from lab.pocket.agent.dns import resolv_conf
from lab.pocket.agent.main import companions, taint
from lab.pocket.agent.network import internal_ips, node_routes, port_mappings
from lab.pocket.agent.node import Identity, node_object, node_status
from lab.pocket.agent.runtime import signal_name
from tests.unit.pocket.agent.test_status import NOW


def node(*cidrs: str) -> Json:
    addresses = [
        {"type": "InternalIP", "address": "10.0.0.52"},
        {"type": "InternalIP", "address": "fd00::52"},
        {"type": "Hostname", "address": "w2"},
    ]
    return {"spec": {"podCIDRs": list(cidrs)}, "status": {"addresses": addresses}}


@pytest.mark.parametrize(
    ("item", "routes"),
    [
        (node("10.244.1.0/24"), [("10.244.1.0/24", "10.0.0.52")]),
        (
            node("10.244.1.0/24", "fd00:10::/64"),
            [("10.244.1.0/24", "10.0.0.52"), ("fd00:10::/64", "fd00::52")],
        ),
        (node(), []),
        ({"spec": {"podCIDRs": ["10.244.1.0/24"]}}, []),
    ],
    ids=["one", "two families", "no range yet", "no address yet"],
)
def test_routes_to_other_nodes(item, routes):
    assert node_routes(item) == routes


def test_host_ports_become_mappings():
    ports = [
        {"containerPort": 80, "hostPort": 8080},
        {"containerPort": 53, "hostPort": 53, "protocol": "UDP", "hostIP": "10.0.0.51"},
        {"containerPort": 90},
    ]
    assert port_mappings({"spec": {"containers": [{"ports": ports}]}}) == [
        {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"},
        {"hostPort": 53, "containerPort": 53, "protocol": "udp", "hostIP": "10.0.0.51"},
    ]


CLUSTER = (
    "nameserver 10.96.0.10\nsearch shop.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n"
)
HOST = "nameserver 9.9.9.9\nsearch lab\n"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, CLUSTER),
        ({"hostNetwork": True}, HOST),
        ({"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}, CLUSTER),
        ({"dnsPolicy": "Default"}, HOST),
        ({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["1.1.1.1"], "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}]}}, "nameserver 1.1.1.1\noptions ndots:2 edns0\n"),
        ({"dnsConfig": {"searches": ["lab"]}}, CLUSTER.replace("cluster.local\nopt", "cluster.local lab\nopt")),
    ],
)  # fmt: skip
def test_resolvers(tmp_path, spec, expected):
    (tmp_path / "resolv.conf").write_text("# a comment\n" + HOST)
    pod = {"metadata": {"namespace": "shop"}, "spec": spec}
    assert (
        resolv_conf(pod, server="10.96.0.10", domain="cluster.local", host=tmp_path / "resolv.conf")
        == expected
    )


def test_a_node_without_resolver(tmp_path):
    assert (
        resolv_conf(
            {"metadata": {"namespace": "a"}, "spec": {"dnsPolicy": "Default"}},
            server="",
            domain="x",
            host=Path(tmp_path / "none"),
        )
        == "\n"
    )


@pytest.mark.parametrize(
    ("text", "expected"), [("", ""), ("SIGQUIT", "SIGQUIT"), ("QUIT", "SIGQUIT"), ("3", "SIGQUIT")]
)
def test_signals(text, expected):
    assert signal_name(text) == expected


IDENTITY = Identity(
    name="w1",
    addresses=("10.0.0.51",),
    port=10250,
    labels={"zone": "a"},
    taints=(taint("role=x:NoSchedule"),),
)


def test_the_node_that_is_registered():
    item = node_object(IDENTITY)
    assert (
        item["metadata"]["labels"].items()
        >= {"kubernetes.io/hostname": "w1", "kubernetes.io/os": "linux", "zone": "a"}.items()
    )
    assert item["spec"]["taints"] == [{"key": "role", "effect": "NoSchedule", "value": "x"}]
    assert internal_ips(item) == ["10.0.0.51"]


@pytest.mark.parametrize(
    ("problem", "ready"), [("", ("True", "KubeletReady")), ("no pod range", ("False", "KubeletNotReady"))]
)
def test_the_status_of_a_node(problem, ready):
    status = node_status(IDENTITY, {"capacity": {}}, {}, problem=problem, now=NOW)
    found = next(each for each in status["conditions"] if each["type"] == "Ready")
    assert (found["status"], found["reason"]) == ready
    assert status["addresses"] == [
        {"type": "InternalIP", "address": "10.0.0.51"},
        {"type": "Hostname", "address": "w1"},
    ]
    assert status["daemonEndpoints"] == {"kubeletEndpoint": {"Port": 10250}}


@pytest.mark.parametrize("text", ["x", "x:Never", ":NoSchedule"])
def test_taints_that_are_none(text):
    with pytest.raises(UsageError, match="is not a taint"):
        taint(text)


SHOWN: list[Json] = [
    {"ifname": "lo", "addr_info": [{"local": "10.22.0.0"}]},
    {"ifname": "enp0s8", "addr_info": [{"local": "10.0.0.51"}, {"local": "fd00::51"}, {"local": "fd00::52"}]},
    {"ifname": "enp0s9"},
]


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        (["10.0.0.51"], ["fd00::51", "fd00::52"]),
        (["fd00::52", "10.0.0.51"], ["fd00::51"]),
        (["192.0.2.1"], []),
    ],
)
def test_addresses_on_the_same_interface(addresses, expected):
    assert companions(addresses, SHOWN) == expected
