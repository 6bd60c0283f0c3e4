from __future__ import annotations

import json

from lab.machines.containers.spec import MachineSpec
from lab.machines.containers.specs import machine_specs
from tests.unit.topologies import default_lab

IFNAMSIZ = 15


def test_a_spec_survives_the_socket() -> None:
    for spec in machine_specs(default_lab()):
        again = MachineSpec.from_json(json.loads(json.dumps(spec.to_json())))
        assert again == spec
        assert again.digest() == spec.digest()


def test_cables_have_names_of_their_own_that_the_kernel_takes() -> None:
    ports = [nic.port for spec in machine_specs(default_lab()) for nic in spec.nics]
    assert len(set(ports)) == len(ports)
    assert all(len(port) <= IFNAMSIZ for port in ports)


def test_the_router_has_both_networks_in_the_order_of_the_article() -> None:
    router = machine_specs(default_lab())[0]
    assert [(nic.name, nic.network) for nic in router.nics] == [
        ("enp0s8", "k8s-network"),
        ("enp0s9", "client-network"),
    ]


def test_netplan_has_addresses_and_no_routes() -> None:
    spec = machine_specs(default_lab())[0]
    ethernets = json.loads(spec.files["etc/netplan/50-lab.yaml"])["network"]["ethernets"]
    assert ethernets["enp0s8"]["addresses"] == ["10.0.0.1/24"]
    assert not any("routes" in ethernet for ethernet in ethernets.values())
