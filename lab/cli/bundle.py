"""`lab bundle`: everything in the lock, in one archive, for machines without internet."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import click

from lab.actions import artefacts
from lab.cli.lock import LOCK
from lab.cli.options import json_option
from lab.cli.output import print_json
from lab.cli.privilege import become_root
from lab.cli.progress import Progress
from lab.errors import CheckError
from lab.provision.artefacts import Kind, read_lock
from lab.provision.bundle import read_manifest

file_argument = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))


@click.group
def command() -> None:
    """Create, verify and show a bundle; docs/bundle.md describes its layout."""


@command.command
@file_argument
@click.option(
    "--from",
    "filled",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="The directory, laid out as a bundle, with what lab does not fetch by itself.",
)
def create(file: Path, filled: Path | None) -> None:
    """Write FILE with every artefact of lab.lock, or name all that are missing or wrong."""
    become_root("ask apt, as mmdebstrap sets it up")
    report = Progress()
    with report.step("create the bundle"):
        differences = artefacts.create(read_lock(LOCK), file, filled=filled, say=report.detail)
        if differences:
            raise CheckError(artefacts.described(f"{file} was not written", differences))
    click.echo(f"{file}: {file.stat().st_size >> 20} MiB")


@command.command
@file_argument
def verify(file: Path) -> None:
    """Read all of FILE and compare it with lab.lock. Exit code 1 when anything differs."""
    differences = artefacts.verify(read_lock(LOCK), file)
    if differences:
        raise CheckError(
            artefacts.described(f"{file} is not what {LOCK} says", differences),
            hint="LAB_LOCK=FILE names another lock: the one that the bundle was made from",
        )
    click.echo(f"{file}: {len(read_manifest(file))} artefacts, all as in lab.lock")


@command.command
@file_argument
@json_option
def show(file: Path, as_json: bool) -> None:
    """Show what FILE says that it holds."""
    found = read_manifest(file)
    if as_json:
        print_json({"artefacts": [{"path": a.path, "sha256": a.sha256, "bytes": a.size} for a in found]})
        return
    for kind, of_kind in groupby(sorted(found, key=lambda a: a.path), key=lambda a: a.kind):
        files = list(of_kind)
        size = sum(artefact.size for artefact in files)
        # Debian's packages are many, and known by their lock.
        names = [] if kind is Kind.DEB else [a.path.removeprefix(f"{kind}/") for a in files]
        line = f"{kind:<10} {len(files):>5} files {size >> 20:>6} MiB  {', '.join(names)}"
        click.echo(line.rstrip())
