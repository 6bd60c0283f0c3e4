"""The command line: one file a verb, imported only when it is called. The only room that prints, colours or exits.

A verb's file defines `command`, a click command. Exit codes are those of `lab.errors`.
"""

from __future__ import annotations

import importlib
import sys
from typing import Final

import click

from lab.errors import LabError

INTERRUPTED: Final = 130

VERBS: Final = {
    "up": "Build the lab, or repair it.",
    "down": "Remove the lab.",
    "status": "Show the machines.",
    "ssh": "Open a shell on a machine.",
    "exec": "Run a command on a machine.",
    "logs": "Show what a machine said.",
    "test": "Prove the running lab from the client and the router.",
    "explain": "Follow the way to a Service, hop by hop.",
    "image": "Load container images into the nodes; build the load balancer's.",
    "fault": "Break a machine on purpose, and mend it.",
    "plan": "Say what `up` would do.",
    "doctor": "Check what the lab needs of this host.",
    "validate": "Check a topology file and report every mistake in it.",
    "schema": "Print the JSON Schema of the topology file.",
    "box": "Build, list and remove the box that virtual machines start from.",
    "lock": "Pin what comes from elsewhere.",
    "bundle": "Put all that the lock pins into one archive.",
    "render": "Print what is derived from the topology file for other programs.",
    "graph": "Draw the lab: machines, networks, addresses, AS numbers.",
}


class LazyGroup(click.Group):
    """A group that knows its verbs' names and one-line helps without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"lab.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def lab() -> None:
    """Build, break and prove a Kubernetes load-balancer homelab."""


def main() -> None:
    """Run the command line; every LabError becomes one message and an exit code."""
    try:
        sys.exit(lab(prog_name="lab", standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        click.echo("lab: interrupted; the same command goes on where this one stopped", err=True)
        sys.exit(INTERRUPTED)
    except LabError as error:
        click.echo(f"lab: {error.message}", err=True)
        if error.hint:
            click.echo(f"     {error.hint}", err=True)
        sys.exit(error.exit_code)
