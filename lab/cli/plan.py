"""`lab plan`: what `lab up` would do now."""

from __future__ import annotations

from pathlib import Path

import click

from lab.actions import up
from lab.actions.steps import plan
from lab.cli.options import file_option, json_option
from lab.cli.output import print_json
from lab.cli.session import ask_for_root, open_lab, provider_option, say_choice


@click.command
@file_option
@json_option
@provider_option
def command(file: Path | None, as_json: bool, provider: str) -> None:
    """Say what `lab up` would do, step by step, and change nothing."""
    context = open_lab(file, quiet=as_json, provider=provider)
    if context.provider.status().exists:
        ask_for_root(context, "look inside the machines")
    say_choice(context)
    planned = plan(up.steps(), context)
    if as_json:
        print_json(
            {"lab": context.topology.name, "steps": {title: list(lines) for title, lines in planned.items()}}
        )
        return
    for title, lines in planned.items():
        click.echo(f"{title}: {'; '.join(lines) if len(lines) == 1 else '' if lines else 'nothing to do'}")
        for line in lines if len(lines) > 1 else []:
            click.echo(f"  {line}")
