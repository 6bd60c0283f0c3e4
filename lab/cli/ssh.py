"""`lab ssh`: a shell on a machine, as the user that the tutorials have."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from lab.cli.options import file_option
from lab.cli.privilege import become
from lab.cli.session import ask_for_root, machine_argument, machine_named, open_lab

USER = "vagrant"


@click.command
@machine_argument
@click.option("-c", "--command", "line", help="Run this line in the shell instead of opening it.")
@click.option("-l", "--login", "user", default=USER, show_default=True, help="The user to be.")
@file_option
def command(machine: str, line: str | None, user: str, file: Path | None) -> None:
    """Open a shell on MACHINE."""
    context = open_lab(file)
    name = machine_named(context.topology, machine).name
    ask_for_root(context, "enter a machine")
    if line is None and sys.stdin.isatty():
        argv = context.provider.enter(name, [], user=user, terminal=True)
    else:
        script = ["bash", "--login", *(["-c", f"cd && {line}"] if line is not None else [])]
        argv = context.enter(name, *script, user=user)
    become(argv)
