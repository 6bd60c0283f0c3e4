"""`lab up`: build the lab, or repair it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from lab.actions import artefacts, up
from lab.actions.proof import Prove
from lab.actions.steps import Context, Step, perform
from lab.cli.explain import lines
from lab.cli.lock import LOCK
from lab.cli.options import file_option, json_option
from lab.cli.output import print_json
from lab.cli.privilege import leave_the_network, ways_out
from lab.cli.session import ask_for_root, changing, open_lab, provider_option, say_choice
from lab.errors import UsageError
from lab.provision.artefacts import Kind, read_lock
from lab.topology.model import Distribution

TIPS = (
    "lab ssh client           and there: k create deploy nginx --image=nginx --replicas=3",
    "lab explain SERVICE      the way from the client to its pods, hop by hop",
    "lab test                 everything that is checked from outside",
)


@click.command
@file_option
@json_option
@provider_option
@click.option(
    "--no-cache", is_flag=True, help="Configure every machine again, even where a kept result is known."
)
@click.option(
    "--prove",
    is_flag=True,
    help="Ask the client for an answer also where it had one, nothing was touched since, and machines are slow.",
)
@click.option(
    "--until",
    type=click.Choice([step.title for step in up.steps()]),
    help="Stop after this step.",
)
@click.option("--offline", is_flag=True, help="Use no network: work in a namespace that has none.")
@click.option(
    "--bundle",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Take what would be fetched from this bundle; see lab bundle.",
)
def command(
    file: Path | None,
    as_json: bool,
    provider: str,
    no_cache: bool,
    prove: bool,
    until: str | None,
    offline: bool,
    bundle: Path | None,
) -> None:
    """Build the lab of the topology file, or bring back what is missing or broken in it. Safe to repeat."""
    context = open_lab(file, quiet=as_json, provider=provider)
    ask_for_root(context, "create namespaces, mounts and network interfaces")
    if offline or bundle:
        _confine(context, offline=offline, bundle=bundle)
    say_choice(context)
    begun = time.monotonic()
    steps = up.steps(cache=not no_cache, prove=prove, until=until)
    with changing(context, "up"):
        timings = perform(steps, context)
    seconds = round(time.monotonic() - begun, 1)
    name = context.topology.name
    if as_json:
        print_json({"lab": name, "seconds": seconds, "steps": [asdict(timing) for timing in timings]})
        return
    _tell(name, seconds, steps, until)


def _tell(name: str, seconds: float, steps: Sequence[Step], until: str | None) -> None:
    for line in lines(hop for step in steps if isinstance(step, Prove) for hop in step.hops):
        click.echo(line)
    if until:
        click.echo(f"lab {name} is up, until “{until}” ({seconds} s)")
        return
    click.echo(f"lab {name} is up ({seconds} s). Next:")
    for tip in TIPS:
        click.echo(f"  {tip}")


def _confine(context: Context, *, offline: bool, bundle: Path | None) -> None:
    """Keep to a bundle, and away from the network; say what proves it.

    Raises UsageError where virtual machines are wanted and this host has a way out: they hang on its network, which
    cannot be left without them.
    """
    if offline and context.needs_root:
        leave_the_network()
    ways = ways_out() if offline else []
    if ways:
        raise UsageError(
            f"--offline, and this host has a way out: {'; '.join(ways)}",
            hint="virtual machines need this host's network: take the route away, then try again",
        )
    if offline:
        context.report.notice("offline: there is no default route here, and so no way out")
    if bundle:
        lock = read_lock(LOCK)
        kubeadm = context.topology.kubernetes.distribution is Distribution.KUBEADM
        has_tools = bool(lock.of(Kind.BIN))
        if kubeadm or has_tools or context.provider.prepare(None):
            artefacts.use(lock, bundle)
