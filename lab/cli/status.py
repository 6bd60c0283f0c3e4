"""`lab status`: the machines at a glance."""

from __future__ import annotations

from pathlib import Path

import click

from lab.cli.options import file_option, json_option
from lab.cli.output import print_json
from lab.cli.session import open_lab
from lab.machines.port import Link, MachineStatus, State
from lab.topology.model import Machine

COLOURS = {State.RUNNING: "green", State.STARTING: "yellow", State.FROZEN: "blue", State.FAILED: "red"}


@click.command
@file_option
@json_option
def command(file: Path | None, as_json: bool) -> None:
    """Show what exists of the lab. Needs no root. Exit code 1 when a machine is not as it should be."""
    context = open_lab(file, quiet=as_json)
    status = context.provider.status()
    rows = [(machine, status.machine(machine.name)) for machine in context.topology.machines]
    if as_json:
        machines = [_json(machine, known) for machine, known in rows]
        print_json({"lab": context.topology.name, "up": status.exists, "machines": machines})
    elif not status.exists:
        click.echo(f"lab {context.topology.name} is not up. Build it with: lab up")
    else:
        if status.project != str(context.project):
            click.echo(f"this is the lab of {status.project}", err=True)
        width = max(len(machine.name) for machine, _ in rows)
        for machine, known in rows:
            click.echo(_line(machine, known, width))
    if not all(known.healthy for _, known in rows):
        raise click.exceptions.Exit(1)


def _line(machine: Machine, known: MachineStatus, width: int) -> str:
    addresses = ", ".join(str(a) for interface in machine.interfaces for a in interface.addresses)
    state = click.style(f"{known.state:<9}", fg=COLOURS.get(known.state, "white"))
    notes = [f"{network}: {_describe(link)}" for network, link in known.links.items() if link != Link()]
    notes += ["differs from lab.yml: lab up"] if known.stale else []
    notes += [] if known.configured or known.state is State.ABSENT else ["not configured: lab up"]
    return f"{machine.name:<{width}}  {state}  {addresses:<30}  {'; '.join(notes)}".rstrip()


def _describe(link: Link) -> str:
    return f"{link.loss} % loss" if link.up else "unplugged"


def _json(machine: Machine, known: MachineStatus) -> dict[str, object]:
    return {
        "name": machine.name,
        "role": machine.role.value,
        "state": known.state.value,
        "healthy": known.healthy,
        "addresses": [str(a) for interface in machine.interfaces for a in interface.addresses],
        "links": {network: {"up": link.up, "loss": link.loss} for network, link in known.links.items()},
        "boots": known.boots,
        "configured": bool(known.configured),
    }
