"""Bundles of stand-ins: files in the layout of a real bundle that record how they were called, and a lock for them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from lab.provision.artefacts import FILLED_BY_HAND, Lock, describe, write_lock

STAND_IN: Final = Path(__file__).parent / "stand_in"
PROGRAMS: Final = (
    *("kubeadm", "kubelet", "kubectl", "crictl", "helm"),
    *("containerd", "containerd-shim-runc-v2", "ctr", "runc"),
)
OTHERS: Final = ("manifests/flannel.yaml", "images/pause.tar", "images/lab-balancer.tar")


def write(top: Path, version: str) -> dict[str, str]:
    """Write a bundle below `top` whose programs call themselves `version`; return the environment that names it."""
    directory = top / version
    script = STAND_IN.read_text().replace("@VERSION@", version)
    for path in (*(f"bin/{name}" for name in PROGRAMS), *OTHERS):
        file = directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(script if path.startswith("bin/") else f"STAND-IN of {path}\n")
    lock = top / f"{version}.lock"
    write_lock(lock, Lock(tuple(describe(directory, FILLED_BY_HAND))))
    return {
        "LAB_ARTEFACTS": str(directory),
        "LAB_LOCK": str(lock),
        "LAB_LOAD_BALANCER_IMAGE": str(directory / "images/lab-balancer.tar"),
    }
