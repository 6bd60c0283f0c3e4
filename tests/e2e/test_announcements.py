"""What workers announce reaches the client: here with stand-ins for the load balancer (tests.e2e.announcer)."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from lab.topology.model import Topology
from lab.topology.naming import peer_name
from tests.e2e.announcer import Announcers
from tests.e2e.eventually import wait_until
from tests.e2e.routes import kernel_next_hops

REQUESTS = 60
FORBIDDEN = ("10.66.0.0/24", "172.16.254.128/25", "192.0.2.1/32")


def _workers(topology: Topology) -> set[str]:
    return {str(worker.address(topology.cluster_network.name)) for worker in topology.workers}


@pytest.fixture(autouse=True)
def _settled(router: Any, topology: Topology, announcers: Announcers) -> None:
    assert wait_until(lambda: kernel_next_hops(router, announcers.address) == _workers(topology)), (
        router.check_output("birdc show protocols all; birdc show route all")
    )


def test_every_session_is_established(router: Any, topology: Topology) -> None:
    for number, _ in enumerate(topology.workers, 1):
        assert "Established" in router.check_output("birdc show protocols %s", peer_name(number))


def test_every_worker_is_a_next_hop_in_the_rib(
    router: Any, topology: Topology, announcers: Announcers
) -> None:
    routes = router.check_output("birdc show route for %s", f"{announcers.address}/32")
    assert all(f"via {address} on" in routes for address in _workers(topology))


def test_answers_are_spread_over_the_workers(client: Any, topology: Topology, announcers: Announcers) -> None:
    url = f"http://{announcers.address}/"
    answers = client.check_output(
        "curl --silent --max-time 5 --header 'Connection: close' %s", f"{url}#[1-{REQUESTS}]"
    )
    counted = Counter(answers.split())
    assert counted.total() == REQUESTS
    assert set(counted) == {worker.name for worker in topology.workers}, counted


def test_a_stopped_announcer_is_withdrawn(router: Any, topology: Topology, announcers: Announcers) -> None:
    worker, *others = topology.workers
    near = topology.cluster_network.name
    announcers.withdraw(worker)
    try:
        remaining = {str(other.address(near)) for other in others}
        assert wait_until(lambda: kernel_next_hops(router, announcers.address) == remaining)
    finally:
        announcers.announce(worker)


@pytest.mark.parametrize("prefix", FORBIDDEN)
def test_the_router_believes_only_single_addresses_of_the_pool(
    router: Any, topology: Topology, announcers: Announcers, prefix: str
) -> None:
    worker = topology.workers[0]
    announcers.withdraw(worker)
    announcers.announce(worker, extra=[prefix])
    try:
        assert wait_until(lambda: kernel_next_hops(router, announcers.address) == _workers(topology))
        assert prefix not in router.check_output("birdc show route")
        assert router.check_output("ip route show %s", prefix) == ""
    finally:
        announcers.withdraw(worker)
        announcers.announce(worker)
