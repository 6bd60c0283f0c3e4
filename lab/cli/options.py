"""Options that verbs share: which lab.yml, and whether to print JSON."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import click

from lab.errors import UsageError

TOPOLOGY_FILE: Final = "lab.yml"

file_argument = click.argument("file", required=False, type=click.Path(path_type=Path))
"""FILE, an optional argument: pass it through `topology_file`."""
file_option = click.option(
    "--file", "-f", type=click.Path(path_type=Path), help="The topology file instead of the nearest lab.yml."
)
"""--file, -f: pass it through `topology_file`."""
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


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
