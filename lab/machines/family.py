"""The families of machines, and which of them a lab is made of: the one place that knows them all."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from lab.errors import UsageError
from lab.machines.containers.host import ContainersHost
from lab.machines.containers.paths import RunPaths
from lab.machines.containers.provider import Containers
from lab.machines.port import Captures, Finding, Host, Provider, Severity
from lab.machines.vagrant.host import VagrantHost
from lab.machines.vagrant.paths import VagrantPaths
from lab.machines.vagrant.provider import VirtualMachines
from lab.topology.model import Topology

CHECKOUT = Path(__file__).resolve().parents[2]
"""Where the Vagrantfile, site.yml and the roles are."""


class Choice(StrEnum):
    """What a user may ask for."""

    AUTO = "auto"
    CONTAINERS = "containers"
    VAGRANT = "vagrant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One family of machines, at the service of one lab."""

    choice: Choice
    provider: Provider
    captures: Captures
    host: Host
    lock: Path
    """What a verb holds while it changes the lab."""
    needs_root: bool
    """Whether root alone can make and enter the machines."""
    reason: str = ""
    """Why it was chosen, in one line."""


def containers(topology: Topology, file: Path, *, reason: str = "") -> Family:
    machines = Containers(topology, project=file.parent)
    return Family(
        choice=Choice.CONTAINERS,
        provider=machines,
        captures=machines,
        host=ContainersHost(topology),
        lock=RunPaths(topology.name).verb_lock,
        needs_root=True,
        reason=reason,
    )


def virtual_machines(topology: Topology, file: Path, *, reason: str = "") -> Family:
    paths = VagrantPaths(lab=topology.name, file=file, checkout=CHECKOUT)
    machines = VirtualMachines(topology, paths)
    return Family(
        choice=Choice.VAGRANT,
        provider=machines,
        captures=machines,
        host=VagrantHost(topology),
        lock=paths.lock,
        needs_root=False,
        reason=reason,
    )


FAMILIES = {Choice.CONTAINERS: containers, Choice.VAGRANT: virtual_machines}


def existing(topology: Topology, file: Path) -> Family | None:
    """Return the family that the lab's machines are of; None while there is no machine."""
    paths = VagrantPaths(lab=topology.name, file=file, checkout=CHECKOUT)
    if paths.identities(topology.vagrant.provider):
        return virtual_machines(topology, file, reason="its virtual machines exist")
    family = containers(topology, file, reason="its machine containers exist")
    return family if family.provider.status().exists else None


def family_of(topology: Topology, file: Path) -> Family:
    """Return the family that the lab is of, or would be of without a word from the user and a look at the host."""
    return existing(topology, file) or containers(topology, file)


def choose(topology: Topology, file: Path, asked: Choice) -> Family:
    """Return the family that the lab is to be of, with the reason.

    A lab that exists keeps its family. Raises UsageError when another one is asked for.
    """
    present = existing(topology, file)
    if present and asked not in (Choice.AUTO, present.choice):
        raise UsageError(
            f"lab {topology.name} exists, made of {present.choice}",
            hint=f"lab down removes it; then lab up --provider {asked}",
        )
    if present:
        return present
    if asked is not Choice.AUTO:
        return FAMILIES[asked](topology, file, reason="asked for")
    against = _failures(containers(topology, file))
    if not against:
        return containers(
            topology, file, reason="nothing on this host stands against them, and they are faster"
        )
    machines = virtual_machines(
        topology, file, reason=f"machine containers cannot work here: {against[0].detail}"
    )
    reason = "neither family can work here: lab doctor, and lab doctor --provider vagrant"
    return containers(topology, file, reason=reason) if _failures(machines) else machines


def _failures(family: Family) -> list[Finding]:
    return [finding for finding in family.host.findings() if finding.severity is Severity.FAILURE]
