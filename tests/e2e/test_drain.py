"""A worker is taken out of service in good order, and the client does not notice: measured by a probe on the client.

Pods linger for a moment after they were told to go (a preStop hook, as the Kubernetes documentation advises), because
nobody can tell every router and proxy of it in no time. https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lab.balancer.service import EXCLUDE_LABEL
from lab.topology.model import Address, Machine, Topology
from tests.e2e.backend import enter
from tests.e2e.eventually import wait_until
from tests.e2e.kubectl import Kubectl
from tests.e2e.outage import watched
from tests.e2e.routes import go_on, kernel_next_hops, near_addresses, rib_next_hops, sessions
from tests.e2e.test_faults import BOOT, QUESTIONS, speaker_on
from tests.e2e.web import Web, wait_for_answers

LINGER = 5
"""Seconds that a pod goes on serving after it was told to go."""
UNDER_WAY = 1
"""Questions that may be lost: one that is under way in the instant when the router spreads connections anew."""


@pytest.fixture(scope="module", params=[True, False], ids=["Local", "Cluster"])
def web(request: pytest.FixtureRequest, shared_namespace: str, kubectl: Kubectl, topology: Topology) -> Web:
    web = Web(kubectl, shared_namespace, "local" if request.param else "cluster")
    web.deploy(len(topology.workers), linger=LINGER)
    web.expose(local=request.param)
    return web


@pytest.fixture
def victim(topology: Topology) -> Machine:
    return topology.workers[-1]


@pytest.fixture
def address(
    web: Web, router: Any, client: Any, topology: Topology, kubectl: Kubectl, victim: Machine
) -> Iterator[Address]:
    """The Service's address, announced by all workers, before the test and after it, and answered."""
    workers = near_addresses(topology, topology.workers)
    address = web.address()

    def everywhere() -> bool:
        return kernel_next_hops(router, address) == workers

    assert wait_until(everywhere, patience=BOOT)
    wait_for_answers(client, address, number=QUESTIONS)
    yield address
    kubectl("uncordon", victim.name)
    kubectl("label", "node", victim.name, f"{EXCLUDE_LABEL}-")
    web("rollout", "restart", f"deployment/{web.name}")
    assert wait_until(
        lambda: everywhere() and set(web.pods().values()) == {worker.name for worker in topology.workers},
        patience=BOOT,
    )


def expect_none_lost(
    web: Web,
    address: Address,
    topology: Topology,
    record_property: Callable[[str, object], None],
    act: Callable[[], None],
) -> None:
    with watched(enter(topology.client.name), address) as seen:
        act()
    record_property("outage", f"{web.name}: {seen}")
    assert seen.asked > 0
    assert len(seen.failed) <= UNDER_WAY, str(seen)


def test_drain(
    web: Web,
    address: Address,
    victim: Machine,
    kubectl: Kubectl,
    router: Any,
    topology: Topology,
    record_property: Callable[[str, object], None],
) -> None:
    """`kubectl drain` moves the pods away. With policy Local the node's route goes with them; else it still forwards."""
    others = near_addresses(topology, topology.workers[:-1])

    def drain() -> None:
        kubectl("drain", victim.name, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=60s")
        assert victim.name not in set(web.pods().values())
        if web.name == "local":
            assert wait_until(lambda: rib_next_hops(router, address) == others)

    expect_none_lost(web, address, topology, record_property, drain)


def test_a_worker_is_prepared_for_being_switched_off(
    web: Web,
    address: Address,
    victim: Machine,
    kubectl: Kubectl,
    router: Any,
    topology: Topology,
    record_property: Callable[[str, object], None],
) -> None:
    """The label takes its routes away, whatever the policy, and leaves the session."""
    others = near_addresses(topology, topology.workers[:-1])
    before = sessions(router)

    def exclude() -> None:
        kubectl("label", "node", victim.name, f"{EXCLUDE_LABEL}=")
        assert wait_until(lambda: rib_next_hops(router, address) == others)

    expect_none_lost(web, address, topology, record_property, exclude)
    assert go_on(before, sessions(router))


def test_a_speaker_is_stopped_in_good_order(
    web: Web,
    address: Address,
    victim: Machine,
    kubectl: Kubectl,
    router: Any,
    topology: Topology,
    record_property: Callable[[str, object], None],
) -> None:
    """As `kubectl rollout restart` does with one speaker after another."""
    before = sessions(router)

    def restart() -> None:
        namespace, name = speaker_on(victim, kubectl)
        kubectl("delete", "pod", f"--namespace={namespace}", name)
        assert wait_until(lambda: speaker_on(victim, kubectl)[1] not in {"", name})
        assert wait_until(
            lambda: kernel_next_hops(router, address) == near_addresses(topology, topology.workers)
        )

    expect_none_lost(web, address, topology, record_property, restart)
    assert not go_on(before, sessions(router))
