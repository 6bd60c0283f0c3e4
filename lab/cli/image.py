"""`lab image`: which images the nodes have beside the built-in ones, and the load balancer's own as an archive."""

from __future__ import annotations

from pathlib import Path

import click

from lab.actions import balancer_image, images
from lab.cli.options import file_option
from lab.cli.privilege import become_root, give_back
from lab.cli.progress import Progress
from lab.cli.session import ask_for_root, open_lab
from lab.errors import HostError
from lab.machines.containers import base


@click.group
def command() -> None:
    """Load container images into the nodes' stores: nothing is downloaded unless you say so."""


@command.command
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    default=Path("lab-balancer.tar"),
    show_default=True,
    help="Where to write the archive.",
)
def build(output: Path) -> None:
    """Write the load balancer's image as an OCI archive, for any cluster.

    It is made of the Debian that machine containers have, without a network once that is in the cache. The same
    packages and programs give the same bytes.
    """
    report = Progress()
    found = base.find()
    if found is None:
        become_root("unpack Debian's packages")
        with report.step("build the base"):
            found = base.build(report.detail)
    with report.step("build the image"):
        archive = balancer_image.build(found.tree)
    try:
        output.write_bytes(archive)
    except OSError as error:
        raise HostError(f"cannot write {output}: {error.strerror}") from error
    give_back(output)
    click.echo(f"{balancer_image.reference()}  {len(archive) >> 20} MiB  {output}")


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
