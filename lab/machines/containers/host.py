"""What machine containers need of this host, each need with the exact fix."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from lab.kits.files import is_there, room
from lab.kits.shell import run
from lab.machines.cache import cache_directory
from lab.machines.containers import kubelet
from lab.machines.containers.base import fingerprint
from lab.machines.containers.shelves import bases
from lab.machines.port import Finding, Severity
from lab.topology.model import Distribution, Topology

TOOLS: Final = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "ip": "iproute2",
    "nft": "nftables",
    "nsenter": "util-linux",
    "unshare": "util-linux",
}
"""Program → Debian and Ubuntu package."""

INOTIFY: Final = Path("/proc/sys/fs/inotify/max_user_instances")
INOTIFY_PER_MACHINE: Final = 8
"""A machine's systemd, journald, networkd and D-Bus take seven inotify instances; one is for what runs in it."""
INOTIFY_OTHERS: Final = 32
NAMESPACES: Final = ("mnt", "net", "pid", "uts", "ipc")
BASE_BYTES: Final = 1 << 30
MEMORY_PER_MACHINE: Final = 64 << 20


class ContainersHost:
    """This host, as a lab of machine containers needs it (implements the port `Host`)."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology

    def findings(self) -> Iterator[Finding]:
        yield from findings(len(self._topology.machines))
        yield _networks(self._topology)
        yield _forwarding()
        if self._topology.kubernetes.distribution is Distribution.KUBEADM:
            yield from kubelet.findings()

    def make_ready(self, say: Callable[[str], None]) -> None:
        raise_inotify_limit(len(self._topology.machines), say)


def findings(machines: int) -> Iterator[Finding]:
    """Check everything that a lab of `machines` machine containers needs."""
    yield _tools()
    yield _namespaces()
    yield _file_systems()
    yield _control_groups()
    yield _inotify(machines)
    yield _disk()
    yield _memory(machines)


def raise_inotify_limit(machines: int, say: Callable[[str], None]) -> None:
    """Allow this host the inotify instances that `machines` machines need, until it reboots; say so if it did."""
    wanted = machines * INOTIFY_PER_MACHINE + INOTIFY_OTHERS
    limit = int(INOTIFY.read_text())
    if limit < wanted:
        INOTIFY.write_text(str(wanted))
        say(f"raised fs.inotify.max_user_instances from {limit} to {wanted} until the next reboot")


def _verdict(
    check: str, good: str, *, bad: str = "", fix: str = "", severity: Severity = Severity.FAILURE
) -> Finding:
    if not bad:
        return Finding(check=check, severity=Severity.OK, detail=good)
    return Finding(check=check, severity=severity, detail=bad, fix=fix)


def _tools() -> Finding:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = [tool for tool in TOOLS if not shutil.which(tool, path=path)]
    packages = " ".join(sorted({TOOLS[tool] for tool in missing}))
    return _verdict(
        "programs",
        ", ".join(TOOLS),
        bad=f"missing: {', '.join(missing)}" if missing else "",
        fix=f"make setup, or: apt-get install {packages}",
    )


def _namespaces() -> Finding:
    missing = [name for name in NAMESPACES if not Path("/proc/self/ns", name).exists()]
    bad = f"the kernel lacks namespaces: {', '.join(missing)}" if missing else ""
    return _verdict("namespaces", ", ".join(NAMESPACES), bad=bad, fix="use a kernel with namespaces")


def _file_systems() -> Finding:
    known = Path("/proc/filesystems").read_text().split()
    if "overlay" not in known and not Path("/sys/module/overlay").exists() and shutil.which("modprobe"):
        run(["sh", "-c", "modprobe overlay || true"])
        known = Path("/proc/filesystems").read_text().split()
    bad = "" if "overlay" in known else "the kernel has no overlay file system"
    return _verdict(
        "overlay file system", "present", bad=bad, fix="modprobe overlay, or use a kernel that has it"
    )


def _control_groups() -> Finding:
    unified = Path("/sys/fs/cgroup/cgroup.procs").exists()
    hybrid = Path("/sys/fs/cgroup/unified/cgroup.procs").exists()
    bad = "" if unified or hybrid else "no cgroup v2 hierarchy is mounted under /sys/fs/cgroup"
    good = "v2" if unified else "v1 with v2 beside it"
    return _verdict("control groups", good, bad=bad, fix="boot with systemd.unified_cgroup_hierarchy=1")


def _inotify(machines: int) -> Finding:
    wanted, limit = machines * INOTIFY_PER_MACHINE + INOTIFY_OTHERS, int(INOTIFY.read_text())
    return _verdict(
        "inotify instances",
        f"{limit} allowed, {wanted} wanted for {machines} machines",
        bad=f"{limit} allowed, {wanted} wanted for {machines} machines" if limit < wanted else "",
        fix=f"lab up raises it until the next reboot; for good: echo fs.inotify.max_user_instances={wanted} "
        "> /etc/sysctl.d/60-lab.conf",
        severity=Severity.WARNING,
    )


def _disk() -> Finding:
    existing, free = room(cache_directory())
    wanted = 0 if is_there(bases().entry(fingerprint()).path) else BASE_BYTES
    detail = f"{free >> 20} MiB free in {existing}"
    bad = f"{detail}; the base needs {wanted >> 20} MiB" if free < wanted else ""
    return _verdict("disk", detail, bad=bad, fix="free some, or set LAB_CACHE_DIR to a place with room")


def _memory(machines: int) -> Finding:
    rows = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    available = int(rows["MemAvailable"].split()[0]) << 10
    wanted = machines * MEMORY_PER_MACHINE
    detail = f"{available >> 20} MiB available, {wanted >> 20} MiB wanted for {machines} machines"
    bad = detail if available < wanted else ""
    return _verdict("memory", detail, bad=bad, fix="use fewer workers", severity=Severity.WARNING)


def _networks(topology: Topology) -> Finding:
    """The lab's switch is a network namespace of its own: an equal subnet on the host cannot clash."""
    subnets = ", ".join(str(s) for network in topology.networks for s in network.subnets)
    return Finding(
        check="subnets", severity=Severity.OK, detail=f"{subnets}: inside the lab, apart from this host's"
    )


def _forwarding() -> Finding:
    """Bridged frames pass the host's iptables only where br_netfilter is loaded, and then those of their namespace."""
    loaded = Path("/proc/sys/net/bridge/bridge-nf-call-iptables").exists()
    detail = "br_netfilter is loaded; " if loaded else ""
    return Finding(
        check="forwarding policy",
        severity=Severity.OK,
        detail=f"{detail}the lab forwards inside its own namespaces",
    )
