"""What breaks, and what the client notices of it: measured by a probe on the client, reported, and bounded.

The Service's traffic policy is Local, so that a next hop is also where the answer comes from: with Cluster, the nodes
that are left go on to send to a dead node's pods until Kubernetes gives the node up, which is not the balancer's to mend.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from time import monotonic
from typing import Any

import pytest

from lab.topology.model import Address, Machine, Topology
from tests.e2e.backend import enter
from tests.e2e.command_line import lab
from tests.e2e.eventually import SLOWNESS, wait_until
from tests.e2e.kubectl import Kubectl
from tests.e2e.outage import Seen, watched
from tests.e2e.routes import go_on, kernel_next_hops, near_addresses, rib_next_hops, sessions
from tests.e2e.web import Web, wait_for_answers

SLACK = 5.0 * SLOWNESS
"""Seconds that a busy host may add to the hold time."""
BOOT = 90.0
"""Seconds that a busy host may need until a machine works again."""
QUESTIONS = 30
"""Enough for each of a few next hops to get one."""
SPEAKER = "app=metallb,component=speaker"
Watch = Callable[[str], AbstractContextManager[Seen]]


@pytest.fixture(scope="module")
def web(shared_namespace: str, kubectl: Kubectl, topology: Topology) -> Web:
    """A pod on each worker."""
    web = Web(kubectl, shared_namespace)
    web.deploy(len(topology.workers))
    web.expose(local=True)
    return web


@pytest.fixture
def whole(web: Web, router: Any, topology: Topology) -> Iterator[Callable[[], None]]:
    """The address is announced by every worker, before the test and after it; a function that waits for it."""
    workers = near_addresses(topology, topology.workers)

    def be_whole() -> None:
        assert wait_until(
            lambda: (
                set(web.pods().values()) == {worker.name for worker in topology.workers}
                and kernel_next_hops(router, web.address()) == workers
            ),
            patience=BOOT,
        ), f"pods on {web.pods()}, next hops {kernel_next_hops(router, web.address())}, {sessions(router)}"

    be_whole()
    yield be_whole
    be_whole()


@pytest.fixture
def address(web: Web, whole: Callable[[], None]) -> Address:
    return web.address()


@pytest.fixture
def victim(topology: Topology, web: Web) -> Machine:
    return topology.workers[-1]


def judge(seen: Seen, bound: float, record_property: Callable[[str, object], None]) -> None:
    record_property("outage", str(seen))
    record_property("longest outage, seconds", round(seen.longest, 2))
    assert seen.asked > 0
    assert seen.longest <= bound, str(seen)


def expect_without(router: Any, address: Address, victim: Machine, topology: Topology) -> None:
    others = near_addresses(topology, (worker for worker in topology.workers if worker != victim))
    assert wait_until(lambda: kernel_next_hops(router, address) == others), (
        f"next hops {kernel_next_hops(router, address)}, not {others}"
    )


@pytest.mark.parametrize("fault", ["stop", "kill", "freeze", "link-down"])
def test_worker(
    fault: str,
    victim: Machine,
    address: Address,
    router: Any,
    topology: Topology,
    whole: Callable[[], None],
    record_property: Callable[[str, object], None],
) -> None:
    """Stopped in order, without power, frozen, unplugged: the others take over within the hold time; then it returns."""
    with watched(enter(topology.client.name), address) as lost:
        lab("fault", fault, victim.name)
        expect_without(router, address, victim, topology)
    with watched(enter(topology.client.name), address) as returned:
        lab("fault", "undo", victim.name)
        whole()
    record_property("outage at its return", str(returned))
    judge(lost, topology.bgp.hold_time + SLACK, record_property)
    assert returned.longest <= topology.bgp.hold_time + SLACK, str(returned)


def test_speaker_pod_is_deleted(
    victim: Machine,
    address: Address,
    kubectl: Kubectl,
    topology: Topology,
    whole: Callable[[], None],
    record_property: Callable[[str, object], None],
) -> None:
    with watched(enter(topology.client.name), address) as seen:
        namespace, name = speaker_on(victim, kubectl)
        kubectl("delete", "pod", f"--namespace={namespace}", name)
        assert wait_until(lambda: speaker_on(victim, kubectl)[1] not in {"", name})
        whole()
    judge(seen, topology.bgp.hold_time + SLACK, record_property)


def test_speaker_process_is_killed(
    victim: Machine,
    on: Callable[[str], Any],
    address: Address,
    topology: Topology,
    whole: Callable[[], None],
    record_property: Callable[[str, object], None],
) -> None:
    with watched(enter(topology.client.name), address) as seen:
        killed = speaker_processes(on(victim.name))
        assert killed
        on(victim.name).check_output(f"kill -9 {' '.join(killed)}")
        assert wait_until(lambda: not set(killed) & set(speaker_processes(on(victim.name))))
        assert wait_until(lambda: speaker_processes(on(victim.name)) != [], patience=BOOT)
        whole()
    judge(seen, topology.bgp.hold_time + SLACK, record_property)


def test_router_daemon_restarts(
    address: Address,
    router: Any,
    topology: Topology,
    whole: Callable[[], None],
    record_property: Callable[[str, object], None],
) -> None:
    """Nobody else routes: the client waits until the sessions are back."""
    before = sessions(router)
    with watched(enter(topology.client.name), address) as seen:
        router.check_output("systemctl restart bird")
        assert wait_until(lambda: not go_on(before, sessions(router)))
        whole()
    judge(seen, BOOT * SLOWNESS, record_property)


def test_router_reboots(
    address: Address,
    router: Any,
    topology: Topology,
    whole: Callable[[], None],
    record_property: Callable[[str, object], None],
) -> None:
    with watched(enter(topology.client.name), address) as seen:
        lab("fault", "stop", topology.router.name)
        lab("fault", "undo", topology.router.name)
        assert wait_until(lambda: router.run("birdc show status").rc == 0, patience=BOOT)
        whole()
    judge(seen, BOOT * SLOWNESS, record_property)


def test_api_server_restarts(
    web: Web,
    address: Address,
    on: Callable[[str], Any],
    client: Any,
    router: Any,
    kubectl: Kubectl,
    topology: Topology,
    record_property: Callable[[str, object], None],
) -> None:
    """Nothing between client and pod needs it: sessions and routes stay. And who follows it is soon told of news."""
    master = on(topology.control_plane.name)
    if not master.service("pocket-server").is_running:
        pytest.skip("not run: the API server is no systemd unit here")
    before, hops = sessions(router), rib_next_hops(router, address)
    with watched(enter(topology.client.name), address) as seen:
        master.check_output("systemctl restart pocket-server")
        assert wait_until(lambda: kubectl.try_("get", "nodes").rc == 0, patience=BOOT)
    assert go_on(before, sessions(router))
    assert rib_next_hops(router, address) == hops
    judge(seen, topology.bgp.hold_time + SLACK, record_property)
    back = monotonic()
    web.expose("news")
    try:
        news = web.address("news")
        assert wait_until(lambda: kernel_next_hops(router, news) == hops, patience=BOOT)
        wait_for_answers(client, news, number=QUESTIONS)
        record_property("seconds until every worker served a new Service", round(monotonic() - back, 1))
    finally:
        web("delete", "service", "news")


def speaker_on(machine: Machine, kubectl: Kubectl) -> tuple[str, str]:
    """Return namespace and name of the speaker's pod on the node; empty strings when there is none that stays."""
    pods = kubectl.json("get", "pods", "--all-namespaces", f"--selector={SPEAKER}")["items"]
    for pod in pods:
        if pod["spec"].get("nodeName") == machine.name and "deletionTimestamp" not in pod["metadata"]:
            return pod["metadata"]["namespace"], pod["metadata"]["name"]
    return "", ""


def speaker_processes(host: Any) -> list[str]:
    return str(host.run("pgrep --full 'lab.balancer [s]peaker'").stdout).split()  # not the shell that asks
