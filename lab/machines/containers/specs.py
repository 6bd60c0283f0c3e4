"""From the topology to what the supervisor is told: cables, names, and the files that a fresh machine needs.

The naming law: bridges are `br0`, `br1` in the order of lab.yml; a machine's interfaces are `enp0s8`, `enp0s9`,
as VirtualBox would call the second and third network card; the switch's end of a cable is `m<machine>p<interface>`,
both counted from 0, with the readable name as its alias.
"""

from __future__ import annotations

import json

from lab.machines.containers.spec import MachineSpec, NicSpec
from lab.topology.model import Interface, Machine, Topology

FIRST_SLOT = 8


def machine_specs(topology: Topology) -> list[MachineSpec]:
    """Return what each machine of `topology` is, in its order."""
    bridges = {network.name: f"br{index}" for index, network in enumerate(topology.networks)}
    specs = []
    for number, machine in enumerate(topology.machines):
        nics = tuple(
            NicSpec(
                network=interface.network,
                bridge=bridges[interface.network],
                port=f"m{number}p{index}",
                name=nic_name(index),
                mac=interface.mac,
            )
            for index, interface in enumerate(machine.interfaces)
        )
        specs.append(MachineSpec(name=machine.name, nics=nics, files=_files(machine)))
    return specs


def nic_name(index: int) -> str:
    """Return the name of a machine's interface number `index`, from 0."""
    return f"enp0s{FIRST_SLOT + index}"


def _files(machine: Machine) -> dict[str, str]:
    return {
        "etc/hostname": f"{machine.name}\n",
        "etc/netplan/50-lab.yaml": _netplan(machine),
    }


def _netplan(machine: Machine) -> str:
    """Addresses only: routes are the roles' business, as on any other provider. JSON is YAML."""
    ethernets = {nic_name(index): _ethernet(nic) for index, nic in enumerate(machine.interfaces)}
    network = {"version": 2, "renderer": "networkd", "ethernets": ethernets}
    return json.dumps({"network": network}, indent=2) + "\n"


def _ethernet(interface: Interface) -> dict[str, object]:
    families = {address.version for address in interface.addresses}
    return {
        "addresses": [str(address) for address in interface.addresses],
        "link-local": ["ipv6"] if 6 in families else [],  # a router asks for neighbours from this address
        "accept-ra": False,
    }
