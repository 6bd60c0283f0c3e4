"""lab.yml as values: what is written, what follows by default, what is derived."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path

import pytest

from lab.topology.loader import load
from lab.topology.mistakes import InvalidTopologyError
from lab.topology.model import Bgp, Distribution, Implementation, Role, RouterSoftware, Session, Topology

ROOT = Path(__file__).resolve().parents[3]
SHORTEST = """\
name: shortest
networks: {inside: 10.0.0.0/24, outside: 172.16.0.0/24}
router: {addresses: {outside: 172.16.0.1, inside: 10.0.0.1}}
control_plane: {address: 10.0.0.10}
workers: {count: 1, first_address: 10.0.0.51}
client: {address: 172.16.0.10}
bgp: {router_asn: 11000, cluster_asn: 22000}
load_balancer: {pools: [{name: pool, addresses: [172.16.254.0/24]}]}
"""


def loaded(tmp_path: Path, text: str) -> Topology:
    path = tmp_path / "lab.yml"
    path.write_text(text)
    return load(path)


def test_defaults(tmp_path: Path) -> None:
    lab = loaded(tmp_path, SHORTEST)
    assert lab.control_plane.name == "k8s-master"
    assert [worker.name for worker in lab.workers] == ["k8s-worker1"]
    assert lab.bgp == Bgp(router_asn=lab.bgp.router_asn, cluster_asn=lab.bgp.cluster_asn)
    assert lab.bgp.session is Session.EXTERNAL
    assert lab.router_software is RouterSoftware.BIRD2
    assert lab.load_balancer.implementation is Implementation.LAB
    assert lab.kubernetes.distribution is Distribution.POCKET
    assert lab.kubernetes.pod_subnets == (ip_network("10.244.0.0/16"),)
    assert lab.kubernetes.service_subnets == (ip_network("10.96.0.0/12"),)
    (pool,) = lab.load_balancer.pools
    assert (pool.avoid_buggy_ips, pool.auto_assign) == (False, True)


def test_the_default_lab() -> None:
    lab = load(ROOT / "lab.yml")
    assert [machine.name for machine in lab.machines] == [
        "router", "k8s-master", "k8s-worker1", "k8s-worker2", "k8s-worker3", "client",
    ]  # fmt: skip
    assert [worker.address(lab.cluster_network.name) for worker in lab.workers] == [
        ip_address(f"10.0.0.{last}") for last in (51, 52, 53)
    ]
    assert lab.client.role is Role.CLIENT


def test_router_addresses_follow_the_networks(tmp_path: Path) -> None:
    router = loaded(tmp_path, SHORTEST).router
    assert [interface.network for interface in router.interfaces] == ["inside", "outside"]


def test_dual_stack_counts_up_in_both_families() -> None:
    lab = load(ROOT / "labs/dual-stack.yml")
    third = lab.workers[2].interface(lab.cluster_network.name)
    assert third.addresses == (ip_interface("10.0.0.53/24"), ip_interface("fd00:10::53/64"))
    assert lab.kubernetes.pod_subnets == (ip_network("10.244.0.0/16"), ip_network("fd00:244::/56"))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("[172.16.254.8-172.16.254.11]", ["172.16.254.8/30"]),
        ("[172.16.254.1 - 172.16.254.2]", ["172.16.254.1/32", "172.16.254.2/32"]),
        ("[172.16.254.128/25, 172.16.254.0/26]", ["172.16.254.128/25", "172.16.254.0/26"]),
    ],
)
def test_pool_addresses(tmp_path: Path, written: str, expected: list[str]) -> None:
    lab = loaded(tmp_path, SHORTEST.replace("[172.16.254.0/24]", written))
    assert [str(subnet) for subnet in lab.pool_subnets()] == expected


def test_an_address_that_yaml_takes_for_a_number(tmp_path: Path) -> None:
    text = SHORTEST.replace("10.0.0.0/24", "2001:10:0:0::/64").replace("172.16.0.0/24", "fd00::/64")
    text = text.replace("10.0.0.51", "2001:10:0:0:1:2:3:4").replace("10.0.0.1", "2001:10::1")
    text = text.replace("172.16.0.1", "fd00::1").replace("172.16.254.0/24", "'fd01::/64'")
    lab = loaded(tmp_path, text)
    assert lab.workers[0].address(lab.cluster_network.name) == ip_address("2001:10:0:0:1:2:3:4")


def test_mac_addresses_are_stable_local_and_unique() -> None:
    macs = [i.mac for m in load(ROOT / "labs/ten-workers.yml").machines for i in m.interfaces]
    assert len(set(macs)) == len(macs)
    assert all(mac.startswith("02:") for mac in macs)
    assert load(ROOT / "lab.yml").router.interfaces[0].mac == "02:84:84:d7:ed:f2"


def test_a_password_is_in_no_message_and_no_repr(tmp_path: Path) -> None:
    right = SHORTEST.replace("{router_asn", "{password: friend, router_asn")
    assert loaded(tmp_path, right).bgp.password == "friend"
    assert "friend" not in repr(loaded(tmp_path, right))
    with pytest.raises(InvalidTopologyError) as caught:
        loaded(tmp_path, right.replace("friend", "'\"friend\"'"))
    assert "friend" not in caught.value.message


def test_mistakes_carry_path_line_and_column(tmp_path: Path) -> None:
    with pytest.raises(InvalidTopologyError) as caught:
        loaded(tmp_path, SHORTEST.replace("count: 1", "count: many"))
    (mistake,) = caught.value.mistakes
    assert (mistake.path, mistake.line, mistake.column) == ("workers.count", 5, 18)
    assert caught.value.exit_code == 2
