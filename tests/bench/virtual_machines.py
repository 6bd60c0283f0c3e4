"""The life of a lab of virtual machines under software emulation, beside a libvirtd of its own, with an empty cache.

Nine minutes on two processors that nobody else uses. The box is built with a mirror in reach, the rest without
any network.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench.report import Figure, publish
from tests.vagrant.virtual_lab import ROOT, VirtualLab, build_box, write_lab

RUNS = 5
INSIDE = "inside"
PROGRAMS = ("libvirtd", "virsh", "qemu-system-x86_64", "qemu-img", "vagrant", "mmdebstrap")


def life(lab: VirtualLab) -> list[Figure]:
    """Measure router, control plane, two workers and client: converged by playbooks once, then from what was kept."""

    def took(verb: str, *options: str) -> float:
        lab(verb, *options)
        return lab.latest

    up = ("up", "--provider", "vagrant", "--offline")
    try:
        cold = took(*up)
        again = tuple(took("up") for _ in range(RUNS))
        status = tuple(took("status") for _ in range(RUNS))
        down = [took("down")]
        warm = took(*up)
        down.append(took("down"))
    finally:
        lab("down", check=False)
    return [
        Figure(
            name="5 machines: up to the client's answer, nothing converged",
            unit="s",
            target=360,
            runs=(cold,),
        ),
        Figure(name="5 machines: the same, configurations kept", unit="s", target=360, runs=(warm,)),
        Figure(name="second up", unit="s", target=10, runs=again),
        Figure(name="status", unit="s", target=0.5, runs=status),
        Figure(name="down", unit="s", target=30, runs=tuple(down)),
    ]


def main() -> None:
    if sys.argv[1:] == [INSIDE]:
        with tempfile.TemporaryDirectory() as scratch:
            publish("lab of virtual machines, emulated", life(VirtualLab(write_lab(Path(scratch)))))
        return
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    if missing:
        sys.exit(f"not here: {', '.join(missing)}; make test-vagrant installs them")
    with tempfile.TemporaryDirectory() as scratch:
        os.environ |= {"LAB_CACHE_DIR": f"{scratch}/cache", "VAGRANT_HOME": f"{scratch}/vagrant.d"}
        seconds = build_box(Path(scratch, "cache"))["seconds"]
        publish(
            "box of virtual machines",
            [Figure(name="box build, packages from a mirror", unit="s", target=120, runs=(seconds,))],
        )
        here = [sys.executable, "-m", "tests.bench.virtual_machines", INSIDE]
        subprocess.run([ROOT / "tests/vagrant/inside-libvirt", f"{scratch}/libvirt", *here], check=True)


if __name__ == "__main__":
    main()
