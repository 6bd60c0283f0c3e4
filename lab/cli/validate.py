"""`lab validate`: every mistake of a topology file, one line each. Exit code 0 without mistakes, else 2."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from lab.cli.options import file_argument, json_option, topology_file
from lab.cli.output import print_json
from lab.topology.loader import load
from lab.topology.mistakes import InvalidTopologyError, Mistake


@click.command()
@file_argument
@json_option
@click.pass_context
def command(context: click.Context, file: Path | None, as_json: bool) -> None:
    """Check a topology file and report every mistake in it, with what to write instead.

    FILE is the nearest lab.yml unless it is named. The exit code is 2 if there are mistakes.
    """
    path = topology_file(file)
    try:
        topology = load(path)
    except InvalidTopologyError as error:
        _print_mistakes(error, as_json=as_json)
        context.exit(error.exit_code)
    if as_json:
        _print_verdict(path, ())
    else:
        click.echo(f"{path}: valid, {len(topology.machines)} machines")


def _print_mistakes(error: InvalidTopologyError, *, as_json: bool) -> None:
    if as_json:
        _print_verdict(Path(error.file), error.mistakes)
    else:
        click.echo("\n".join(error.lines()), err=True)


def _print_verdict(path: Path, mistakes: tuple[Mistake, ...]) -> None:
    found = [dataclasses.asdict(mistake) for mistake in mistakes]
    print_json({"file": str(path), "valid": not found, "mistakes": found})
