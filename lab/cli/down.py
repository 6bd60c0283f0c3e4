"""`lab down`: remove the lab."""

from __future__ import annotations

import time
from pathlib import Path

import click

from lab.actions import credentials
from lab.cli.options import file_option, json_option
from lab.cli.output import print_json
from lab.cli.session import ask_for_root, changing, open_lab
from lab.machines.family import FAMILIES


@click.command
@file_option
@json_option
@click.option(
    "--provider",
    type=click.Choice([choice.value for choice in FAMILIES]),
    help="What the machines were, where the record of them (.lab/) is lost.",
)
def command(file: Path | None, as_json: bool, provider: str | None) -> None:
    """Remove the lab, whatever state it is in: no process, namespace, mount, control group or link stays."""
    context = open_lab(file, quiet=as_json, provider=provider)
    ask_for_root(context, "remove machines")
    begun = time.monotonic()
    with changing(context, "down"):
        context.provider.destroy()
        credentials.forget(context)
    seconds = round(time.monotonic() - begun, 2)
    if as_json:
        print_json({"lab": context.topology.name, "seconds": seconds})
        return
    click.echo(f"lab {context.topology.name} is gone ({seconds} s)")
