"""What the verbs share: the topology file, the provider behind it, the lock, and the machine that a user named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

import lab
from lab.actions.steps import Context
from lab.cli.options import topology_file
from lab.cli.privilege import give_back
from lab.cli.progress import Progress
from lab.errors import LabError, MachineError, UsageError
from lab.kits.lock import exclusive
from lab.machines.containers.paths import RunPaths
from lab.machines.containers.provider import Containers
from lab.topology.loader import load
from lab.topology.model import Machine, Topology

PLAYBOOKS = Path(lab.__file__).resolve().parents[1]
LOCK_PATIENCE = 600.0


def open_lab(file: Path | None, *, quiet: bool = False) -> Context:
    """Read the topology file and find the machines behind it."""
    path = topology_file(file).resolve()
    topology = load(path)
    provider = Containers(topology, project=path.parent)
    return Context(
        topology=topology,
        project=path.parent,
        playbooks=PLAYBOOKS,
        file=path,
        provider=provider,
        captures=provider,
        report=Progress(quiet=quiet),
    )


@contextmanager
def changing(context: Context, verb: str) -> Iterator[None]:
    """Hold the lab's lock while a verb changes it; a second verb waits and is told for whom."""

    def told(holder: str) -> None:
        click.echo(f"lab: waiting: {holder} is at work on lab {context.topology.name}", err=True)

    _refuse_another_project(context)
    lock = RunPaths(context.topology.name).verb_lock
    with exclusive(lock, purpose=f"lab {verb}", wait=LOCK_PATIENCE, on_wait=told):
        try:
            yield
        finally:
            give_back(context.project / ".lab")


def _refuse_another_project(context: Context) -> None:
    project = context.provider.status().project
    if project and project != str(context.project):
        raise MachineError(
            f"a lab called {context.topology.name} runs from {project}",
            hint="give one of the two another `name:` in its lab.yml, or run lab down there",
        )


def complete_machine(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the machine names that begin with what was typed; none when lab.yml cannot be read."""
    del parameter
    try:
        topology = load(topology_file(context.params.get("file")))
    except LabError:
        return []
    return [machine.name for machine in topology.machines if machine.name.startswith(incomplete)]


machine_argument = click.argument("machine", shell_complete=complete_machine)
"""MACHINE: pass it through `machine_named`."""


def machine_named(topology: Topology, name: str) -> Machine:
    """Return the machine that the user named. Raises UsageError with the names that there are."""
    try:
        return topology.machine(name)
    except KeyError:
        names = ", ".join(machine.name for machine in topology.machines)
        raise UsageError(
            f"there is no machine {name} in {topology.name}", hint=f"machines: {names}"
        ) from None
