"""Hosts as their programs describe them, word for word: what each says is read, judged, and answered with the fix."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from lab.kits.shell import CommandError
from lab.machines.port import Severity
from lab.machines.vagrant import box, facts
from lab.machines.vagrant.data import kvm_works
from lab.machines.vagrant.facts import TOOLS, gather
from lab.machines.vagrant.host import judge
from lab.topology.model import Hypervisor, Topology
from tests.unit.topologies import default_lab

VAGRANT, PLUGINS = "vagrant --version", "vagrant plugin list"
NETWORKS = "virsh --quiet --connect qemu:///system net-list --inactive --name"
ROUTES = "ip -json route show table main"
FORWARD = "iptables -S FORWARD"
VIRTUALBOX = "VBoxManage --version"
FREE = (
    '[{"dst":"default","gateway":"192.168.1.1","dev":"wlp2s0","protocol":"dhcp","prefsrc":"192.168.1.7",'
    '"metric":600,"flags":[]},{"dst":"192.168.1.0/24","dev":"wlp2s0","protocol":"kernel","scope":"link",'
    '"prefsrc":"192.168.1.7","metric":600,"flags":[]}]'
)
VPN = json.dumps([*json.loads(FREE), {"dst": "192.168.0.0/16", "dev": "tun0", "flags": []}])
MODULE_MISSING = """\
WARNING: The vboxdrv kernel module is not loaded. Either there is no module
         available for the current kernel (3.10.0-957.21.2.el7.x86_64) or it failed to
         load. Please recompile the kernel module and install it by

           sudo /sbin/vboxconfig

         You will not be able to start VMs until this problem is fixed.
7.1.4r165100
"""
SOCKET = "error: failed to connect to the hypervisor\nerror: Failed to connect socket to '/var/run/libvirt/libvirt-sock': "
POLKIT = (
    "error: failed to connect to the hypervisor\nerror: authentication unavailable: no polkit agent available to "
    "authenticate action 'org.libvirt.unix.manage'"
)
DOCKER = "-P FORWARD DROP\n-A FORWARD -j DOCKER-USER\n-A FORWARD -j DOCKER-FORWARD\n"


@dataclass(frozen=True, kw_only=True)
class Host:
    """Programs' answers by command line, and files; what is not said here is as on a good host."""

    says: Mapping[str, str | CommandError] = field(default_factory=dict)
    lacks: frozenset[str] = frozenset()
    files: Mapping[str, str] = field(default_factory=dict)


GOOD: dict[str, str | CommandError] = {
    VAGRANT: "Vagrant 2.4.9\n",
    PLUGINS: "vagrant-libvirt (0.12.2, global)\n",
    NETWORKS: "\n",
    ROUTES: FREE,
    FORWARD: "-P FORWARD ACCEPT\n",
    VIRTUALBOX: "7.1.4r165100\n",
}
MEMORY = "MemTotal: 67108864 kB\nMemAvailable: 33554432 kB\n"
KVM_LOADED = {"sys/module/kvm/refcnt": "0", "sys/module/kvm_intel/refcnt": "0"}
VBOX_LOADED = {"sys/module/vboxdrv/refcnt": "0"}
BRIDGED = {"proc/sys/net/bridge/bridge-nf-call-iptables": "1\n"}

LIBVIRT_HOSTS = {
    "no plugin": (Host(says={PLUGINS: "No plugins installed.\n"}), "plugin install vagrant-libvirt"),
    "an old plugin": (Host(says={PLUGINS: "vagrant-libvirt (0.0.45, global)\n"}), "plugin update"),
    "an old Vagrant": (Host(says={VAGRANT: "Vagrant 2.2.7\n"}), "HashiCorp's"),
    "no daemon": (
        Host(says={NETWORKS: CommandError(f"{SOCKET}No such file or directory")}),
        "systemctl start libvirtd",
    ),
    "not in the group": (
        Host(says={NETWORKS: CommandError(f"{SOCKET}Permission denied")}),
        "libvirt, then log in",
    ),
    "no polkit agent": (Host(says={NETWORKS: CommandError(POLKIT)}), "libvirt, then log in"),
    "an inactive network": (
        Host(says={NETWORKS: "default\nlab-lab-k8s-network\n\n"}),
        "net-start lab-lab-k8s-network",
    ),
    "a route over the management network": (Host(says={ROUTES: VPN}), "ip route del 192.168.0.0/16 dev tun0"),
    "Docker's policy on bridged frames": (
        Host(says={FORWARD: DOCKER}, files=BRIDGED),
        "sysctl net.bridge.bridge-nf-call-iptables=0",
    ),
    "no DHCP server for libvirt": (Host(lacks=frozenset({"dnsmasq"})), "dnsmasq-base"),
    "VirtualBox has the processor": (Host(files=VBOX_LOADED), "modprobe --remove vboxdrv"),
}
VIRTUALBOX_HOSTS = {
    "its module is not loaded": (Host(says={VIRTUALBOX: MODULE_MISSING}), "/sbin/vboxconfig"),
    "an old VirtualBox": (Host(says={VIRTUALBOX: "6.1.26_Debianr145957\n"}), "newer"),
    "a VirtualBox that Vagrant does not know": (
        Host(says={VIRTUALBOX: "7.2.0r170228\n", VAGRANT: "Vagrant 2.4.7\n"}),
        "Vagrant 2.4.8",
    ),
    "KVM has the processor": (Host(files=KVM_LOADED), "modprobe --remove kvm_intel"),
}
HARMLESS = {
    "nothing loads br_netfilter": Host(says={FORWARD: DOCKER}),
    "frames pass iptables, and iptables passes them": Host(files=BRIDGED),
    "another lab's inactive network": Host(says={NETWORKS: "default\nlab-other-k8s-network\n\n"}),
    "libvirt's own bridge on the management network": Host(
        says={ROUTES: '[{"dst":"192.168.121.0/24","dev":"virbr3","flags":["linkdown"]}]'}
    ),
    "a plugin with a constraint": Host(
        says={PLUGINS: "vagrant-libvirt (0.11.2, system)\n  - Version Constraint: > 0\n"}
    ),
}


def findings(
    host: Host, provider: Hypervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """Return what is wrong with the host: check → fix."""

    def run(argv: tuple[str, ...]) -> str:
        answer = {**GOOD, **host.says}[" ".join(argv)]
        if isinstance(answer, CommandError):
            raise answer
        return answer

    files = {"proc/meminfo": MEMORY, "dev/net/tun": ""}
    for name, content in {**files, **host.files}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    there = {*TOOLS, "vagrant"} - host.lacks
    monkeypatch.setattr(shutil, "which", lambda name, path=None: name if name in there else None)
    monkeypatch.setattr(facts, "run", run)
    monkeypatch.setattr(facts, "kvm_works", lambda _: True)
    monkeypatch.setattr(facts, "room", lambda directory: (directory, 64 << 30))
    monkeypatch.setattr(box, "find", lambda _: object())
    topology = with_provider(provider)
    found = judge(gather(topology.vagrant, root=tmp_path), topology)
    return {finding.check: finding.fix for finding in found if finding.severity is not Severity.OK}


def with_provider(provider: Hypervisor) -> Topology:
    topology = default_lab()
    return replace(topology, vagrant=replace(topology.vagrant, provider=provider))


def test_kvm_without_a_processor_runs_no_machine_of_ours(tmp_path: Path) -> None:
    (tmp_path / "kvm_pvm").mkdir()
    assert not kvm_works(tmp_path)


@pytest.mark.parametrize("name", LIBVIRT_HOSTS)
def test_libvirt(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host, fix = LIBVIRT_HOSTS[name]
    (said,) = findings(host, Hypervisor.LIBVIRT, tmp_path, monkeypatch).values()
    assert fix in said


@pytest.mark.parametrize("name", VIRTUALBOX_HOSTS)
def test_virtualbox(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host, fix = VIRTUALBOX_HOSTS[name]
    (said,) = findings(host, Hypervisor.VIRTUALBOX, tmp_path, monkeypatch).values()
    assert fix in said


@pytest.mark.parametrize("name", HARMLESS)
def test_what_looks_like_a_trap_and_is_none(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert findings(HARMLESS[name], Hypervisor.LIBVIRT, tmp_path, monkeypatch) == {}
