"""What virtual machines need of this host: every trap that people fell into, each a function of facts, with the exact fix."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

from lab.machines.port import Finding, Severity
from lab.machines.vagrant.data import PROCESSORS
from lab.machines.vagrant.facts import Facts, Version, gather
from lab.render.vagrant import MANAGEMENT_SUBNET, domain_prefix
from lab.topology.model import Acceleration, Hypervisor, Topology

OLDEST_VAGRANT: Final = (2, 3, 4)
OLDEST_PLUGIN: Final = (0, 11, 0)
OLDEST_VIRTUALBOX: Final = (6, 1, 28)
NEWER_VIRTUALBOX: Final = {(7, 1): (2, 4, 2), (7, 2): (2, 4, 8)}
"""From this VirtualBox on, Vagrant must be at least that."""
VIRTUALBOX_NAT: Final = IPv4Network("10.0.2.0/24")
"""Where every machine has the address 10.0.2.15 (VirtualBox's NAT)."""
HOST_ONLY: Final = IPv4Network("192.168.56.0/21")
"""What VirtualBox allows host-only networks from 6.1.28 on, unless networks.conf says otherwise."""
OTHER_HYPERVISORS: Final = {
    Hypervisor.LIBVIRT: ("vboxdrv",),
    Hypervisor.VIRTUALBOX: PROCESSORS,
}
TRANSLATIONS: Final = 1 << 30
"""Bytes of translated code that QEMU keeps for each emulated machine, at most, and an eighth of the host's memory."""
DISK_PER_MACHINE: Final = 1 << 30
"""Bytes; the box takes as much once."""
CLOSED: Final = ("permission denied", "authentication", "polkit")
"""What libvirt says to a user who is not in its group."""
INSTALL: Final = "apt-get install --no-install-recommends"


class VagrantHost:
    """This host, as a lab of virtual machines needs it (implements the port `Host`)."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology

    @cached_property
    def _facts(self) -> Facts:
        return gather(self._topology.vagrant)

    def findings(self) -> Iterator[Finding]:
        yield from judge(self._facts, self._topology)

    def make_ready(self, say: Callable[[str], None]) -> None:
        """Change nothing of the host; say how fast the machines will be."""
        if self._topology.vagrant.provider is Hypervisor.LIBVIRT:
            say(f"processor: {acceleration(self._facts, self._topology).detail}")


def judge(facts: Facts, topology: Topology) -> Iterator[Finding]:
    """Yield what each trap's function has to say; a function that does not concern the provider says nothing."""
    for trap in TRAPS:
        finding = trap(facts, topology)
        if finding:
            yield finding


def _good(check: str, detail: str) -> Finding:
    return Finding(check=check, severity=Severity.OK, detail=detail)


def _bad(check: str, detail: str, fix: str, severity: Severity = Severity.FAILURE) -> Finding:
    return Finding(check=check, severity=severity, detail=detail, fix=fix)


def _text(version: Version) -> str:
    return ".".join(str(part) for part in version)


def _is(topology: Topology, hypervisor: Hypervisor) -> bool:
    return topology.vagrant.provider is hypervisor


def vagrant(facts: Facts, topology: Topology) -> Finding:
    del topology
    if facts.vagrant is None:
        return _bad("vagrant", "it is not installed", f"{INSTALL} vagrant")
    if facts.vagrant < OLDEST_VAGRANT:
        detail = f"{_text(facts.vagrant)} is too old: at least {_text(OLDEST_VAGRANT)}"
        return _bad("vagrant", detail, "install Debian 12's package, or HashiCorp's")
    return _good("vagrant", _text(facts.vagrant))


def plugin(facts: Facts, topology: Topology) -> Finding | None:
    if not _is(topology, Hypervisor.LIBVIRT) or facts.vagrant is None:
        return None
    found = facts.plugins.get("vagrant-libvirt")
    if found is None:
        detail = "Vagrant has no plugin vagrant-libvirt"
        return _bad(
            "vagrant-libvirt",
            detail,
            f"{INSTALL} vagrant-libvirt (Debian), or vagrant plugin install vagrant-libvirt",
        )
    if found < OLDEST_PLUGIN:
        detail = f"{_text(found)} is too old: at least {_text(OLDEST_PLUGIN)}"
        return _bad("vagrant-libvirt", detail, "vagrant plugin update vagrant-libvirt")
    return _good("vagrant-libvirt", _text(found))


def programs(facts: Facts, topology: Topology) -> Finding:
    wanted = {"ssh": "openssh-client"}
    if _is(topology, Hypervisor.LIBVIRT):
        wanted |= {"virsh": "libvirt-daemon-system libvirt-clients", "qemu-system-x86_64": "qemu-system-x86"}
    if topology.vagrant.box is None and not facts.box:
        wanted |= {"mmdebstrap": "mmdebstrap", "qemu-img": "qemu-utils"}
    missing = [tool for tool in wanted if tool not in facts.tools]
    if missing:
        packages = " ".join(wanted[tool] for tool in missing)
        return _bad("programs", f"missing: {', '.join(missing)}", f"{INSTALL} {packages}")
    return _good("programs", ", ".join(wanted))


def libvirt_answers(facts: Facts, topology: Topology) -> Finding | None:
    if not _is(topology, Hypervisor.LIBVIRT) or "virsh" not in facts.tools:
        return None
    if facts.libvirt_error:
        # The socket is there and closed to this user, or it is not there at all.
        is_closed = any(word in facts.libvirt_error.lower() for word in CLOSED)
        user = os.environ.get("USER", "$USER")
        fix = f"adduser {user} libvirt, then log in again" if is_closed else "systemctl start libvirtd"
        return _bad("libvirt", facts.libvirt_error, fix)
    return _good("libvirt", "it answers")


def networks_are_active(facts: Facts, topology: Topology) -> Finding | None:
    if not _is(topology, Hypervisor.LIBVIRT):
        return None
    ours = [name for name in facts.inactive_networks if name.startswith(domain_prefix(topology.name))]
    if ours:
        fix = "; ".join(f"virsh --connect qemu:///system net-start {name}" for name in ours)
        detail = f"defined and not active: {', '.join(ours)}"
        return _bad("libvirt networks", detail, fix)
    return _good("libvirt networks", "none of the lab's is inactive")


def machines_get_an_address(facts: Facts, topology: Topology) -> Finding | None:
    """vagrant-libvirt's endless “Waiting for domain to get an IP address…”."""
    if not _is(topology, Hypervisor.LIBVIRT):
        return None
    if "dnsmasq" not in facts.tools:
        detail = "libvirt has no dnsmasq, so Vagrant would wait for an address without end"
        return _bad("management addresses", detail, f"{INSTALL} dnsmasq-base")
    if facts.forward_policy_drops:
        detail = (
            "bridged frames pass iptables (br_netfilter), which drops them: machines do not see each other"
        )
        fix = "sysctl net.bridge.bridge-nf-call-iptables=0"
        return _bad("management addresses", detail, fix)
    return _good("management addresses", f"by libvirt's DHCP on {MANAGEMENT_SUBNET}")


def is_emulated(facts: Facts, topology: Topology) -> bool:
    return topology.vagrant.acceleration is Acceleration.EMULATION or not facts.kvm


def acceleration(facts: Facts, topology: Topology) -> Finding:
    wanted = topology.vagrant.acceleration
    if wanted is Acceleration.EMULATION:
        return _good("processor", "software emulation, as lab.yml asks: several times slower than KVM")
    if facts.kvm:
        return _good("processor", "KVM")
    other = next((m for m in sorted(facts.modules) if m.startswith("kvm_") and m not in PROCESSORS), None)
    why = f"KVM's {other} runs only kernels made for it" if other else "no usable /dev/kvm"
    detail = f"{why}: software emulation, several times slower"
    fix = (
        "enable nested virtualisation where this host is a machine itself"
        if other
        else "enable virtualisation in the firmware, and adduser $USER kvm"
    )
    return _bad(
        "processor", detail, fix, Severity.FAILURE if wanted is Acceleration.KVM else Severity.WARNING
    )


def one_hypervisor(facts: Facts, topology: Topology) -> Finding:
    loaded = [m for m in OTHER_HYPERVISORS[topology.vagrant.provider] if m in facts.modules]
    if loaded:
        detail = (
            f"another hypervisor's kernel module is loaded: {', '.join(loaded)}; only one has the processor"
        )
        return _bad("one hypervisor", detail, f"modprobe --remove {' '.join(loaded)}", Severity.WARNING)
    return _good("one hypervisor", "no other one is loaded")


def management_subnet_is_free(facts: Facts, topology: Topology) -> Finding | None:
    if not _is(topology, Hypervisor.LIBVIRT):
        return None
    management = ip_network(MANAGEMENT_SUBNET)
    # A bridge of libvirt's is the management network itself, or another lab's of the same address.
    clashing = [r for r in facts.routes if r.subnet.overlaps(management) and not r.device.startswith("virbr")]
    if clashing:
        where = ", ".join(f"{route.subnet} ({route.device})" for route in clashing)
        fix = f"ip route del {clashing[0].subnet} dev {clashing[0].device}, if nothing needs it"
        return _bad("host routes", f"{MANAGEMENT_SUBNET}, Vagrant's way in, is in use here: {where}", fix)
    return _good("host routes", f"{MANAGEMENT_SUBNET} is free")


def lab_subnets_are_apart(facts: Facts, topology: Topology) -> Finding:
    """Inside a machine, the lab's networks stand beside the one that the hypervisor adds."""
    del facts
    added = VIRTUALBOX_NAT if _is(topology, Hypervisor.VIRTUALBOX) else ip_network(MANAGEMENT_SUBNET)
    subnets: list[IPv4Network | IPv6Network] = [s for network in topology.networks for s in network.subnets]
    subnets += [
        *topology.pool_subnets(),
        *topology.kubernetes.pod_subnets,
        *topology.kubernetes.service_subnets,
    ]
    clashing = [str(subnet) for subnet in subnets if subnet.overlaps(added)]
    if clashing:
        detail = f"{', '.join(clashing)} overlaps {added}, which each machine has on its first interface"
        return _bad("subnets", detail, "choose other subnets in lab.yml")
    return _good("subnets", f"apart from {added}, the machines' first interface")


def first_interface(facts: Facts, topology: Topology) -> Finding | None:
    del facts
    if not _is(topology, Hypervisor.VIRTUALBOX):
        return None
    return _good(
        "10.0.2.15",
        "all machines have it on their first interface; the lab uses the others, found by MAC address",
    )


def virtualbox(facts: Facts, topology: Topology) -> Finding | None:
    if not _is(topology, Hypervisor.VIRTUALBOX):
        return None
    if facts.virtualbox is None:
        return _bad(
            "VirtualBox", "it is not installed", "install it, or `vagrant: {provider: libvirt}` in lab.yml"
        )
    if facts.virtualbox_warning:
        fix = "/sbin/vboxconfig, or what its message names; with Secure Boot, its modules have to be signed"
        return _bad("VirtualBox", facts.virtualbox_warning, fix)
    if facts.virtualbox < OLDEST_VIRTUALBOX:
        detail = f"{_text(facts.virtualbox)} is too old: at least {_text(OLDEST_VIRTUALBOX)}"
        return _bad("VirtualBox", detail, "install a newer one")
    for series, oldest in NEWER_VIRTUALBOX.items():
        if facts.virtualbox >= series and facts.vagrant and facts.vagrant < oldest:
            detail = f"Vagrant {_text(facts.vagrant)} does not know VirtualBox {_text(facts.virtualbox)}"
            return _bad("VirtualBox", detail, f"install Vagrant {_text(oldest)} or newer")
    return _good("VirtualBox", _text(facts.virtualbox))


def host_only_ranges(facts: Facts, topology: Topology) -> Finding | None:
    """The lab's networks are internal ones; who makes them host-only, to reach them from the host, needs the file."""
    if not _is(topology, Hypervisor.VIRTUALBOX):
        return None
    subnets = [s for network in topology.networks for s in network.subnets]
    outside = [s for s in subnets if not (isinstance(s, IPv4Network) and s.subnet_of(HOST_ONLY))]
    if not outside or facts.networks_conf is not None:
        return _good("networks.conf", facts.networks_conf or "not needed")
    line = "* " + " ".join(str(subnet) for subnet in outside)
    detail = f"not needed: the lab's networks are internal. As host-only ones they would need: echo '{line}' >> /etc/vbox/networks.conf"
    return _good("networks.conf", detail)


def box_is_there(facts: Facts, topology: Topology) -> Finding:
    settings = topology.vagrant
    if settings.box:
        return _good("box", f"{settings.box} {settings.box_version}")
    if facts.box:
        return _good("box", "the lab's own, built")
    return _bad(
        "box",
        "the lab's own is not built yet",
        "lab box build (as root, one to two minutes)",
        Severity.WARNING,
    )


def interfaces_can_be_made(facts: Facts, topology: Topology) -> Finding | None:
    if not _is(topology, Hypervisor.LIBVIRT):
        return None
    if not facts.tun:
        detail = "there is no /dev/net/tun, by which QEMU gives machines their interfaces"
        return _bad("interfaces", detail, "modprobe tun; in a container: --device /dev/net/tun")
    return _good("interfaces", "/dev/net/tun")


def disk(facts: Facts, topology: Topology) -> Finding:
    wanted = (len(topology.machines) + 1) * DISK_PER_MACHINE
    detail = f"{facts.disk >> 20} MiB free for disks, the machines may use {wanted >> 20} MiB"
    if facts.disk < wanted:
        return _bad("disk", detail, "make room, or `vagrant box prune`", Severity.WARNING)
    return _good("disk", detail)


def memory(facts: Facts, topology: Topology) -> Finding:
    wanted = sum(topology.vagrant.sizes[machine.role].memory for machine in topology.machines)
    if _is(topology, Hypervisor.LIBVIRT) and is_emulated(facts, topology):
        wanted += len(topology.machines) * (min(TRANSLATIONS, facts.all_memory // 8) >> 20)
    available = facts.memory >> 20
    detail = f"{available} MiB available, the machines may use {wanted} MiB"
    if available < wanted:
        return _bad("memory", detail, "smaller `vagrant: {memory: …}` or fewer workers", Severity.WARNING)
    return _good("memory", detail)


TRAPS: Final[tuple[Callable[[Facts, Topology], Finding | None], ...]] = (
    vagrant,
    plugin,
    programs,
    libvirt_answers,
    networks_are_active,
    machines_get_an_address,
    interfaces_can_be_made,
    virtualbox,
    acceleration,
    one_hypervisor,
    management_subnet_is_free,
    lab_subnets_are_apart,
    first_interface,
    host_only_ranges,
    box_is_there,
    memory,
    disk,
)
