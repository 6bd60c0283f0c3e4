"""The load balancer, judged from the client and the router."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from ipaddress import IPv4Network
from typing import Any

import pytest

from lab.topology.model import Address, Topology
from tests.e2e.eventually import wait_until
from tests.e2e.kubectl import Kubectl
from tests.e2e.routes import kernel_next_hops, near_addresses, rib_next_hops, sessions
from tests.e2e.web import Web, answers, entrances, fresh_ports, wait_for_answers

REQUESTS = 60
REPLICAS = 3


@pytest.fixture(scope="module")
def web(shared_namespace: str, kubectl: Kubectl) -> Web:
    """Three pods behind an external IP."""
    web = Web(kubectl, shared_namespace)
    web.deploy(REPLICAS)
    web.expose()
    return web


@pytest.fixture
def address(web: Web, router: Any, client: Any, topology: Topology) -> Address:
    """The external IP, which every worker announces and which the client has an answer from."""
    address = web.address()
    expect_next_hops(router, address, near_addresses(topology, topology.workers))
    wait_for_answers(client, address, number=REQUESTS)
    return address


def expect_next_hops(router: Any, address: Address, wanted: set[str]) -> None:
    assert wait_until(lambda: kernel_next_hops(router, address) == wanted), (
        f"the kernel of the router has next hops {kernel_next_hops(router, address)}, not {wanted}; BIRD has "
        f"{rib_next_hops(router, address)}; {sessions(router)}"
    )


def test_every_session_is_established(router: Any, topology: Topology, load_balancer: None) -> None:
    found = sessions(router)
    assert len(found) == len(topology.workers)
    assert {session.state for session in found} == {"Established"}, found


def test_the_address_is_from_a_pool(address: Address, topology: Topology) -> None:
    assert any(address in subnet for subnet in topology.pool_subnets())


def test_bird_and_the_kernel_have_every_worker_as_next_hop(
    router: Any, address: Address, topology: Topology
) -> None:
    workers = near_addresses(topology, topology.workers)
    assert rib_next_hops(router, address) == kernel_next_hops(router, address) == workers


def test_the_client_gets_answers_from_every_pod(
    client: Any, address: Address, web: Web, record_property: Callable[[str, object], None]
) -> None:
    counted = Counter(answer.pod for answer in answers(client, address, ports=fresh_ports(REQUESTS)))
    record_property("answers by pod", dict(counted))
    assert set(counted) == set(web.pods())


def test_source_ports_reach_every_worker(
    client: Any,
    address: Address,
    topology: Topology,
    kubectl: Kubectl,
    record_property: Callable[[str, object], None],
) -> None:
    said = answers(client, address, ports=fresh_ports(REQUESTS))
    counted = entrances(said, kubectl.json("get", "nodes")["items"])
    record_property("answers by the node that they came through", dict(counted))
    assert set(counted) == {worker.name for worker in topology.workers}


def test_one_source_port_keeps_its_next_hop(router: Any, address: Address, topology: Topology) -> None:
    far = topology.client_network.name
    flow = f"{address} from {topology.client.address(far)} ipproto tcp sport 5000 dport 80"
    link = router.check_output(
        "ip -oneline address show to %s | cut --delimiter=' ' --fields=2", str(topology.router.address(far))
    )
    assert len({router.check_output(f"ip route get {flow} iif {link}") for _ in range(20)}) == 1


def test_nodes_get_answers_too(on: Callable[[str], Any], address: Address, topology: Topology) -> None:
    for machine in (topology.control_plane, *topology.workers):
        assert answers(on(machine.name), address, ports=fresh_ports(1)), machine.name


def test_no_pods_no_route(router: Any, address: Address, web: Web, topology: Topology) -> None:
    web.scale(0)
    try:
        expect_next_hops(router, address, set())
        assert rib_next_hops(router, address) == set()
        assert web.address() == address, "the Service keeps its address while it has no pod"
    finally:
        web.scale(REPLICAS)
    expect_next_hops(router, address, near_addresses(topology, topology.workers))


def test_a_second_service_gets_the_next_address(
    web: Web, address: Address, kubectl: Kubectl, topology: Topology
) -> None:
    taken = taken_addresses(kubectl)
    pool = topology.load_balancer.pools[0]
    subnets = [subnet for subnet in pool.addresses if isinstance(subnet, IPv4Network)]
    usable = (
        str(each)
        for subnet in subnets
        for each in subnet
        if not (pool.avoid_buggy_ips and each.packed[-1] in {0, 255})
    )
    following = next(each for each in usable if each not in taken)
    web.expose("second")
    try:
        assert str(web.address("second")) == following
    finally:
        web("delete", "service", "second")


def test_a_deleted_service_frees_its_address_and_its_route(
    web: Web, address: Address, router: Any, kubectl: Kubectl
) -> None:
    web.expose("passing")
    freed = web.address("passing")
    assert wait_until(lambda: kernel_next_hops(router, freed) != set())
    web("delete", "service", "passing")
    expect_next_hops(router, freed, set())
    assert str(freed) not in taken_addresses(kubectl)
    web.expose("heir")
    try:
        assert web.address("heir") == freed
    finally:
        web("delete", "service", "heir")


def test_a_wanted_address_is_given(web: Web, kubectl: Kubectl, topology: Topology) -> None:
    taken = taken_addresses(kubectl)
    pool = next(subnet for subnet in topology.pool_subnets() if isinstance(subnet, IPv4Network))
    wanted = next(str(each) for each in reversed(list(pool.hosts())[:200]) if str(each) not in taken)
    web.expose("wanted", annotations={"metallb.io/loadBalancerIPs": wanted})
    try:
        assert str(web.address("wanted")) == wanted
    finally:
        web("delete", "service", "wanted")


def taken_addresses(kubectl: Kubectl) -> set[str]:
    return {
        given["ip"]
        for service in kubectl.json("get", "services", "--all-namespaces")["items"]
        for given in service["status"].get("loadBalancer", {}).get("ingress", [])
    }
