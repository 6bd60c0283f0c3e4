"""`lab explain` on a way that is broken on purpose, one hop after another: it names the hop and the cure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from lab.topology.model import Topology
from tests.e2e.backend import FILE_VARIABLE
from tests.e2e.eventually import SLOWNESS, wait_until
from tests.e2e.kubectl import Kubectl, Object
from tests.e2e.web import Web

PATIENCE = 60.0
BALANCER = "metallb-system"
EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"
POOL = "metallb.io/address-pool"
REPLICAS = 3


def _hops(service: str) -> dict[str, Any]:
    """Return the hops of `lab explain` by name."""
    argv = [
        sys.executable,
        "-m",
        "lab.cli",
        "explain",
        service,
        "--json",
        "--file",
        os.environ[FILE_VARIABLE],
    ]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120 * SLOWNESS, check=False)
    assert done.returncode in (0, 1), done.stderr
    return {hop["name"]: hop for hop in json.loads(done.stdout)["hops"]}


def _first_broken(service: str) -> Any:
    return next((hop for hop in _hops(service).values() if not hop["ok"]), None)


@pytest.fixture(scope="module")
def web(shared_namespace: str, kubectl: Kubectl) -> Web:
    web = Web(kubectl, shared_namespace)
    web.deploy(REPLICAS)
    web.expose()
    return web


@dataclass(frozen=True)
class Lab:
    """What a breakage may use."""

    web: Web
    kubectl: Kubectl
    on: Callable[[str], Any]
    topology: Topology

    def peer(self, **spec: Any) -> None:
        patch = json.dumps({"spec": spec})
        self.kubectl(
            "patch", "bgppeers.metallb.io", "router", "-n", BALANCER, "--type=merge", "--patch", patch
        )

    def workers(self, line: str) -> None:
        for worker in self.topology.workers:
            self.on(worker.name).check_output(line)


@dataclass(frozen=True)
class Breakage:
    hop: str
    says: str
    cure: str
    do: Callable[[Lab], object]
    undo: Callable[[Lab], object]


BREAKAGES = {
    "no endpoints": Breakage(
        "pods",
        "no pod matches",
        "scaled to 0",
        lambda lab: lab.web.scale(0),
        lambda lab: lab.web.scale(REPLICAS),
    ),
    "session down": Breakage(
        "sessions",
        "peer1",
        "lab status",
        lambda lab: lab.on(lab.topology.router.name).check_output("birdc disable peer1"),
        lambda lab: lab.on(lab.topology.router.name).check_output("birdc enable peer1"),
    ),
    "wrong AS number": Breakage(
        "sessions",
        "peer1",
        "myASN 23000",
        lambda lab: lab.peer(myASN=23000),
        lambda lab: lab.peer(myASN=lab.topology.bgp.cluster_asn),
    ),
    "wrong password": Breakage(
        "sessions",
        "peer1",
        "different passwords",
        lambda lab: lab.peer(password="not the router's"),
        lambda lab: lab.peer(password=lab.topology.bgp.password),
    ),
    "nodes labelled out": Breakage(
        "speakers",
        "labelled out",
        EXCLUDED,
        lambda lab: [
            lab.kubectl("label", "node", worker.name, f"{EXCLUDED}=") for worker in lab.topology.workers
        ],
        lambda lab: [
            lab.kubectl("label", "node", worker.name, f"{EXCLUDED}-") for worker in lab.topology.workers
        ],
    ),
    "service rules missing": Breakage(
        "service rules",
        "none for the address",
        "restart pocket-proxy",
        lambda lab: lab.workers("systemctl stop pocket-proxy && iptables -t nat -F KUBE-SERVICES"),
        lambda lab: lab.workers("systemctl start pocket-proxy"),
    ),
    "client route missing": Breakage(
        "client route",
        "not via the router",
        "lab up",
        lambda lab: lab.on(lab.topology.client.name).check_output(
            "for net in $(ip route | awk '$1 ~ /^172.16.254/ {print $1}'); do ip route del $net; done"
        ),
        lambda lab: lab.on(lab.topology.client.name).check_output("netplan apply"),
    ),
    "firewall drops": Breakage(
        "answers",
        "--dport 80 -j DROP",
        "remove the rule",
        lambda lab: lab.workers("iptables -I FORWARD -p tcp --dport 80 -j DROP"),
        lambda lab: lab.workers("iptables -D FORWARD -p tcp --dport 80 -j DROP"),
    ),
}


@pytest.fixture(scope="module")
def lab(web: Web, kubectl: Kubectl, on: Callable[[str], Any], topology: Topology) -> Lab:
    """The way is whole before the first test, and each leaves it so."""
    name = f"{web.namespace}/{web.name}"
    assert wait_until(lambda: _first_broken(name) is None, patience=PATIENCE), _first_broken(name)
    return Lab(web, kubectl, on, topology)


@pytest.mark.parametrize("case", BREAKAGES)
def test_a_broken_hop_is_named_with_its_cure_and_mended(lab: Lab, case: str) -> None:
    breakage, name = BREAKAGES[case], f"{lab.web.namespace}/{lab.web.name}"
    breakage.do(lab)
    try:
        seen: list[Any] = []

        def is_named() -> bool:
            seen[:] = [_first_broken(name)]
            return seen[0] is not None and seen[0]["name"] == breakage.hop

        assert wait_until(is_named, patience=PATIENCE), seen
        assert breakage.says in seen[0]["detail"]
        assert breakage.cure in seen[0]["cure"]
    finally:
        breakage.undo(lab)
    assert wait_until(lambda: _first_broken(name) is None, patience=PATIENCE), _first_broken(name)


def _service(name: str, namespace: str, pool: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "annotations": {POOL: pool}},
        "spec": {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": [{"port": 80}]},
    }


def _pool(name: str, addresses: str) -> Object:
    return {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "IPAddressPool",
        "metadata": {"name": name, "namespace": BALANCER},
        "spec": {"addresses": [addresses], "autoAssign": False},
    }


@pytest.fixture
def pools(kubectl: Kubectl) -> Iterator[None]:
    """A pool of one address, and one that the router was never told of, announced all the same."""
    advertisement = {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "BGPAdvertisement",
        "metadata": {"name": "elsewhere", "namespace": BALANCER},
        "spec": {"ipAddressPools": ["elsewhere"]},
    }
    kubectl.apply(_pool("tiny", "198.51.100.1/32"), _pool("elsewhere", "192.0.2.0/24"), advertisement)
    yield
    kubectl("delete", "ipaddresspools.metallb.io", "tiny", "elsewhere", "-n", BALANCER)
    kubectl("delete", "bgpadvertisements.metallb.io", "elsewhere", "-n", BALANCER)


@pytest.mark.parametrize(
    ("pool", "hop", "says", "cure"),
    [
        ("gold", "address", "gold", "ipaddresspools"),
        ("tiny", "address", "no free address", "ipaddresspools"),
        ("elsewhere", "router RIB", "refused by the import filter", "pools in lab.yml"),
    ],
)
@pytest.mark.usefixtures("pools")
def test_addresses_that_cannot_be_given_or_are_not_believed(
    lab: Lab, pool: str, hop: str, says: str, cure: str
) -> None:
    namespace = lab.web.namespace
    services = [_service(f"{pool}{number}", namespace, pool) for number in (1, 2)]
    for service in services:
        lab.kubectl.apply(service)
    name = f"{namespace}/{pool}2"
    try:
        seen: list[Any] = []

        def is_named() -> bool:
            seen[:] = [_first_broken(name)]
            return seen[0] is not None and seen[0]["name"] == hop and says in seen[0]["detail"]

        assert wait_until(is_named, patience=PATIENCE), seen
        assert cure in seen[0]["cure"]
    finally:
        lab.kubectl("delete", "service", f"{pool}1", f"{pool}2", "-n", namespace)


def test_a_pod_that_is_not_ready_is_named(lab: Lab) -> None:
    namespace, name = lab.web.namespace, "sick"
    probe = {"exec": {"command": ["false"]}, "periodSeconds": 1}
    container = {"name": "nginx", "image": "nginx", "readinessProbe": probe}
    labels = {"app": name}
    lab.kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace, "labels": labels},
            "spec": {"containers": [container]},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"type": "LoadBalancer", "selector": labels, "ports": [{"port": 80}]},
        },
    )
    try:
        assert wait_until(lambda: "pods" in _hops(f"{namespace}/{name}"), patience=PATIENCE)
        hop = _hops(f"{namespace}/{name}")["pods"]
        assert not hop["ok"]
        assert name in hop["detail"]
        assert "describe pod" in hop["cure"]
    finally:
        lab.kubectl("delete", "pod,service", name, "-n", namespace)
