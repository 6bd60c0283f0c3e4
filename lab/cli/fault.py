"""`lab fault`: break something on purpose, and mend it again."""

from __future__ import annotations

from pathlib import Path

import click

from lab.actions.faults import Fault, inflict
from lab.cli.options import file_option
from lab.cli.session import ask_for_root, changing, machine_argument, machine_named, open_lab


@click.command
@click.argument("fault", type=click.Choice([fault.value for fault in Fault]))
@machine_argument
@click.option("--network", help="Only the cable to this network (link-down, loss).")
@click.option(
    "--percent", default=30, show_default=True, type=click.IntRange(1, 100), help="Packets lost, each way."
)
@file_option
def command(fault: str, machine: str, network: str | None, percent: int, file: Path | None) -> None:
    """Do FAULT to MACHINE.

    \b
    kill       cut its power: nothing leaves it any more
    stop       shut it down in order
    freeze     stop its processes and unplug it, as a paused VM
    link-down  unplug its cables
    loss       drop packets on its cables
    undo       bring it back to what it was
    """  # noqa: D301  # the character \b keeps click from joining the lines
    context = open_lab(file)
    target = machine_named(context.topology, machine)
    ask_for_root(context, "break a machine")
    with changing(context, "fault"):
        inflict(context, Fault(fault), target, network=network, percent=percent)
    done = (
        "is whole again"
        if fault == Fault.UNDO
        else f"has the fault {fault}; undo: lab fault undo {target.name}"
    )
    click.echo(f"{target.name} {done}")
