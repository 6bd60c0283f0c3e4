"""The two networks meet at the router and nowhere else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

from lab.topology.model import Machine, Subnet, Topology

HOPS_AWAY_TTL = 63
"""64, less the router's one hop."""


def _route(host: Any, destination: str) -> dict[str, Any]:
    family = "-6" if ":" in destination else "-4"
    route: dict[str, Any] = json.loads(host.check_output("ip %s -json route get %s", family, destination))[0]
    return route


def test_client_routes_to_the_cluster_through_the_router(client: Any, topology: Topology) -> None:
    far, near = topology.client_network.name, topology.cluster_network.name
    gateways = [str(address.ip) for address in topology.router.interface(far).addresses]
    for address, gateway in zip(topology.control_plane.interface(near).addresses, gateways, strict=True):
        assert _route(client, str(address.ip))["gateway"] == gateway


def test_client_routes_to_the_pool_through_the_router(
    client: Any, topology: Topology, pool_subnet: Subnet
) -> None:
    far = topology.client_network.name
    gateways = {str(address.ip) for address in topology.router.interface(far).addresses}
    assert _route(client, str(next(pool_subnet.hosts())))["gateway"] in gateways


def test_client_reaches_the_node_one_hop_away(client: Any, node: Machine, topology: Topology) -> None:
    for address in node.interface(topology.cluster_network.name).addresses:
        said = client.check_output("ping -n -c 1 -W 2 %s", str(address.ip))
        assert re.search(rf"ttl={HOPS_AWAY_TTL}\b", said)


def test_node_reaches_the_client(on: Callable[[str], Any], node: Machine, topology: Topology) -> None:
    for address in topology.client.interface(topology.client_network.name).addresses:
        assert on(node.name).run("ping -n -c 1 -W 2 %s", str(address.ip)).rc == 0


def test_client_has_no_way_around_the_router(client: Any, topology: Topology) -> None:
    """Of its interfaces, one is on a network of the lab; a hypervisor may have added its own."""
    subnets = [subnet for network in topology.networks for subnet in network.subnets]
    links = json.loads(client.check_output("ip -json address"))
    found = [
        link["address"]
        for link in links
        if any(ip_address(a["local"]) in subnet for a in link["addr_info"] for subnet in subnets)
    ]
    assert found == [topology.client.interface(topology.client_network.name).mac]
