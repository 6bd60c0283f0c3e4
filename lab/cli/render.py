"""`lab render`: what is derived from the topology file, for programs that read JSON."""

from __future__ import annotations

import os
from pathlib import Path

import click

from lab.cli.options import file_option, topology_file
from lab.cli.output import print_json
from lab.machines.family import CHECKOUT
from lab.machines.vagrant.data import data
from lab.machines.vagrant.paths import VagrantPaths
from lab.topology.loader import load

TOPOLOGY = "LAB_TOPOLOGY"


@click.command()
@click.argument("what", type=click.Choice(["vagrant"]))
@file_option
def command(what: str, file: Path | None) -> None:
    """Print what the Vagrantfile loops over: machines, sizes, boxes, networks.

    Without --file, the environment variable LAB_TOPOLOGY names the topology file, then the nearest lab.yml is taken.
    """
    del what  # there is one kind so far
    named = os.environ.get(TOPOLOGY)
    path = topology_file(file or (Path(named) if named else None)).resolve()
    topology = load(path)
    print_json(data(topology, VagrantPaths(lab=topology.name, file=path, checkout=CHECKOUT)))
