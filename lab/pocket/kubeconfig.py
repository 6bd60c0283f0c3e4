"""`python -m lab.pocket kubeconfig`: issue a client certificate from a server's authority and print its kubeconfig.

Nodes and controllers get their identities this way: `--user system:node:worker1 --group system:nodes`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from lab.pocket import pki


def main(arguments: Sequence[str]) -> None:
    """Print a kubeconfig for the user that the arguments name."""
    parser = argparse.ArgumentParser(
        prog="python -m lab.pocket kubeconfig", description="Print a kubeconfig."
    )
    parser.add_argument("--data", type=Path, required=True, help="the server's directory")
    parser.add_argument("--server", required=True, metavar="URL")
    parser.add_argument("--user", required=True)
    parser.add_argument("--group", action="append", default=[])
    options = parser.parse_args(arguments)
    authority = pki.load_or_create_authority(options.data / "pki")
    identity = pki.client_certificate(authority, options.user, options.group)
    document = pki.kubeconfig(
        server=options.server, authority=authority, identity=identity, user=options.user
    )
    sys.stdout.buffer.write(document)
