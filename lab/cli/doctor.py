"""`lab doctor`: what this host lacks, with the exact fix."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from lab.actions.doctor import examine
from lab.cli.options import file_option, json_option
from lab.cli.output import print_json
from lab.cli.session import open_lab, provider_option, say_choice
from lab.errors import HostError
from lab.machines.port import Severity

MARKS = {Severity.OK: ("✓", "green"), Severity.WARNING: ("!", "yellow"), Severity.FAILURE: ("✗", "red")}


@click.command
@file_option
@json_option
@provider_option
def command(file: Path | None, as_json: bool, provider: str) -> None:
    """Check what the lab needs of this host. Exit code 3 when the lab cannot work on it."""
    context = open_lab(file, quiet=as_json, provider=provider)
    say_choice(context)
    findings = examine(context)
    if as_json:
        print_json({"findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            mark, colour = MARKS[finding.severity]
            click.echo(f"{click.style(mark, fg=colour)} {finding.check}: {finding.detail}")
            if finding.fix:
                click.echo(f"    fix: {finding.fix}")
    if any(finding.severity is Severity.FAILURE for finding in findings):
        raise click.exceptions.Exit(HostError.exit_code)
