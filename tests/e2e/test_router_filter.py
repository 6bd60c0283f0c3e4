"""The router believes the cluster single addresses of the pools, and nothing else that the load balancer announces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lab.topology.model import Topology
from tests.e2e.eventually import wait_until
from tests.e2e.kubectl import Kubectl, Object
from tests.e2e.routes import kernel_next_hops
from tests.e2e.web import Web

NAME = "e2e-not-for-the-router"
FOREIGN = "10.66.0.0/24"
WIDE = 28
"""Length of the prefix into which addresses are aggregated."""


@pytest.fixture
def configured(kubectl: Kubectl, load_balancer: None, topology: Topology) -> Iterator[None]:
    """A pool that is not the lab's, announced as it is; the lab's own pool, announced in wide prefixes too."""
    own = topology.load_balancer.pools[0].name
    namespace = kubectl(
        "get",
        "daemonsets",
        "--all-namespaces",
        "--selector=app=metallb",
        "--output=jsonpath={.items[0].metadata.namespace}",
    )
    objects = (
        _object("IPAddressPool", namespace, NAME, {"addresses": [FOREIGN], "autoAssign": False}),
        _object("BGPAdvertisement", namespace, NAME, {"ipAddressPools": [NAME]}),
        _object(
            "BGPAdvertisement",
            namespace,
            f"{NAME}-wide",
            {"ipAddressPools": [own], "aggregationLength": WIDE},
        ),
    )
    kubectl.apply(*objects)
    yield
    for each in objects:
        kubectl("delete", f"--namespace={namespace}", each["kind"].lower(), each["metadata"]["name"])


def _object(kind: str, namespace: str, name: str, spec: Object) -> Object:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "metallb.io/v1beta1", "kind": kind, "metadata": metadata, "spec": spec}


def test_only_single_addresses_of_the_pools_are_believed(
    configured: None, shared_namespace: str, kubectl: Kubectl, router: Any
) -> None:
    web = Web(kubectl, shared_namespace)
    web.deploy(1)
    web.expose("own")
    web.expose("foreign", annotations={"metallb.io/address-pool": NAME})
    own, foreign = web.address("own"), web.address("foreign")
    assert wait_until(lambda: kernel_next_hops(router, own) != set())

    def filtered() -> str:
        return str(router.check_output("birdc show route filtered"))

    assert wait_until(lambda: f"{foreign}/32" in filtered() and f"/{WIDE}" in filtered()), filtered()
    believed = router.check_output("birdc show route; ip route show")
    assert str(foreign) not in believed
    assert f"/{WIDE}" not in believed
    web("delete", "service", "own", "foreign")
