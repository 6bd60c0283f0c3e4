"""`lab exec`: one command on a machine."""

from __future__ import annotations

from pathlib import Path

import click

from lab.cli.options import file_option
from lab.cli.privilege import become
from lab.cli.session import ask_for_root, machine_argument, machine_named, open_lab


@click.command(context_settings={"ignore_unknown_options": True})
@machine_argument
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option("-l", "--login", "user", default="root", show_default=True, help="The user to be.")
@file_option
def command(machine: str, argv: tuple[str, ...], user: str, file: Path | None) -> None:
    """Run a command on MACHINE: lab exec MACHINE -- COMMAND [ARGUMENT ...]. Its exit code is the command's."""
    context = open_lab(file)
    name = machine_named(context.topology, machine).name
    ask_for_root(context, "enter a machine")
    enter = context.enter(name, *argv, user=user)
    become(enter)
