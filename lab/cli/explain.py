"""`lab explain`: the way from the client to a Service's pods, hop by hop, with what is broken on it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import click

from lab.actions.evidence.gather import find_service, gather, name_of, read_objects
from lab.actions.evidence.judge import Hop, judge
from lab.cli.options import file_option, json_option
from lab.cli.output import print_json
from lab.cli.session import ask_for_root, open_lab
from lab.errors import CheckError


@click.command
@click.argument("service")
@file_option
@json_option
def command(service: str, file: Path | None, as_json: bool) -> None:
    """Follow the way to SERVICE: NAMESPACE/NAME, a NAME in `default`, or an external IP.

    Exit code 1 when a hop is broken; the first broken one is where to begin.
    """
    context = open_lab(file, quiet=as_json)
    ask_for_root(context, "look at the machines")
    objects = read_objects(context)
    name = name_of(find_service(objects, service))
    hops = judge(gather(context, name, objects), context.topology)
    if as_json:
        print_json({"service": name, "hops": [asdict(hop) for hop in hops]})
    else:
        click.echo("\n".join(lines(hops)))
    if not all(hop.ok for hop in hops):
        raise click.exceptions.Exit(CheckError.exit_code)


def lines(hops: Iterable[Hop]) -> Iterable[str]:
    """Yield a line for each hop, and the cure below a broken one."""
    for hop in hops:
        mark = click.style("✓", fg="green") if hop.ok else click.style("✗", fg="red")
        yield f"{mark} {hop.name:<14} {hop.detail}"
        if hop.cure:
            yield f"  {'':<14} → {hop.cure}"
