"""`lab lock`: every file that comes from elsewhere, pinned by checksum."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from lab.actions import artefacts
from lab.cli.options import json_option
from lab.cli.output import print_json
from lab.cli.privilege import become_root
from lab.errors import CheckError
from lab.machines.family import CHECKOUT
from lab.provision.artefacts import lock_file, read_lock, write_lock

LOCK = lock_file(CHECKOUT)
"""The project's own lock, unless somebody has one for themselves."""


@click.command
@click.option(
    "--check", is_flag=True, help="Compare with what the mirror has now. Exit code 1 when it differs."
)
@click.option("--update", is_flag=True, help="Write the lock anew.")
@click.option(
    "--from",
    "filled",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="With --update: also pin the files in this directory, laid out as a bundle.",
)
@json_option
def command(check: bool, update: bool, filled: Path | None, as_json: bool) -> None:
    """Show, check or update lab.lock: Debian's packages, and Kubernetes' own files."""
    if update or check:
        become_root("ask apt, as mmdebstrap sets it up")
    if update:
        known = read_lock(LOCK) if LOCK.exists() else None
        write_lock(LOCK, artefacts.updated(known, filled))
    lock = read_lock(LOCK)
    differences = artefacts.outdated(lock) if check else []
    counted = Counter(artefact.kind for artefact in lock.artefacts)
    if as_json:
        print_json({"artefacts": dict(counted), "differences": [str(d) for d in differences]})
    else:
        click.echo(", ".join(f"{count} {kind}" for kind, count in sorted(counted.items())))
    if differences:
        raise CheckError(
            artefacts.described("the mirror differs from the lock", differences), hint="lab lock --update"
        )
