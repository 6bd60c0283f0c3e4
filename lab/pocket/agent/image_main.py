"""The node's image store: `python -m lab.pocket image load FILE`, `python -m lab.pocket image list`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from lab.pocket.agent.archive import load
from lab.pocket.agent.images import Images, familiar

STORE = "/var/lib/lab/images"


def main(argv: Sequence[str]) -> None:
    """Load archives or list what was loaded; raises UsageError for a file that is no image archive."""
    parser = argparse.ArgumentParser(prog="image", description=__doc__)
    parser.add_argument("--images", type=Path, default=Path(STORE), help="the agent's store")
    verbs = parser.add_subparsers(dest="verb", required=True)
    loading = verbs.add_parser("load", help="unpack an OCI or docker archive; the agent finds it at once")
    loading.add_argument("file", type=Path, nargs="+")
    verbs.add_parser("list", help="print the names of the images that were loaded")
    options = parser.parse_args(argv)
    store = Images(options.images)
    if options.verb == "load":
        store.directory.mkdir(parents=True, exist_ok=True)
        names = [name for file in options.file for name in load(file, store)]
    else:
        names = store.names()
    sys.stdout.write("".join(f"{familiar(name)}\n" for name in names))
