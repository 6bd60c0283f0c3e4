"""`lab status`: machines, BGP sessions, Services and their addresses at a glance."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from lab.actions.overview import Overview, look
from lab.actions.steps import Context
from lab.cli.options import file_option, json_option
from lab.cli.output import print_json
from lab.cli.session import open_lab
from lab.machines.port import LabStatus, Link, MachineStatus, State
from lab.topology.model import Machine

COLOURS = {State.RUNNING: "green", State.STARTING: "yellow", State.FROZEN: "blue", State.FAILED: "red"}
PERIOD = 1.0


@click.command
@file_option
@json_option
@click.option("--watch", is_flag=True, help="Show it again every second, until Ctrl-C.")
@click.option(
    "--full", is_flag=True, help="Ask emulated machines for sessions and Services too: it takes seconds."
)
def command(file: Path | None, as_json: bool, watch: bool, full: bool) -> None:
    """Show what exists of the lab. Exit code 1 when a machine is not as it should be.

    Needs no root for the machines; sessions and Services are asked inside of them: as root, and where that is fast.
    """
    context = open_lab(file, quiet=as_json)
    while watch:
        text = "\n".join(_lines(context, context.provider.status(), full=full))
        click.clear()
        click.echo(text)
        time.sleep(PERIOD)
    status = context.provider.status()
    if as_json:
        print_json(_json(context, status, full=full))
    else:
        click.echo("\n".join(_lines(context, status, full=full)))
    if not all(status.machine(machine.name).healthy for machine in context.topology.machines):
        raise click.exceptions.Exit(1)


def _overview(context: Context, status: LabStatus, *, full: bool) -> Overview | None:
    """Return what the machines carry; None where they are not asked."""
    may_enter = os.geteuid() == 0 or not context.needs_root
    is_fast = context.provider.slowness == 1
    return look(context) if status.exists and may_enter and (full or is_fast) else None


def _lines(context: Context, status: LabStatus, *, full: bool) -> Iterator[str]:
    if not status.exists:
        yield f"lab {context.topology.name} is not up. Build it with: lab up"
        return
    if status.project and status.project != str(context.project):
        yield f"this is the lab of {status.project}"
    width = max(len(machine.name) for machine in context.topology.machines)
    for machine in context.topology.machines:
        yield _machine_line(machine, status.machine(machine.name), width)
    overview = _overview(context, status, full=full)
    if overview is None:
        if context.provider.slowness > 1:
            yield "\nsessions and Services: lab status --full (these machines are emulated, and take seconds)"
        return
    if overview.sessions:
        yield ""
    for session in overview.sessions:
        state = click.style(f"{session.state:<12}", fg="green" if session.established else "red")
        yield f"{session.peer:<{width}}  {state} {session.worker}"
    if overview.services:
        yield ""
    for service in overview.services:
        yield f"{', '.join(service.addresses) or '<pending>':<{width}}  {service.name}"


def _machine_line(machine: Machine, known: MachineStatus, width: int) -> str:
    addresses = ", ".join(str(a) for interface in machine.interfaces for a in interface.addresses)
    state = click.style(f"{known.state:<9}", fg=COLOURS.get(known.state, "white"))
    notes = [f"{network}: {_describe(link)}" for network, link in known.links.items() if link != Link()]
    notes += ["differs from lab.yml: lab up"] if known.stale else []
    notes += [] if known.configured or known.state is State.ABSENT else ["not configured: lab up"]
    return f"{machine.name:<{width}}  {state}  {addresses:<30}  {'; '.join(notes)}".rstrip()


def _describe(link: Link) -> str:
    return f"{link.loss} % loss" if link.up else "unplugged"


def _json(context: Context, status: LabStatus, *, full: bool) -> dict[str, object]:
    overview = _overview(context, status, full=full)
    machines = [_machine(machine, status.machine(machine.name)) for machine in context.topology.machines]
    return {
        "lab": context.topology.name,
        "up": status.exists,
        "machines": machines,
        "asked": overview is not None,
        "sessions": [asdict(session) for session in overview.sessions] if overview else [],
        "services": [asdict(service) for service in overview.services] if overview else [],
    }


def _machine(machine: Machine, known: MachineStatus) -> dict[str, object]:
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
