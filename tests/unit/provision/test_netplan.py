"""What netplan itself makes of the files that each family of machines starts with and of the routes that the roles add."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from ipaddress import ip_interface, ip_network
from pathlib import Path
from typing import Any

import pytest

from lab.machines.containers import base
from lab.machines.containers.specs import machine_specs
from lab.render.vagrant import netplan
from lab.topology.loader import load
from lab.topology.model import Machine, Topology
from tests.golden import rendered
from tests.golden.produced import ROUTED

LABS = {path.stem: path for path in ROUTED}
ROUTES = {"client": "client", "k8s-worker1": "kube_node"}
"""Which role gives routes to which machine."""


Sections = list[tuple[str, dict[str, list[str]]]]
"""A networkd file: sections in their order, which may have the same name, each with all values of its keys."""


def read(file: Path) -> Sections:
    sections: Sections = []
    for line in file.read_text().splitlines():
        if line.startswith("["):
            sections.append((line.strip("[]"), {}))
        elif "=" in line:
            key, _, value = line.partition("=")
            sections[-1][1].setdefault(key, []).append(value)
    return sections


@pytest.fixture(scope="module")
def generate() -> list[str]:
    """Return the command that runs the machines' own netplan, on this host, with their libraries."""
    found = base.find()
    if found is None:
        pytest.skip("not run: no base of machine containers was built")
    libraries = found.tree / "usr/lib/x86_64-linux-gnu"
    program = found.tree / "usr/libexec/netplan/generate"
    return [str(libraries / "ld-linux-x86-64.so.2"), "--library-path", str(libraries), str(program)]


def of_containers(topology: Topology, machine: Machine) -> tuple[str, list[str]]:
    """Return the first netplan file of a machine container, and how its interfaces are called."""
    (spec,) = (spec for spec in machine_specs(topology) if spec.name == machine.name)
    return spec.files["etc/netplan/50-lab.yaml"], [nic.name for nic in spec.nics]


def of_virtual_machines(topology: Topology, machine: Machine) -> tuple[str, list[str]]:
    """Return the same of a virtual machine, whose script has found the interfaces."""
    text = netplan(machine)
    names = [f"eth{number}" for number, _ in enumerate(machine.interfaces, 1)]
    for name, nic in zip(names, machine.interfaces, strict=True):
        text = text.replace(f"$(device {nic.mac})", name)
    return text, names


@pytest.mark.parametrize("first", [of_containers, of_virtual_machines], ids=["containers", "vagrant"])
@pytest.mark.parametrize("name", ["router", *ROUTES])
@pytest.mark.parametrize("lab", LABS)
def test_addresses_and_routes(lab: str, name: str, first: Any, generate: list[str], tmp_path: Path) -> None:
    topology = load(LABS[lab])
    machine = topology.machine(name)
    text, links = first(topology, machine)
    files = {"50-lab.yaml": text}
    if name in ROUTES:
        files["60-lab-routes.yaml"] = rendered.routes(
            LABS[lab], machine=name, role=ROUTES[name], link=links[0]
        )
    networks = generated(files, generate, tmp_path)
    assert set(networks) == {f"10-netplan-{link}.network" for link in links}
    for link, nic in zip(links, machine.interfaces, strict=True):
        sections = networks[f"10-netplan-{link}.network"]
        assert addresses(sections) == {str(address) for address in nic.addresses}
        assert ("Network", "no") in [(s, v) for s, keys in sections for v in keys.get("IPv6AcceptRA", [])]
    wanted = rendered_destinations(files.get("60-lab-routes.yaml", ""))
    assert destinations(networks[f"10-netplan-{links[0]}.network"]) == wanted


def generated(files: Mapping[str, str], generate: list[str], root: Path) -> dict[str, Sections]:
    """Return what netplan writes for networkd, read, by file."""
    directory = root / "etc/netplan"
    directory.mkdir(parents=True)
    for name, text in files.items():
        (directory / name).write_text(text)
        (directory / name).chmod(0o600)
    done = subprocess.run([*generate, "--root-dir", str(root)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return {path.name: read(path) for path in (root / "run/systemd/network").glob("*.network")}


def addresses(sections: Sections) -> set[str]:
    return {str(ip_interface(v)) for _, keys in sections for v in keys.get("Address", [])}


def destinations(sections: Sections) -> set[str]:
    return {str(ip_network(v)) for s, keys in sections if s == "Route" for v in keys["Destination"]}


def rendered_destinations(text: str) -> set[str]:
    lines = (line.split("to:")[1] for line in text.splitlines() if "- to:" in line)
    return {str(ip_network(line.strip().strip('"'))) for line in lines}
