"""`lab image`: which images the nodes have beside the built-in ones."""

from __future__ import annotations

from pathlib import Path

import click

from lab.actions import images
from lab.cli.options import file_option
from lab.cli.session import ask_for_root, open_lab


@click.group
def command() -> None:
    """Load container images into the nodes' stores: nothing is downloaded unless you say so."""


@command.command("load")
@click.argument(
    "archive", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False)
)
@file_option
def load(archive: tuple[Path, ...], file: Path | None) -> None:
    """Load ARCHIVEs, as docker save, podman save or skopeo copy write them, on every node."""
    context = open_lab(file)
    ask_for_root(context, "enter the nodes")
    for each in archive:
        for name in images.load_images(context, each):
            click.echo(name)


@command.command("pull")
@click.argument("reference")
@file_option
def pull(reference: str, file: Path | None) -> None:
    """Fetch REFERENCE from its registry with skopeo and load it on every node."""
    context = open_lab(file)
    ask_for_root(context, "enter the nodes")
    for name in images.pull_image(context, reference):
        click.echo(name)


@command.command("list")
@file_option
def list_loaded(file: Path | None) -> None:
    """Show what was loaded on each node."""
    context = open_lab(file)
    ask_for_root(context, "enter the nodes")
    for node, names in images.list_images(context).items():
        click.echo(f"{node}: {', '.join(names) or 'nothing beside the built-in images'}")
