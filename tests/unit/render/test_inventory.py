"""The inventory of the default lab, as values made by hand, against its golden file."""

from __future__ import annotations

import json
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path

from lab.render.inventory import inventory
from lab.topology.model import (
    Asn,
    Bgp,
    Interface,
    Kubernetes,
    LoadBalancer,
    Machine,
    MachineName,
    Network,
    NetworkName,
    Pool,
    Role,
    Topology,
)
from lab.topology.naming import mac_address, worker_name

GOLDEN = Path(__file__).parents[2] / "golden/labs/lab.inventory.json"


def machine(name: str, role: Role, **addresses: str) -> Machine:
    interfaces = tuple(
        Interface(
            network=NetworkName(network.replace("_", "-")),
            addresses=(IPv4Interface(address),),
            mac=mac_address("lab", name, network.replace("_", "-")),
        )
        for network, address in addresses.items()
    )
    return Machine(name=MachineName(name), role=role, interfaces=interfaces)


LAB = Topology(
    name="lab",
    networks=(
        Network(name=NetworkName("k8s-network"), subnets=(IPv4Network("10.0.0.0/24"),)),
        Network(name=NetworkName("client-network"), subnets=(IPv4Network("172.16.0.0/24"),)),
    ),
    router=machine("router", Role.ROUTER, k8s_network="10.0.0.1/24", client_network="172.16.0.1/24"),
    control_plane=machine("k8s-master", Role.CONTROL_PLANE, k8s_network="10.0.0.10/24"),
    workers=tuple(
        machine(worker_name("k8s-worker", n), Role.WORKER, k8s_network=f"10.0.0.{50 + n}/24")
        for n in (1, 2, 3)
    ),
    client=machine("client", Role.CLIENT, client_network="172.16.0.10/24"),
    bgp=Bgp(router_asn=Asn(11000), cluster_asn=Asn(22000)),
    load_balancer=LoadBalancer(
        pools=(Pool(name="my-ip-space", addresses=(IPv4Network("172.16.254.0/24"),), avoid_buggy_ips=True),)
    ),
    kubernetes=Kubernetes(
        pod_subnets=(IPv4Network("10.244.0.0/16"),), service_subnets=(IPv4Network("10.96.0.0/12"),)
    ),
)


def test_inventory_of_the_default_lab():
    assert inventory(LAB) == json.loads(GOLDEN.read_text())


def test_values_are_plain_json():
    assert json.loads(json.dumps(inventory(LAB))) == inventory(LAB)
