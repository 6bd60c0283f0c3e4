"""Examine this host for what a lab needs: the generic part, and what the provider of machines asks for."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from lab.machines.containers.host import findings
from lab.machines.port import Finding, Severity
from lab.topology.model import Topology


def examine(topology: Topology) -> list[Finding]:
    """Return all findings, the good ones too."""
    return [_python(), _root(), *findings(len(topology.machines)), _networks(topology), _forwarding()]


def _python() -> Finding:
    found = ".".join(str(part) for part in sys.version_info[:3])
    return Finding(check="python", severity=Severity.OK, detail=found)


def _root() -> Finding:
    if os.geteuid() == 0:
        return Finding(check="root", severity=Severity.OK, detail="running as root")
    if shutil.which("sudo"):
        return Finding(
            check="root", severity=Severity.OK, detail="sudo is there and will be asked when needed"
        )
    fix = "run lab as root, or install sudo"
    return Finding(check="root", severity=Severity.FAILURE, detail="not root, and no sudo", fix=fix)


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
