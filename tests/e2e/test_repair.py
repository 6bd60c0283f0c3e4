"""Break many things by hand at once, as root on the machines and as the cluster's administrator; `lab up` repairs them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from lab.topology.model import Distribution, MachineName, Topology
from tests.e2e.command_line import lab
from tests.e2e.eventually import wait_until

ADMIN = "kubectl --kubeconfig=/etc/kubernetes/admin.conf"
BALANCER = f"{ADMIN} --namespace=metallb-system"
Host = Any


@dataclass(frozen=True, kw_only=True)
class Breakage:
    """What is done to a machine, and a command that succeeds there only while it is whole."""

    on: Callable[[Topology], MachineName]
    do: str
    whole: str
    pocket: bool = False
    """It is about a part that only pocket has."""


def router(topology: Topology) -> MachineName:
    return topology.router.name


def client(topology: Topology) -> MachineName:
    return topology.client.name


def master(topology: Topology) -> MachineName:
    return topology.control_plane.name


def first_worker(topology: Topology) -> MachineName:
    return topology.workers[0].name


def last_worker(topology: Topology) -> MachineName:
    return topology.workers[-1].name


BREAKAGES = {
    "routes no longer merged in BIRD": Breakage(
        on=router,
        do="sed -i 's/merge paths on/merge paths off/' /etc/bird/bird.conf && birdc configure",
        whole="grep 'merge paths on' /etc/bird/bird.conf",
    ),
    "next hops chosen by address alone": Breakage(
        on=router,
        do="sysctl --write net.ipv4.fib_multipath_hash_policy=0",
        whole="test $(sysctl --values net.ipv4.fib_multipath_hash_policy) = 1",
    ),
    "agent stopped": Breakage(
        on=first_worker,
        do="systemctl stop pocket-agent",
        whole="systemctl is-active pocket-agent",
        pocket=True,
    ),
    "proxy stopped, its key gone": Breakage(
        on=last_worker,
        do="systemctl stop pocket-proxy && rm /etc/kubernetes/kube-proxy.conf",
        whole="test -s /etc/kubernetes/kube-proxy.conf && systemctl is-active pocket-proxy",
        pocket=True,
    ),
    "cluster's DNS stopped": Breakage(
        on=master,
        do="systemctl stop pocket-dns",
        whole="systemctl is-active pocket-dns",
        pocket=True,
    ),
    "names of the machines gone": Breakage(
        on=last_worker, do="echo 127.0.0.1 localhost > /etc/hosts", whole="getent hosts k8s-master"
    ),
    "alias gone": Breakage(
        on=client, do="rm /etc/profile.d/kubectl.sh", whole="test -s /etc/profile.d/kubectl.sh"
    ),
    "kubeconfig gone": Breakage(
        on=client,
        do="rm -r /home/vagrant/.kube",
        whole="runuser --user vagrant -- kubectl get nodes",
        pocket=True,
    ),
    "speakers deleted": Breakage(
        on=master, do=f"{BALANCER} delete daemonset speaker", whole=f"{BALANCER} get daemonset speaker"
    ),
    "wrong AS number": Breakage(
        on=master,
        do=f'{BALANCER} patch bgppeer router --type=merge --patch \'{{"spec": {{"peerASN": 64999}}}}\'',
        whole=f"! {BALANCER} get bgppeer router --output=jsonpath={{.spec.peerASN}} | grep 64999",
    ),
    "pool deleted": Breakage(
        on=master,
        do=f"{BALANCER} delete ipaddresspools --all",
        whole=f"{BALANCER} get ipaddresspools --output=name | grep .",
    ),
}


@pytest.fixture(scope="module")
def repaired(load_balancer: None, on: Callable[[str], Host], topology: Topology) -> str:
    """Break everything, see that it is broken, and repair it; returns what `lab plan` had announced."""
    breakages = {name: each for name, each in BREAKAGES.items() if not each.pocket or has_pocket(topology)}
    for each in breakages.values():
        on(each.on(topology)).check_output(each.do)
    whole = [name for name, each in breakages.items() if on(each.on(topology)).run(each.whole).rc == 0]
    planned = lab("plan")
    lab("up")
    assert whole == [], "they were not broken"
    return planned


@pytest.mark.parametrize("name", BREAKAGES)
def test_what_was_broken_is_whole_again(
    name: str, repaired: str, on: Callable[[str], Host], topology: Topology
) -> None:
    breakage = BREAKAGES[name]
    if breakage.pocket and not has_pocket(topology):
        pytest.skip("not run: only pocket has this part")
    assert on(breakage.on(topology)).run(breakage.whole).rc == 0


@pytest.mark.parametrize(
    "announced", ["/etc/bird/bird.conf", "bgppeer.metallb.io/router", "pocket-agent.service does not run"]
)
def test_the_plan_had_named_it(announced: str, repaired: str) -> None:
    assert announced in repaired


@pytest.mark.parametrize("where", [router])
def test_a_filter_that_drops_the_answers(
    where: Callable[[Topology], MachineName], repaired: str, on: Callable[[str], Host], topology: Topology
) -> None:
    """No file tells of it and pings go through; only the client, asked for an answer, notices."""
    name = where(topology)
    add = "iptables --insert {} --protocol tcp --dport 80 --jump DROP"
    chain = "OUTPUT" if name == topology.client.name else "FORWARD"
    on(name).check_output(add.format(chain))
    lab("up", "--prove")
    assert wait_until(lambda: "dport 80" not in on(name).run("iptables-save").stdout)


def has_pocket(topology: Topology) -> bool:
    return topology.kubernetes.distribution is Distribution.POCKET
