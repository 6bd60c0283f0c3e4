"""`lab test`: prove the running lab."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path

import click

from lab.actions.checks import Verdict, run_checks
from lab.cli.options import file_option, json_option
from lab.cli.output import print_json
from lab.cli.session import ask_for_root, open_lab
from lab.errors import CheckError


@click.command(context_settings={"ignore_unknown_options": True})
@file_option
@json_option
@click.option("--junit", type=click.Path(path_type=Path), help="Keep a JUnit report in this file.")
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def command(file: Path | None, as_json: bool, junit: Path | None, options: tuple[str, ...]) -> None:
    """Run the checks from the client and the router. OPTIONS go to pytest, such as -k router.

    Exit code 1 when a check fails or none ran. What could not run is shown as not run, never as passed.
    """
    context = open_lab(file, quiet=as_json)
    ask_for_root(context, "enter the machines")
    checks = run_checks(context, junit=junit, options=options, quiet=as_json)
    counted = Counter(check.verdict for check in checks)
    if as_json:
        print_json({"lab": context.topology.name, "checks": [asdict(check) for check in checks]})
    else:
        click.echo(", ".join(f"{counted[verdict]} {verdict}" for verdict in Verdict))
    if counted[Verdict.FAILED] or not counted[Verdict.PASSED]:
        raise click.exceptions.Exit(CheckError.exit_code)
