"""Every trap: the facts that spring it, and the words that mend it. Then: facts that spring none."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

import pytest

from lab.machines.port import Finding, Severity
from lab.machines.vagrant import host
from lab.machines.vagrant.facts import TOOLS, Facts, Route, plugins, routes, version
from lab.topology.model import Acceleration, Hypervisor, Topology
from tests.unit.topologies import default_lab

WELL = Facts(
    vagrant=(2, 4, 9),
    plugins={"vagrant-libvirt": (0, 12, 2)},
    tools=frozenset(TOOLS),
    kvm=True,
    virtualbox=(7, 1, 4),
    routes=[Route(subnet=ip_network("192.168.121.0/24"), device="virbr3")],
    box=True,
    tun=True,
    memory=32 << 30,
    all_memory=64 << 30,
    disk=64 << 30,
)


def lab(
    provider: Hypervisor = Hypervisor.LIBVIRT, acceleration: Acceleration = Acceleration.AUTO
) -> Topology:
    topology = default_lab()
    settings = replace(topology.vagrant, provider=provider, acceleration=acceleration)
    return replace(topology, vagrant=settings)


def with_cluster_network(subnet: str, provider: Hypervisor = Hypervisor.LIBVIRT) -> Topology:
    topology = lab(provider)
    cluster, client = topology.networks
    return replace(topology, networks=(replace(cluster, subnets=(ip_network(subnet),)), client))


LIBVIRT = lab()
VIRTUALBOX = lab(Hypervisor.VIRTUALBOX)
TRAPS = {
    "no Vagrant": (replace(WELL, vagrant=None), LIBVIRT, "apt-get install"),
    "an old Vagrant": (replace(WELL, vagrant=(2, 2, 19)), LIBVIRT, "HashiCorp"),
    "no plugin": (replace(WELL, plugins={}), LIBVIRT, "vagrant plugin install vagrant-libvirt"),
    "an old plugin": (replace(WELL, plugins={"vagrant-libvirt": (0, 7, 0)}), LIBVIRT, "plugin update"),
    "no QEMU": (replace(WELL, tools=WELL.tools - {"qemu-system-x86_64"}), LIBVIRT, "qemu-system-x86"),
    "no ssh": (replace(WELL, tools=WELL.tools - {"ssh"}), LIBVIRT, "openssh-client"),
    "nothing to build the box with": (
        replace(WELL, box=False, tools=WELL.tools - {"mmdebstrap"}),
        LIBVIRT,
        "mmdebstrap",
    ),
    "libvirt does not answer": (replace(WELL, libvirt_error="Failed to connect"), LIBVIRT, "start libvirtd"),
    "an inactive network": (
        replace(WELL, inactive_networks=["default", "lab-lab-management"]),
        LIBVIRT,
        "virsh --connect qemu:///system net-start lab-lab-management",
    ),
    "waiting for an address without end": (
        replace(WELL, tools=WELL.tools - {"dnsmasq"}),
        LIBVIRT,
        "dnsmasq-base",
    ),
    "Docker drops bridged frames": (
        replace(WELL, forward_policy_drops=True),
        LIBVIRT,
        "bridge-nf-call-iptables=0",
    ),
    "no interfaces for QEMU": (replace(WELL, tun=False), LIBVIRT, "modprobe tun"),
    "KVM wanted and not there": (replace(WELL, kvm=False), lab(acceleration=Acceleration.KVM), "firmware"),
    "a host route in the way": (
        replace(WELL, routes=[Route(subnet=ip_network("192.168.0.0/16"), device="tun0")]),
        LIBVIRT,
        "192.168.0.0/16 dev tun0",
    ),
    "a subnet that the first interface has": (WELL, with_cluster_network("192.168.121.0/25"), "lab.yml"),
    "10.0.2.15 twice": (WELL, with_cluster_network("10.0.2.0/24", Hypervisor.VIRTUALBOX), "lab.yml"),
    "no VirtualBox": (replace(WELL, virtualbox=None), VIRTUALBOX, "provider: libvirt"),
    "an old VirtualBox": (replace(WELL, virtualbox=(6, 1, 26)), VIRTUALBOX, "newer"),
    "a VirtualBox too new for Vagrant": (replace(WELL, vagrant=(2, 3, 4)), VIRTUALBOX, "2.4.2"),
}
CAVEATS = {
    "no KVM": (replace(WELL, kvm=False), LIBVIRT, "firmware"),
    "a KVM for kernels of its own": (
        replace(WELL, kvm=False, modules=frozenset({"kvm", "kvm_pvm"})),
        LIBVIRT,
        "nested virtualisation",
    ),
    "VirtualBox beside KVM": (
        replace(WELL, modules=frozenset({"kvm", "vboxdrv"})),
        LIBVIRT,
        "modprobe --remove vboxdrv",
    ),
    "KVM beside VirtualBox": (
        replace(WELL, modules=frozenset({"kvm", "kvm_amd"})),
        VIRTUALBOX,
        "modprobe --remove kvm_amd",
    ),
    "no box": (replace(WELL, box=False), LIBVIRT, "lab box build"),
    "little memory": (replace(WELL, memory=4 << 30), LIBVIRT, "fewer workers"),
    "enough memory, but not for what QEMU translates": (
        replace(WELL, memory=12 << 30),
        lab(acceleration=Acceleration.EMULATION),
        "fewer workers",
    ),
    "little disk": (replace(WELL, disk=4 << 30), LIBVIRT, "vagrant box prune"),
}


def found(facts: Facts, topology: Topology, severity: Severity) -> list[Finding]:
    return [finding for finding in host.judge(facts, topology) if finding.severity is severity]


@pytest.mark.parametrize("name", TRAPS)
def test_a_trap_is_seen_alone_and_says_how_to_mend_it(name: str) -> None:
    facts, topology, fix = TRAPS[name]
    (finding,) = found(facts, topology, Severity.FAILURE)
    assert fix in finding.fix


@pytest.mark.parametrize("name", CAVEATS)
def test_a_caveat_is_a_warning(name: str) -> None:
    facts, topology, fix = CAVEATS[name]
    (finding,) = found(facts, topology, Severity.WARNING)
    assert fix in finding.fix
    assert not found(facts, topology, Severity.FAILURE)


@pytest.mark.parametrize("topology", [LIBVIRT, VIRTUALBOX], ids=["libvirt", "virtualbox"])
def test_a_good_host_has_no_finding_to_mend(topology: Topology) -> None:
    assert {finding.severity for finding in host.judge(WELL, topology)} == {Severity.OK}


def test_virtualbox_is_told_the_exact_line_for_host_only_networks() -> None:
    findings = {finding.check: finding.detail for finding in host.judge(WELL, VIRTUALBOX)}
    assert "echo '* 10.0.0.0/24 172.16.0.0/24' >> /etc/vbox/networks.conf" in findings["networks.conf"]
    assert "10.0.2.15" in findings


def test_what_programs_say_is_read() -> None:
    assert version("Vagrant 2.3.4\n") == (2, 3, 4)
    assert version("7.1.4r165100\n") == (7, 1, 4)
    assert version("") is None
    assert plugins("vagrant-libvirt (0.11.2, system)\nvagrant-foo (1.0, global)\n") == {
        "vagrant-libvirt": (0, 11, 2),
        "vagrant-foo": (1, 0),
    }
    said = '[{"dst":"default","gateway":"10.1.1.1","dev":"eth0"},{"dst":"10.1.1.0/24","dev":"eth0"}]'
    assert routes(said) == [Route(subnet=ip_network("10.1.1.0/24"), device="eth0")]
    assert routes("") == []
