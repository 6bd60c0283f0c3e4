"""A lab of virtual machines and the commands of its user, with what each of them took."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 3600.0
"""Seconds: the bound of every command. Under emulation, on a host that others use too, some take many minutes."""
TIMINGS = "LAB_TIMINGS"
VIRSH = ("virsh", "--quiet", "--connect", "qemu:///system")
NAME = "vms"


def write_lab(directory: Path, *, name: str = NAME) -> Path:
    """Write the topology file of router, control plane, two workers and client, for either family of machines."""
    content = yaml.safe_load((ROOT / "labs/two-workers.yml").read_text())
    content["name"] = name
    content["vagrant"] = {"acceleration": "emulation", "memory": {"control_plane": 512, "worker": 512}}
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "lab.yml"
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    return file


def build_box(cache: Path, hypervisor: str = "libvirt") -> dict[str, Any]:
    """Build the box with the cache `cache`; return what the command says of it, with the seconds that it took."""
    argv = [sys.executable, "-m", "lab.cli", "box", "build", "--for", hypervisor, "--json"]
    environment = {**os.environ, "LAB_CACHE_DIR": str(cache), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


@dataclass
class VirtualLab:
    file: Path
    seconds: dict[str, dict[str, float]] = field(default_factory=dict)
    """What each command took, in the order in which they were given."""

    @property
    def latest(self) -> float:
        """Return the seconds of the last command."""
        return list(self.seconds.values())[-1]["seconds"]

    def __call__(self, verb: str, *options: str, check: bool = True) -> str:
        """Run `lab VERB OPTIONS`; with `check`, a failure shows what it said."""
        argv = [sys.executable, "-m", "lab.cli", verb, "--file", str(self.file), *options]
        return self.timed(f"lab {' '.join([verb, *options])}", argv, check=check)

    def vagrant(self, *words: str) -> str:
        """Run Vagrant itself, as a user would, on this lab."""
        return self.timed(f"vagrant {' '.join(words)}", ["vagrant", *words])

    def timed(self, name: str, argv: list[str], *, check: bool = True) -> str:
        """Run `argv` and note how long it took, and how many others wanted the processor meanwhile."""
        begun = time.monotonic()
        said = self.run(argv, check=check)
        took = {"seconds": round(time.monotonic() - begun, 2), "load": round(os.getloadavg()[0], 1)}
        self.seconds[f"{len(self.seconds) + 1} {name}"] = took
        report = os.environ.get(TIMINGS)
        if report:
            Path(report).write_text(json.dumps(self.seconds, indent=2) + "\n")
        return said

    def run(self, argv: list[str], *, check: bool = True) -> str:
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "LAB": str(Path(sys.executable).with_name("lab")),
            "LAB_TOPOLOGY": str(self.file),
            "VAGRANT_DOTFILE_PATH": str(self.file.parent / ".lab" / NAME / "vagrant"),
        }
        done = subprocess.run(
            argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
        if check:
            assert done.returncode == 0, f"{argv}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def machines(self) -> dict[str, Any]:
        """Return what `lab status` says of each machine."""
        return {m["name"]: m for m in json.loads(self("status", "--json", check=False))["machines"]}

    def left(self) -> dict[str, list[str]]:
        """Return what there is of machines and networks, whoever made it: empty where nothing is."""
        volumes = self.run([*VIRSH, "vol-list", "default"], check=False).split()[::2]
        links = json.loads(self.run(["ip", "-json", "link"]))
        programs = self.run(["ps", "-eo", "args"]).splitlines()
        found = {
            "domains": self.run([*VIRSH, "list", "--all", "--name"]).split(),
            "networks": [n for n in self.run([*VIRSH, "net-list", "--all", "--name"]).split() if NAME in n],
            "volumes": [volume for volume in volumes if "_vagrant_box_image_" not in volume],
            "links": [link["ifname"] for link in links if link["ifname"] != "lo"],
            "processes": [
                line for line in programs if line.startswith(("/usr/bin/qemu", "/usr/sbin/dnsmasq", "ssh: "))
            ],
        }
        return {kind: things for kind, things in found.items() if things}


if __name__ == "__main__":
    print(write_lab(Path(sys.argv[1])))
