from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.interop import rootfs
from tests.interop.cluster import Cluster
from tests.interop.daemons import Bird, Daemon, Frr, GoBgp, Setup
from tests.interop.more_daemons import ExaBgp, OpenBgpd
from tests.interop.places import NODE, ROUTER, Cable, Container, Node, cable

DAEMONS: tuple[Daemon, ...] = (Bird(), Frr(), GoBgp(), OpenBgpd(), ExaBgp())


@pytest.fixture(scope="session")
def stack() -> tuple[Path, ...]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    found = rootfs.find()
    if not found:
        pytest.skip(
            f"no root with BGP daemons: python -m tests.interop.rootfs makes one, or set {rootfs.VARIABLE}"
        )
    return found


@pytest.fixture
def wire() -> Iterator[Cable]:
    with cable(f"bgp-{os.getpid()}") as ends:
        yield ends


class Bench:
    """A router of the given kind and nodes of ours, on one cable."""

    def __init__(self, daemon: Daemon, container: Container, ends: Cable, cleanup: ExitStack) -> None:
        self.daemon = daemon
        self.container = container
        self._ends = ends
        self._cleanup = cleanup
        self._setup = Setup()

    def router(self, **changes: Any) -> None:
        self._setup = Setup(**changes)
        argv = self.daemon.configure(self.container, self._setup)
        self.container.start(argv)

    def node(self, **wishes: Any) -> Node:
        basics: dict[str, Any] = {
            "local_asn": self._setup.node_asn,
            "peer_asn": self._setup.router_asn,
            "address": ROUTER[self._setup.transport],
            "listen": NODE[self._setup.transport],
            "password": self._setup.password,
        }
        started = Node(self._ends.node, basics | wishes)
        self._cleanup.callback(started.kill)
        return started

    @property
    def node_namespace(self) -> str:
        return self._ends.node

    def routes(self) -> dict[str, Any]:
        return dict(self.daemon.routes(self.container))

    def log(self) -> str:
        return self.daemon.log(self.container)


@pytest.fixture(params=DAEMONS, ids=lambda daemon: daemon.name)
def bench(
    request: pytest.FixtureRequest, stack: tuple[Path, ...], wire: Cable, tmp_path: Path
) -> Iterator[Bench]:
    container = Container(stack, tmp_path, wire.router)
    with ExitStack() as cleanup:
        cleanup.callback(container.stop)
        yield Bench(request.param, container, wire, cleanup)


@pytest.fixture
def clusters(bench: Bench, tmp_path: Path) -> Iterator[Callable[[], Cluster]]:
    """Start an API server on the node, and end what runs there afterwards."""
    folder = tmp_path / "cluster"
    folder.mkdir()
    cluster = Cluster(bench.node_namespace, folder)

    def start() -> Cluster:
        cluster.start_api()
        return cluster

    yield start
    cluster.close()
