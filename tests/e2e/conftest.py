"""The lab under test: `lab test` starts pytest here with the topology file in the environment."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
import testinfra

from lab.topology.model import Topology
from tests.e2e.announcer import Announcers
from tests.e2e.backend import FILE_VARIABLE, topology_under_test
from tests.e2e.kubectl import Kubectl

USER = "vagrant"
SPEAKERS = ("daemonsets", "--all-namespaces", "--selector=app=metallb,component=speaker")

Host = Any
"""A testinfra host."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if FILE_VARIABLE not in os.environ:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="not run: there is no lab under test; use `lab test`"))


@pytest.fixture(scope="session")
def topology() -> Topology:
    return topology_under_test()


@pytest.fixture(scope="session")
def on(topology: Topology) -> Callable[[str], Host]:
    """Return the machine of a name, as a testinfra host."""
    hosts: dict[str, Host] = {
        machine.name: testinfra.get_host(f"lab://{machine.name}") for machine in topology.machines
    }
    return hosts.__getitem__


@pytest.fixture(scope="session")
def router(on: Callable[[str], Host], topology: Topology) -> Host:
    return on(topology.router.name)


@pytest.fixture(scope="session")
def client(on: Callable[[str], Host], topology: Topology) -> Host:
    return on(topology.client.name)


@pytest.fixture(scope="session")
def kubectl(topology: Topology) -> Kubectl:
    return Kubectl(testinfra.get_host(f"lab://{topology.client.name}", user=USER))


@pytest.fixture(scope="session")
def speakers(kubectl: Kubectl) -> bool:
    """Whether a load balancer runs in the cluster."""
    return bool(kubectl.json("get", *SPEAKERS)["items"])


@pytest.fixture(scope="session")
def load_balancer(speakers: bool) -> None:
    if not speakers:
        pytest.skip("not run: no load balancer is installed")


@pytest.fixture(scope="module")
def shared_namespace(load_balancer: None, kubectl: Kubectl) -> Iterator[str]:
    """A namespace for the tests of one file, gone afterwards with all that is in it."""
    name = f"e2e-{uuid4().hex[:6]}"
    kubectl("create", "namespace", name)
    yield name
    kubectl("delete", "namespace", name)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrize `machine`, `node` and `pool_subnet` from the topology under test."""
    if FILE_VARIABLE not in os.environ:
        return
    lab = topology_under_test()
    values = {
        "machine": lab.machines,
        "node": (lab.control_plane, *lab.workers),
        "pool_subnet": tuple(lab.pool_subnets()),
    }
    for name, objects in values.items():
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, objects, ids=lambda value: getattr(value, "name", str(value)))


@pytest.fixture(scope="module")
def announcers(on: Callable[[str], Host], topology: Topology, speakers: bool) -> Iterator[Announcers]:
    """Every worker announces the first address of the pool and answers on it; gone again afterwards."""
    if speakers:
        pytest.skip(
            "not run: the load balancer has the workers' sessions; test_load_balancer asks it instead"
        )
    stand_ins = Announcers(topology, on)
    stand_ins.start()
    yield stand_ins
    stand_ins.stop()
