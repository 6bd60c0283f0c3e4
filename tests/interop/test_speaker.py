"""The whole speaker against the daemons that people run: restarted, drained, and without its API server."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import pytest

from lab.balancer.service import EXCLUDE_LABEL
from tests.interop.cluster import Cluster
from tests.interop.conftest import Bench
from tests.interop.daemons import Bird, Frr
from tests.interop.places import wait_until

pytestmark = [
    pytest.mark.root,
    pytest.mark.parametrize("bench", [Bird(), Frr()], ids=lambda daemon: daemon.name, indirect=True),
]

WEB, API, OLD = ("198.51.100.1", "2001:db8:1::1"), ("198.51.100.2",), ("198.51.100.3", "2001:db8:1::3")
SHUTDOWN_WORDS = {"65535:0", "graceful-shutdown"}


def prefixes(*addresses: str) -> set[str]:
    return {f"{address}/{128 if ':' in address else 32}" for address in addresses}


def wait_routes(bench: Bench, *addresses: str, seconds: float = 30.0) -> None:
    wanted = prefixes(*addresses)
    wait_until(lambda: set(bench.routes()) == wanted, what=f"the router has {wanted}", seconds=seconds)


def wait_marked(bench: Bench, *addresses: str) -> None:
    """Wait until exactly these routes are there, each with GRACEFUL_SHUTDOWN."""

    def marked() -> bool:
        routes = bench.routes()
        marks = [bool(SHUTDOWN_WORDS & set(route.communities)) for route in routes.values()]
        return set(routes) == prefixes(*addresses) and all(marks)

    wait_until(marked, what="65535:0 is on every route")


@pytest.fixture
def cluster(bench: Bench, clusters: Callable[[], Cluster]) -> Callable[..., Cluster]:
    """Return a function that makes a cluster whose speaker has told the router of `web`; it takes a BGPPeer's fields."""

    def make(**peer: Any) -> Cluster:
        bench.router(restart=bool(peer.get("enableGracefulRestart")))
        cluster = clusters()
        cluster.install(**peer)
        cluster.serve("web", *WEB)
        cluster.start_speaker()
        wait_routes(bench, *WEB)
        return cluster

    return make


@contextmanager
def never_without(bench: Bench, *addresses: str) -> Iterator[None]:
    """Ask the router all the time whether it has the routes."""
    missing: list[set[str]] = []
    over = Event()

    def look() -> None:
        while not over.wait(0.05):
            missing.append(prefixes(*addresses) - set(bench.routes()))

    watcher = Thread(target=look, name="watch the router")
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
    assert missing
    assert not any(missing), f"missing in {len([m for m in missing if m])} of {len(missing)} looks"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
def test_routes_stay_over_a_restart(
    bench: Bench, cluster: Callable[..., Cluster], how: signal.Signals
) -> None:
    """Those that nobody wants any more go as soon as the new speaker has said all that it knows."""
    node = cluster(enableGracefulRestart=True)
    node.serve("old", *OLD)
    wait_routes(bench, *WEB, *OLD)
    with never_without(bench, *WEB):
        code = node.end("speaker", how)
        assert code == (0 if how is signal.SIGTERM else -how)
        node.delete("old")
        node.serve("api", *API)
        node.start_speaker()
        wait_routes(bench, *WEB, *API)


def test_stopping_drains_the_routes_first(bench: Bench, cluster: Callable[..., Cluster]) -> None:
    node = cluster()
    node.tell_to_stop()
    wait_marked(bench, *WEB)
    wait_routes(bench)
    assert node.exit_code() == 0
    wait_until(lambda: "the speaker of this node stops" in bench.log(), what="the reason is in the log")


def test_a_node_taken_out_of_service_drains_first(bench: Bench, cluster: Callable[..., Cluster]) -> None:
    """The session stays: the node may come back any moment."""
    node = cluster(enableGracefulRestart=True)
    node.label(**{EXCLUDE_LABEL: ""})
    wait_marked(bench, *WEB)
    wait_routes(bench)
    wait_until(lambda: node.session() == "Established", what="the session stands")
    node.label()
    wait_routes(bench, *WEB)


def test_a_drained_node_stops_for_good(bench: Bench, cluster: Callable[..., Cluster]) -> None:
    """What a router may keep over a restart it must not keep over the end of a node that was cordoned to be switched off."""
    node = cluster(enableGracefulRestart=True)
    node.cordon()
    with never_without(bench, *WEB):
        node.serve("api", *API)
        wait_routes(bench, *WEB, *API)
    node.tell_to_stop()
    wait_marked(bench, *WEB, *API)
    wait_routes(bench)
    assert node.exit_code() == 0


def test_pods_on_their_way_out_drain_the_route(bench: Bench, cluster: Callable[..., Cluster]) -> None:
    """As `kubectl drain` leaves a node behind, with externalTrafficPolicy Local."""
    node = cluster()
    node.serve("web", *WEB, policy="Local", ready=False, serving=True, terminating=True)
    wait_marked(bench, *WEB)
    node.serve("web", *WEB, policy="Local", ready=False, serving=False, terminating=True)
    wait_routes(bench)


def test_routes_stay_while_the_api_server_is_away(bench: Bench, cluster: Callable[..., Cluster]) -> None:
    node = cluster()
    with never_without(bench, *WEB):
        for name, addresses in (("api", API), ("old", OLD)):
            node.end("api")
            wait_until(bench.routes, what="the router answers")
            node.start_api()
            node.serve(name, *addresses)
            wait_routes(bench, *WEB, *API, *(OLD if name == "old" else ()))
        node.delete("old")
        wait_routes(bench, *WEB, *API)
