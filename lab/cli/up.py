"""`lab up`: build the lab, or repair it."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path

import click

from lab.actions import up
from lab.actions.steps import perform
from lab.cli.options import file_option, json_option
from lab.cli.output import print_json
from lab.cli.privilege import become_root
from lab.cli.session import changing, open_lab


@click.command
@file_option
@json_option
@click.option(
    "--no-cache", is_flag=True, help="Configure every machine again, even where a kept result is known."
)
def command(file: Path | None, as_json: bool, no_cache: bool) -> None:
    """Build the lab of the topology file, or bring back what is missing or broken in it. Safe to repeat."""
    context = open_lab(file, quiet=as_json)
    become_root("create namespaces, mounts and network interfaces")
    begun = time.monotonic()
    with changing(context, "up"):
        timings = perform(up.steps(cache=not no_cache), context)
    seconds = round(time.monotonic() - begun, 1)
    name = context.topology.name
    if as_json:
        print_json({"lab": name, "seconds": seconds, "steps": [asdict(timing) for timing in timings]})
        return
    click.echo(f"lab {name} is up ({seconds} s). Try: lab status · lab ssh client · lab test")
