"""What kubelet needs of this host when it runs in a machine container, beside what any machine container needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lab.machines.port import Finding, Severity

CONTROLLERS: Final = {"cpu", "cpuset", "io", "memory", "pids"}
"""Control group controllers that kubelet enforces; kubelet refuses cgroup v1 from Kubernetes 1.35 on (KEP-5573)."""
MODULES: Final = ("br_netfilter", "overlay")
"""Kernel modules, which a container cannot load by itself."""
FIX: Final = (
    "boot with systemd.unified_cgroup_hierarchy=1; "
    "or write kubernetes: {distribution: pocket}, or use lab up --provider vagrant"
)


def findings(root: Path = Path("/sys")) -> Iterator[Finding]:
    """Check the control groups and modules of the host whose sysfs is at `root`."""
    yield _controllers(root / "fs/cgroup/cgroup.controllers")
    yield _modules(root / "module")


def _controllers(file: Path) -> Finding:
    missing = CONTROLLERS - set(file.read_text().split() if file.exists() else [])
    bad = f"kubelet needs cgroup v2 with the controllers {', '.join(sorted(missing))}, which this host lacks"
    return Finding(
        check="kubeadm in containers",
        severity=Severity.FAILURE if missing else Severity.OK,
        detail=bad if missing else "cgroup v2 with all controllers",
        fix=FIX if missing else "",
    )


def _modules(directory: Path) -> Finding:
    missing = [name for name in MODULES if not (directory / name).exists()]
    return Finding(
        check="kernel modules of kubeadm",
        severity=Severity.FAILURE if missing else Severity.OK,
        detail=f"not loaded: {', '.join(missing)}" if missing else ", ".join(MODULES),
        fix=f"modprobe --all {' '.join(missing)}" if missing else "",
    )
