"""Options that verbs share: which lab.yml, and whether to print JSON."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Final

import click

from lab.errors import UsageError

TOPOLOGY_FILE: Final = "lab.yml"

file_option = click.option(
    "--file", "-f", type=click.Path(path_type=Path), help="The topology file instead of the nearest lab.yml."
)
"""--file, -f: pass it through `topology_file`."""
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def file_argument(command: Callable[..., None]) -> Callable[..., None]:
    """FILE, or --file FILE as the other verbs have it: pass it through `topology_file`."""

    @click.argument("named", metavar="[FILE]", required=False, type=click.Path(path_type=Path))
    @file_option
    @wraps(command)
    def either(*positional: object, named: Path | None, file: Path | None, **options: object) -> None:
        command(*positional, file=file or named, **options)

    return either


def topology_file(file: Path | None) -> Path:
    """Return `file`, or the nearest lab.yml in the current directory or a parent; raises UsageError."""
    if file is not None:
        return file
    here = Path.cwd()
    for directory in (here, *here.parents):
        if (directory / TOPOLOGY_FILE).is_file():
            return Path(os.path.relpath(directory / TOPOLOGY_FILE))
    raise UsageError(
        f"there is no {TOPOLOGY_FILE} here or in a parent directory", hint="name one: labs/two-workers.yml"
    )
