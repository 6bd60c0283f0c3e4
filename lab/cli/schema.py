"""`lab schema`: the keys of the topology file, for editors and for people."""

from __future__ import annotations

import click

from lab.cli.output import print_json, write_text
from lab.render.reference import reference
from lab.render.schema import schema


@click.command()
@click.option(
    "--format",
    "form",
    type=click.Choice(["json", "markdown"]),
    default="json",
    help="JSON Schema (the default), or the reference page as Markdown.",
)
def command(form: str) -> None:
    """Print the JSON Schema (draft 2020-12) of the topology file.

    With `lab schema > lab.schema.json`, an editor checks a lab.yml that begins with the line
    `# yaml-language-server: $schema=lab.schema.json`.
    """
    if form == "markdown":
        write_text(reference(), None)
    else:
        print_json(schema())
