"""`lab graph`: the lab as a picture."""

from __future__ import annotations

from pathlib import Path

import click

from lab.cli.options import file_argument, topology_file
from lab.cli.output import write_text
from lab.render.diagram import svg
from lab.render.mermaid import mermaid
from lab.topology.loader import load


@click.command()
@file_argument
@click.option("--format", "form", type=click.Choice(["svg", "mermaid"]), default="svg", show_default=True)
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), help="The file to write instead of printing."
)
def command(file: Path | None, form: str, output: Path | None) -> None:
    """Draw the lab: machines, networks, addresses, AS numbers.

    FILE is the nearest lab.yml unless it is named.
    """
    draw = {"svg": svg, "mermaid": mermaid}[form]
    write_text(draw(load(topology_file(file))), output)
