"""What can be known of this host that matters to virtual machines. Gathered once; judged in `host`."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Final

from lab.kits.files import room
from lab.kits.shell import CommandError, run
from lab.machines.vagrant import box
from lab.machines.vagrant.data import kvm_works
from lab.machines.vagrant.libvirt import URI
from lab.topology.model import Hypervisor, Vagrant

Version = tuple[int, ...]
TUN: Final = "dev/net/tun"
IMAGES: Final = "var/lib/libvirt/images"
"""libvirt's default pool."""
NETWORKS_CONF: Final = "etc/vbox/networks.conf"
TOOLS: Final = ("ssh", "mmdebstrap", "qemu-img", "qemu-system-x86_64", "dnsmasq", "virsh", "VBoxManage")
QUESTIONS: Final[Mapping[str, Sequence[str]]] = {
    "vagrant": ("vagrant", "--version"),
    "plugins": ("vagrant", "plugin", "list"),
    "virtualbox": ("VBoxManage", "--version"),
    "routes": ("ip", "-json", "route", "show", "table", "main"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    subnet: IPv4Network | IPv6Network
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    vagrant: Version | None = None
    """None when Vagrant is not installed."""
    plugins: Mapping[str, Version] = field(default_factory=dict)
    tools: frozenset[str] = frozenset()
    """Those of TOOLS that are installed."""
    libvirt_error: str = ""
    """What virsh says when libvirt does not answer."""
    inactive_networks: Sequence[str] = ()
    kvm: bool = False
    modules: frozenset[str] = frozenset()
    """The kernel modules that are loaded."""
    virtualbox: Version | None = None
    virtualbox_warning: str = ""
    """What VBoxManage says before its version, when its kernel module is not there."""
    networks_conf: str | None = None
    """VirtualBox's list of ranges for host-only networks; None when there is no such file."""
    routes: Sequence[Route] = ()
    forward_policy_drops: bool = False
    """Whether iptables drops what it is not told to forward, bridged frames included."""
    box: bool = False
    """Whether the lab's own box is in the cache."""
    tun: bool = False
    """Whether the kernel makes interfaces for programs, as QEMU's are."""
    memory: int = 0
    """Bytes available."""
    all_memory: int = 0
    """Bytes that the host has."""
    disk: int = 0
    """Bytes free where the hypervisor keeps the machines' disks."""


def gather(settings: Vagrant, *, root: Path = Path("/")) -> Facts:
    """Look at this host, whose files are below `root`. Takes about a second, most of it Vagrant's."""
    path = "/usr/local/sbin:/usr/sbin:/sbin"
    tools = frozenset(tool for tool in TOOLS if shutil.which(tool) or shutil.which(tool, path=path))
    libvirt = settings.provider is Hypervisor.LIBVIRT and "virsh" in tools
    with ThreadPoolExecutor(max_workers=len(QUESTIONS)) as pool:  # Vagrant takes a second for each
        said = dict(zip(QUESTIONS, pool.map(_said, QUESTIONS.values()), strict=True))
    error, inactive = _libvirt() if libvirt else ("", [])
    conf = root / NETWORKS_CONF
    virtualbox, warning = own_version(said["virtualbox"])
    return Facts(
        vagrant=version(said["vagrant"]),
        plugins=plugins(said["plugins"]),
        tools=tools,
        libvirt_error=error,
        inactive_networks=inactive,
        kvm=kvm_works(root / "sys/module"),
        modules=frozenset(path.name for path in (root / "sys/module").glob("*")),
        virtualbox=virtualbox,
        virtualbox_warning=warning,
        networks_conf=conf.read_text() if conf.exists() else None,
        routes=routes(said["routes"]),
        forward_policy_drops=_forward_policy_drops(root),
        box=box.find(settings.provider) is not None,
        tun=(root / TUN).exists(),
        memory=_memory(root, "MemAvailable"),
        all_memory=_memory(root, "MemTotal"),
        disk=room(root / IMAGES if settings.provider is Hypervisor.LIBVIRT else Path.home())[1],
    )


def version(text: str) -> Version | None:
    """Return the first thing in `text` that looks like a version; None without one."""
    found = re.search(r"\d+(\.\d+)+", text)
    return tuple(int(part) for part in found[0].split(".")) if found else None


def own_version(text: str) -> tuple[Version | None, str]:
    """Read `VBoxManage --version`: the version is its last line, after warnings that name other versions."""
    *warnings, last = text.strip().splitlines() or [""]
    return version(last), " ".join(line.strip() for line in warnings if line.strip())


def plugins(text: str) -> dict[str, Version]:
    """Read `vagrant plugin list`."""
    rows = re.findall(r"(?m)^(\S+) \((\d+(?:\.\d+)+)", text)
    return {name: tuple(int(part) for part in number.split(".")) for name, number in rows}


def routes(text: str) -> list[Route]:
    """Read `ip -json route`, without default routes."""
    rows = json.loads(text or "[]")
    return [
        Route(subnet=ip_network(row["dst"]), device=row.get("dev", ""))
        for row in rows
        if row["dst"] != "default"
    ]


def _said(argv: Sequence[str]) -> str:
    """Return what a program says; nothing when it is not installed, or fails."""
    try:
        return run(argv)
    except CommandError:
        return ""


def _libvirt() -> tuple[str, list[str]]:
    try:
        names = run(["virsh", "--quiet", "--connect", URI, "net-list", "--inactive", "--name"])
    except CommandError as error:
        return error.message.splitlines()[-1].removeprefix("error: "), []
    return "", names.split()


def _forward_policy_drops(root: Path) -> bool:
    """Only where bridged frames pass iptables at all: with br_netfilter, as Docker loads it."""
    bridged = root / "proc/sys/net/bridge/bridge-nf-call-iptables"
    if not bridged.exists() or bridged.read_text().strip() != "1":
        return False
    return "-P FORWARD DROP" in _said(["iptables", "-S", "FORWARD"])


def _memory(root: Path, row: str) -> int:
    rows = dict(line.split(":", 1) for line in (root / "proc/meminfo").read_text().splitlines())
    return int(rows[row].split()[0]) << 10
