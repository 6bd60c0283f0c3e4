"""What the verbs share: the topology file, the provider behind it, the lock, and the machine that a user named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from lab.actions.steps import Context
from lab.cli.options import topology_file
from lab.cli.privilege import become_root, give_back
from lab.cli.progress import Progress
from lab.errors import LabError, MachineError, UsageError
from lab.kits.lock import exclusive
from lab.machines.family import CHECKOUT, Choice, choose, family_of
from lab.topology.loader import load
from lab.topology.model import Machine, Topology

LOCK_PATIENCE = 600.0


provider_option = click.option(
    "--provider",
    type=click.Choice([choice.value for choice in Choice]),
    default=Choice.AUTO.value,
    show_default=True,
    help="What the machines are: containers, or VMs by Vagrant. A lab that exists keeps what it has.",
)


def open_lab(file: Path | None, *, quiet: bool = False, provider: str | None = None) -> Context:
    """Read the topology file and find the machines behind it.

    `provider` is what the user asked for, for verbs that may make machines; `say_choice` says what it came to.
    """
    path = topology_file(file).resolve()
    topology = load(path)
    family = choose(topology, path, Choice(provider)) if provider else family_of(topology, path)
    return Context(
        topology=topology,
        project=path.parent,
        playbooks=CHECKOUT,
        file=path,
        provider=family.provider,
        captures=family.captures,
        host=family.host,
        needs_root=family.needs_root,
        lock=family.lock,
        report=Progress(quiet=quiet),
        choice=f"{family.choice} ({family.reason})",
    )


def say_choice(context: Context) -> None:
    """Say in one line what the machines are, and why."""
    context.report.notice(f"machines: {context.choice}")


def ask_for_root(context: Context, why: str) -> None:
    """Return as root where the machines need it; as the user where they are the user's own."""
    if context.needs_root:
        become_root(why)


@contextmanager
def changing(context: Context, verb: str) -> Iterator[None]:
    """Hold the lab's lock while a verb changes it; a second verb waits and is told for whom."""

    def told(holder: str) -> None:
        click.echo(f"lab: waiting: {holder} is at work on lab {context.topology.name}", err=True)

    _refuse_another_project(context)
    with exclusive(context.lock, purpose=f"lab {verb}", wait=LOCK_PATIENCE, on_wait=told):
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
