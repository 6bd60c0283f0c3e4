"""externalTrafficPolicy Local: only nodes with a pod announce, and pods see the client itself."""

from __future__ import annotations

from typing import Any

import pytest

from lab.topology.model import Address, Topology
from tests.e2e.eventually import wait_until
from tests.e2e.kubectl import Kubectl
from tests.e2e.routes import kernel_next_hops, near_addresses
from tests.e2e.web import Web, answers, fresh_ports


@pytest.fixture(scope="module")
def web(shared_namespace: str, kubectl: Kubectl) -> Web:
    web = Web(kubectl, shared_namespace)
    web.deploy(1)
    web.expose(local=True)
    return web


def _announced_by_nodes_with_pods(router: Any, address: Address, web: Web, topology: Topology) -> None:
    def claim() -> bool:
        hosts = [topology.machine(node) for node in web.pods().values()]
        return kernel_next_hops(router, address) == near_addresses(topology, hosts)

    assert wait_until(claim), f"{kernel_next_hops(router, address)}, pods are on {web.pods()}"


def test_only_the_node_of_the_pod_announces(router: Any, web: Web, topology: Topology) -> None:
    _announced_by_nodes_with_pods(router, web.address(), web, topology)


def test_the_pod_sees_the_client(client: Any, router: Any, web: Web, topology: Topology) -> None:
    _announced_by_nodes_with_pods(router, web.address(), web, topology)
    seen = {answer.peer for answer in answers(client, web.address(), ports=fresh_ports(5))}
    assert seen == {str(topology.client.address(topology.client_network.name))}


def test_another_pod_is_another_next_hop(router: Any, web: Web, topology: Topology) -> None:
    web.scale(2)
    assert len(set(web.pods().values())) == 2
    _announced_by_nodes_with_pods(router, web.address(), web, topology)


def test_a_moved_pod_moves_the_route(router: Any, web: Web, topology: Topology) -> None:
    web.scale(1)
    (node,) = web.pods().values()
    web("cordon", node)
    try:
        web("delete", "pods", "--all")
        web.wait_for_pods(1)
        assert set(web.pods().values()) != {node}
        _announced_by_nodes_with_pods(router, web.address(), web, topology)
    finally:
        web("uncordon", node)
