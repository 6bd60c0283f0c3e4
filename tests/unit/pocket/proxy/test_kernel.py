"""The rules in a real kernel, with packets: a client, a node and two pods, each a network namespace."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from lab.kits.shell import CommandError, run
from lab.kube.resources import Json, ObjectKey
from lab.pocket.proxy.chains import Node
from lab.pocket.proxy.model import Family
from lab.pocket.proxy.plan import Plan
from lab.pocket.proxy.restore import read_saved, remove, rewrite
from tests.unit.pocket.proxy.objects import endpoint, endpoint_slice, service

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(
        os.geteuid() != 0 or not shutil.which("iptables-restore"), reason="needs root and iptables"
    ),
]

NODE_IP, CLIENT_IP, PODS = "10.0.0.51", "10.0.0.9", ("10.244.1.2", "10.244.1.3")
CLUSTER_IP, LB_IP = "10.96.0.80", "172.16.254.1"
PREFIX = f"nodes-{os.getpid()}-"

SERVER = """
import socket, sys
server = socket.create_server((sys.argv[1], 80))
print("ready", flush=True)
while True:
    peer, address = server.accept()
    peer.sendall(f"{sys.argv[1]} {address[0]}".encode())
    peer.close()
"""
CLIENT = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=0.5) as peer:
    print(peer.recv(100).decode())
"""


def ns(name: str) -> list[str]:
    return ["ip", "netns", "exec", PREFIX + name]


@pytest.fixture(scope="module")
def wires() -> Iterator[None]:
    links = [("client", CLIENT_IP, NODE_IP), ("pod0", PODS[0], "10.244.1.1"), ("pod1", PODS[1], "10.244.1.1")]
    batch = [f"netns add {PREFIX}{name}" for name in ("node", *(name for name, _, _ in links))]
    batch += [
        f"link add {name} netns {PREFIX}node type veth peer name eth0 netns {PREFIX}{name}"
        for name, _, _ in links
    ]
    try:
        run(["ip", "-b", "-"], stdin="\n".join(batch))
        for name, own, gateway in links:
            near = [f"addr add {own}/32 dev eth0", "link set eth0 up", "link set lo up"]
            near += [f"route add {gateway} dev eth0", f"route add default via {gateway}"]
            run(["ip", "-n", PREFIX + name, "-b", "-"], stdin="\n".join(near))
            far = [f"addr add {gateway}/32 dev {name}", f"link set {name} up", f"route add {own} dev {name}"]
            run(["ip", "-n", PREFIX + "node", "-b", "-"], stdin="\n".join(far))
        run(["ip", "-n", PREFIX + "node", "link", "set", "lo", "up"])
        # Packets to a Service's address must be routed somewhere before a rule can catch them.
        uplink = [
            "link add uplink type bridge",
            "link set uplink up",
            f"route add default dev uplink src {NODE_IP}",
        ]
        run(["ip", "-n", PREFIX + "node", "-b", "-"], stdin="\n".join(uplink))
        run([*ns("node"), "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.route_localnet=1"])
        yield
    finally:
        for name in ("client", "pod0", "pod1", "node"):
            subprocess.run(["ip", "netns", "del", PREFIX + name], check=False)


@pytest.fixture(scope="module", autouse=True)
def servers(wires: None) -> Iterator[None]:
    started = [
        subprocess.Popen([*ns(f"pod{n}"), sys.executable, "-c", SERVER, ip], stdout=subprocess.PIPE)
        for n, ip in enumerate(PODS)
    ]
    try:
        for each in started:
            assert each.stdout
            assert each.stdout.readline() == b"ready\n"
        yield
    finally:
        for each in started:
            each.kill()
            each.communicate()


def apply(*pods: Json, **spec: Any) -> None:
    plan = Plan(Family.IPV4, "worker1")
    plan.set_node(Node(NODE_IP, "10.244.0.0/16"))
    item = service(
        **({"type": "LoadBalancer", "clusterIPs": [CLUSTER_IP], "lb": [LB_IP], "nodePort": 30080} | spec)
    )
    plan.update(ObjectKey("default", "nginx"), item, [endpoint_slice(*pods)])
    for text in rewrite(read_saved(run([*ns("node"), "iptables-save"])), plan.rule_set()):
        run([*ns("node"), "iptables-restore", "--noflush"], stdin=text)


def ask(source: str, address: str, port: int = 80) -> tuple[str, str]:
    """Return the pod that answered, and the source address that it saw."""
    pod, _, seen = run([*ns(source), sys.executable, "-c", CLIENT, address, str(port)]).strip().partition(" ")
    return pod, seen


BOTH = [endpoint(ip) for ip in PODS]


@pytest.mark.parametrize(
    ("source", "address", "port"),
    [
        ("client", CLUSTER_IP, 80), ("client", LB_IP, 80), ("client", NODE_IP, 30080),
        ("node", CLUSTER_IP, 80), ("node", LB_IP, 80), ("node", "127.0.0.1", 30080),
        ("pod0", CLUSTER_IP, 80), ("pod0", LB_IP, 80),
    ],
)  # fmt: skip
def test_every_way_in_reaches_both_pods(source, address, port):
    apply(*BOTH)
    assert {ask(source, address, port)[0] for _ in range(24)} == set(PODS)


@pytest.mark.parametrize(("policy", "seen"), [("Cluster", "10.244.1.1"), ("Local", CLIENT_IP)])
def test_source_address(policy, seen):
    apply(*BOTH, externalTrafficPolicy=policy)
    assert ask("client", LB_IP)[1] == seen


def test_a_pod_reaches_itself():
    apply(BOTH[0])
    assert ask("pod0", CLUSTER_IP)[0] == PODS[0]


@pytest.mark.parametrize("address", [CLUSTER_IP, LB_IP])
def test_without_endpoints_the_connection_is_refused(address):
    apply()
    with pytest.raises(CommandError, match="ConnectionRefusedError"):
        ask("client", address)


def test_source_ranges():
    apply(*BOTH, loadBalancerSourceRanges=["10.0.0.0/24"])
    assert ask("client", LB_IP)
    apply(*BOTH, loadBalancerSourceRanges=["192.0.2.0/24"])
    with pytest.raises(CommandError, match="TimeoutError"):
        ask("client", LB_IP)


def test_session_affinity():
    apply(*BOTH, sessionAffinity="ClientIP")
    assert len({ask("client", LB_IP)[0] for _ in range(12)}) == 1


def test_nothing_is_left_behind():
    apply(*BOTH)
    run(
        [*ns("node"), "iptables-restore", "--noflush"],
        stdin=remove(read_saved(run([*ns("node"), "iptables-save"]))),
    )
    assert "KUBE" not in run([*ns("node"), "iptables-save"])


@pytest.mark.parametrize(
    "spec", [{}, {"loadBalancerSourceRanges": ["fd00::/8"]}, {"sessionAffinity": "ClientIP"}]
)
def test_ip6tables_accepts_the_rules(spec):
    plan = Plan(Family.IPV6, "worker1")
    plan.set_node(Node("fd00::51", "fd00:10:244::/56"))
    item = service(type="LoadBalancer", clusterIPs=["fd00::9"], lb=["2001:db8::1"], nodePort=30080, **spec)
    plan.update(
        ObjectKey("default", "nginx"),
        item,
        [endpoint_slice(endpoint("fd00:10:244::2"), endpoint("fd00:10:244::3"))],
    )
    for text in rewrite(read_saved(""), plan.rule_set()):
        run([*ns("node"), "ip6tables-restore", "--noflush", "--test"], stdin=text)
