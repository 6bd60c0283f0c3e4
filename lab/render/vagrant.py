"""The data that the Vagrantfile loops over, from the topology: machines, sizes, boxes, networks, addresses.

Nothing of the machine's own network is left to Vagrant: it would find interfaces by number. A script that Vagrant runs
once on the fresh machine finds them by MAC address, names the machine, and writes the addresses, nothing else: routes
are the roles' business, as on any other provider.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from lab.render.templates import render
from lab.topology.model import Hypervisor, Interface, Machine, Size, Topology

Json = dict[str, Any]

MANAGEMENT_SUBNET: Final = "192.168.121.0/24"
"""Where Vagrant reaches libvirt's machines; vagrant-libvirt's own default."""
MANAGEMENT: Final = "management"
BOOT_TIMEOUT: Final = 600
"""Seconds: ten machines under emulation on two processors take four minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What the host decides, not the topology."""

    box: str
    box_version: str
    box_url: str | None = None
    """Where Vagrant finds the box; None for the public catalogue."""
    box_checksum: str | None = None
    own_box: bool = True
    """Whether the box has everything, so that the machines need no way out."""
    kvm: bool = False
    file: str
    """The topology file."""
    reach: str
    """The directory for what Vagrant tells of each machine's address and key."""
    consoles: str
    """The directory for what the machines write to their serial consoles."""
    departed: Sequence[str] = ()
    """Machines that exist and are in the topology no more."""
    farewells: Mapping[str, Sequence[Sequence[str]]] = field(default_factory=dict)
    """What ends the connections that `lab` keeps open to each machine."""


def vagrant(topology: Topology, setting: Setting) -> Json:
    """Return the data: plain JSON, ready for Ruby."""
    provider = topology.vagrant.provider
    return {
        "lab": topology.name,
        "file": setting.file,
        "provider": provider.value,
        "box": {
            "name": setting.box,
            "version": setting.box_version,
            "url": setting.box_url,
            "checksum": setting.box_checksum and setting.box_checksum.removeprefix("sha256:"),
        },
        "insert_key": not setting.own_box,
        "boot_timeout": BOOT_TIMEOUT,
        "reach": setting.reach,
        "machines": [_machine(topology, machine, setting) for machine in topology.machines],
        "departed": list(setting.departed),
        "farewells": {name: [list(argv) for argv in each] for name, each in setting.farewells.items()},
    }


def _machine(topology: Topology, machine: Machine, setting: Setting) -> Json:
    size = topology.vagrant.sizes[machine.role]
    return {
        "name": machine.name,
        "role": machine.role.value,
        "libvirt": _libvirt(topology, size, setting),
        "console": f"{setting.consoles}/{machine.name}.console",
        "virtualbox": _virtualbox(topology, machine, size),
        "networks": [_network(topology, interface) for interface in machine.interfaces],
        "script": script(machine),
    }


def domain_prefix(lab: str) -> str:
    """Return what the names of the lab's libvirt domains begin with."""
    return f"lab-{lab}-"


def network_names(topology: Topology) -> list[str]:
    """Return the names of the lab's libvirt networks."""
    return [
        f"{domain_prefix(topology.name)}{name}" for name in (MANAGEMENT, *(n.name for n in topology.networks))
    ]


def _libvirt(topology: Topology, size: Size, setting: Setting) -> Json:
    """Return the settings of vagrant-libvirt by name."""
    emulated: Json = {"cpu_mode": "custom", "cpu_model": "qemu64", "cpu_fallback": "allow", "nested": False}
    return {
        "driver": "kvm" if setting.kvm else "qemu",
        **({"cpu_mode": "host-passthrough"} if setting.kvm else emulated),
        "machine_type": "pc",
        "memory": size.memory,
        "cpus": size.cpus,
        "default_prefix": domain_prefix(topology.name),
        "graphics_type": "none",
        "memballoon_enabled": False,
        "nic_model_type": "virtio",
        "management_network_name": f"{domain_prefix(topology.name)}{MANAGEMENT}",
        "management_network_address": MANAGEMENT_SUBNET,
        "management_network_mode": "none" if setting.own_box else "nat",
    }


def _virtualbox(topology: Topology, machine: Machine, size: Size) -> Json:
    return {
        "name": f"{domain_prefix(topology.name)}{machine.name}",
        "memory": size.memory,
        "cpus": size.cpus,
        "linked_clone": True,
        "check_guest_additions": False,
        # The box's kernel has no driver for VirtualBox's own choice. This counts for Vagrant's adapter too.
        "default_nic_type": "virtio",
    }


def _network(topology: Topology, interface: Interface) -> Json:
    """Return the options of Vagrant's private network: a switch that the host has no address on."""
    name = f"{domain_prefix(topology.name)}{interface.network}"
    common = {"ip": str(interface.addresses[0].ip), "auto_config": False}
    if topology.vagrant.provider is Hypervisor.VIRTUALBOX:
        # Internal networks: /etc/vbox/networks.conf limits only host-only ones.
        return common | {
            "mac": interface.mac.replace(":", "").upper(),
            "virtualbox__intnet": name,
        }
    return common | {
        "mac": interface.mac,
        "netmask": str(interface.addresses[0].netmask),
        "libvirt__network_name": name,
        "libvirt__forward_mode": "veryisolated",
        "libvirt__dhcp_enabled": False,
        "libvirt__guest_ipv6": "yes",
    }


def script(machine: Machine) -> str:
    """Return the shell script that gives a fresh machine its name and its addresses."""
    return render("first-boot.sh.j2", machine=machine)


def netplan(machine: Machine) -> str:
    """Return the machine's netplan file, with `$(device MAC)` where the kernel's name of an interface belongs."""
    return render("netplan.yaml.j2", machine=machine)
