"""`lab logs`: what a machine said."""

from __future__ import annotations

import os
from pathlib import Path

import click

from lab.cli.options import file_option
from lab.cli.privilege import become, become_root
from lab.cli.session import ask_for_root, machine_argument, machine_named, open_lab
from lab.errors import MachineError


@click.command
@machine_argument
@click.option(
    "--console", is_flag=True, help="What it wrote to its console since it was made, instead of its journal."
)
@click.option("--follow", is_flag=True, help="Go on as it says more.")
@click.option("-u", "--unit", help="Only this unit's lines.")
@click.option("-n", "--lines", default=50, show_default=True, help="How many of the last lines.")
@file_option
def command(
    machine: str, console: bool, follow: bool, unit: str | None, lines: int, file: Path | None
) -> None:
    """Show the journal of MACHINE, or its console, which is there even when it did not boot."""
    context = open_lab(file)
    name = machine_named(context.topology, machine).name
    options = [f"--lines={lines}", *(["--follow"] if follow else [])]
    if console:
        path = context.provider.status().machine(name).console
        if path is None or not path.exists():
            raise MachineError(f"{name} never wrote to a console", hint="lab up")
        if not os.access(path, os.R_OK):
            become_root("read a console that the hypervisor keeps to itself")
        become(["tail", *options, str(path)])
    ask_for_root(context, "read a machine's journal")
    argv = ["journalctl", "--no-pager", *options, *([f"--unit={unit}"] if unit else [])]
    enter = context.enter(name, *argv)
    become(enter)
